//! `grantwatch grants token`: a new bearer token for the API, shown once.
//!
//! Invariant: the token is printed and kept nowhere; what goes into the configuration is its hash.

use std::io;
use std::io::Write;

use clap::Args;
use clap::ValueEnum;
use jiff::Timestamp;

use crate::api::token;
use crate::cli::Exit;
use crate::cli::when::now;
use crate::model::Duration;

/// Make a bearer token for the API, and the entry of the configuration that lets it in.
///
/// The first line is the token, which is shown this once; give it to its holder. What follows goes into the
/// configuration: it holds the token's hash alone.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What logs and evidence call its holder.
    #[arg(long, default_value = "broker")]
    name: String,
    /// What it may do.
    #[arg(long = "scope", value_enum, default_values_t = [Scope::Read, Scope::Write])]
    scopes: Vec<Scope>,
    /// A source of grants that it may write and revoke, as a glob; `*` is all.
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// How long it is let in.
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<Duration>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Look at grants.
    #[value(name = "grants:read")]
    Read,
    /// Tell of grants and revoke them.
    #[value(name = "grants:write")]
    Write,
    /// Read the daemon's metrics.
    #[value(name = "metrics:read")]
    Metrics,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "grants:read",
            Self::Write => "grants:write",
            Self::Metrics => "metrics:read",
        }
    }
}

pub(super) fn run(args: &TokenArgs) -> anyhow::Result<Exit> {
    if args.scopes.contains(&Scope::Write) && args.sources.is_empty() {
        anyhow::bail!(
            "a token that writes needs a --source: what your broker's messages name as `source`"
        );
    }
    let token = token::make()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{token}\n\n{}", entry(args, &token)?)?;
    Ok(Exit::Done)
}

/// Returns the entry of the configuration that lets `token` in.
fn entry(args: &TokenArgs, token: &str) -> anyhow::Result<String> {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let list = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|it| text(it)).collect();
        format!("[{}]", texts.join(", "))
    };
    let scopes: Vec<String> = args.scopes.iter().map(|scope| scope.name().to_owned()).collect();
    let mut entry = format!(
        "[[api.token]]\nname = {}\nsha256 = \"{}\"\nscopes = {}",
        text(&args.name),
        token::Hash::of(token),
        list(&scopes)
    );
    if !args.sources.is_empty() {
        entry += &format!("\nsources = {}", list(&args.sources));
    }
    if let Some(lasts) = args.lasts {
        let end = Timestamp::from_second(now().plus(lasts.span()).0)?;
        entry += &format!("\nnot_after = \"{end}\"");
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::api;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: TokenArgs,
    }

    #[test]
    fn the_entry_lets_the_token_in() {
        let line = ["token", "--name", "the \"broker\"", "--source", "aws-team", "--for", "30d"];
        let args = Line::parse_from(line).args;
        let text = entry(&args, "gwt_x").unwrap();
        assert!(!text.contains("gwt_x"));
        let text =
            format!("listen = \"127.0.0.1:8440\"\n{}", text.replace("[[api.token]]", "[[token]]"));
        let config: api::Config = toml::from_str(&text).unwrap();
        assert_eq!(config.check(), []);
        let [token] = &config.token[..] else { panic!("one token") };
        assert_eq!(token.name, "the \"broker\"");
        assert_eq!(token.sha256, token::Hash::of("gwt_x").to_string());
        assert!(token.not_after.is_some() && config.takes_grants());
    }

    #[test]
    fn a_token_that_could_write_nothing_is_not_made() {
        let args = Line::parse_from(["token"]).args;
        assert!(run(&args).is_err());
    }
}
