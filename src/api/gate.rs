//! Who may do what: tokens and signatures, as the operator's file has them now.
//!
//! Invariant: every token of the file is looked at for every request, so that the time it takes tells nothing.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;

use crate::api::config::Config;
use crate::api::config::Scope;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::signature::SecretError;
use crate::api::signature::Signer;
use crate::api::token::Hash;
use crate::model::Glob;
use crate::model::Seconds;

/// Tokens and signatures.
#[derive(Debug)]
pub(super) struct Gate {
    tokens: Vec<Held>,
    signers: Vec<(String, Signer)>,
}

#[derive(Debug)]
struct Held {
    hash: Hash,
    holder: Arc<Holder>,
}

/// Who holds a token, and what it allows.
#[derive(Debug)]
pub(super) struct Holder {
    /// What the operator calls them.
    pub(super) name: String,
    scopes: Vec<Scope>,
    sources: Vec<Glob>,
    not_after: Option<Timestamp>,
}

impl Gate {
    /// Makes the gate of `config`.
    ///
    /// # Errors
    /// When the secrets of a source cannot be read.
    pub(super) fn new(config: &Config) -> Result<Self, SecretError> {
        let tokens = config.token.iter().filter_map(|token| {
            let holder = Holder {
                name: token.name.clone(),
                scopes: token.scopes.clone(),
                sources: token.sources.clone(),
                not_after: token.not_after,
            };
            Some(Held { hash: Hash::parse(&token.sha256)?, holder: Arc::new(holder) })
        });
        let signers = config.signature.iter().map(|it| Ok((it.source.clone(), Signer::read(it)?)));
        Ok(Self { tokens: tokens.collect(), signers: signers.collect::<Result<_, _>>()? })
    }

    /// Returns who asks, if they may ask for this.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        now: Seconds,
    ) -> Result<Arc<Holder>, Problem> {
        let refuse = |what: &str| Problem::new(Kind::Unauthenticated, what);
        let Some(given) = headers.get(AUTHORIZATION) else {
            return Err(refuse("the header `Authorization: Bearer TOKEN` is missing"));
        };
        let token = given.to_str().ok().and_then(|it| it.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(refuse("the header `Authorization` holds no bearer token"));
        };
        let hash = Hash::of(token.trim());
        let mut found = None;
        for held in &self.tokens {
            if held.hash.is(&hash) {
                found = Some(&held.holder);
            }
        }
        let Some(holder) = found else { return Err(refuse("the token is not known")) };
        if holder.not_after.is_some_and(|end| now.0 >= end.as_second()) {
            return Err(refuse("the token's time is over"));
        }
        if !holder.scopes.contains(&scope) {
            let what = format!("the token of `{}` has no scope `{}`", holder.name, scope.name());
            return Err(Problem::new(Kind::Forbidden, what));
        }
        Ok(Arc::clone(holder))
    }

    /// Returns how the messages of `source` are signed, if they have to be.
    pub(super) fn signer(&self, source: &str) -> Option<&Signer> {
        self.signers.iter().find(|(name, _)| name == source).map(|(_, signer)| signer)
    }
}

impl Holder {
    /// Returns whether the holder may write grants of `source`.
    pub(super) fn writes_for(&self, source: &str) -> bool {
        self.sources.iter().any(|glob| glob.matches(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let token = |name: &str, token: &str, more: &str| {
            let hash = Hash::of(token);
            format!("[[token]]\nname = '{name}'\nsha256 = '{hash}'\n{more}\n")
        };
        let text = [
            token("reader", "gwt_r", "scopes = ['grants:read']"),
            token("broker", "gwt_b", "scopes = ['grants:write']\nsources = ['aws-*']"),
            token("old", "gwt_o", "scopes = ['grants:read']\nnot_after = '2026-03-01T08:00:00Z'"),
        ];
        Gate::new(&toml::from_str(&text.concat()).unwrap()).unwrap()
    }

    fn ask(authorization: &str, scope: Scope, clock: &str) -> Result<String, (Kind, String)> {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        let now = Seconds::parse(&format!("2026-03-01T{clock}Z")).unwrap();
        let admitted = gate().admit(&headers, scope, now);
        admitted.map(|holder| holder.name.clone()).map_err(|it| (it.kind(), format!("{it:?}")))
    }

    #[test]
    fn a_token_opens_what_its_scopes_say_until_its_time_is_over() {
        let clock = "07:59:59";
        assert_eq!(ask("Bearer gwt_r", Scope::Read, clock).unwrap(), "reader");
        assert_eq!(ask("bearer  gwt_o", Scope::Read, clock).unwrap(), "old");
        let refused = |authorization, scope, clock| ask(authorization, scope, clock).unwrap_err().0;
        assert_eq!(refused("", Scope::Read, clock), Kind::Unauthenticated);
        assert_eq!(refused("Basic Z3d0X3I6", Scope::Read, clock), Kind::Unauthenticated);
        assert_eq!(refused("Bearer gwt_x", Scope::Read, clock), Kind::Unauthenticated);
        assert_eq!(refused("Bearer gwt_o", Scope::Read, "08:00:00"), Kind::Unauthenticated);
        assert_eq!(refused("Bearer gwt_r", Scope::Write, clock), Kind::Forbidden);
    }

    #[test]
    fn what_is_refused_does_not_repeat_the_token() {
        for scope in [Scope::Write, Scope::Read] {
            let (_, told) = ask("Bearer gwt_secret", scope, "07:00:00").unwrap_err();
            assert!(!told.contains("gwt_secret"), "{told}");
        }
    }

    #[test]
    fn a_holder_writes_for_the_sources_that_are_named() {
        let gate = gate();
        let broker = &gate.tokens[1].holder;
        assert!(broker.writes_for("aws-team") && !broker.writes_for("teleport"));
        assert!(!gate.tokens[0].holder.writes_for("aws-team"));
    }
}
