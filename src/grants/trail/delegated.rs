//! Access that vendors are given for a time by delegation requests (`invokedByDelegate`).
//!
//! The vendor asks (`CreateDelegationRequest`, logged in the vendor's account), somebody of ours accepts, and from when
//! the token is sent the vendor acts in the accepter's stead. Only the first record names the vendor. IAM User Guide,
//! "temporary delegation"; the shapes are those of the API's model, no sample of these records is published.
//!
//! Invariant: an acceptance gives something only if a broker made it or a grant covers the call: nobody approves a
//! vendor who was not allowed to. A request whose vendor is not known gives nothing.

use crate::grants::grant::GrantId;
use crate::grants::grant::Principal;
use crate::grants::grant::Scope;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::grant::Window;
use crate::grants::trail::Told;
use crate::grants::trail::Trust;
use crate::grants::trail::holders::blank;
use crate::grants::trail::holders::ended;
use crate::grants::trail::lesson::Delegation;
use crate::grants::trail::shelf::Shelf;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many requests are kept.
const MAX_REQUESTS: usize = 10_000;
/// How long a request is remembered.
const REMEMBERED: Span = Span(90 * 86_400);

/// A delegation request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Asked {
    vendor: Box<str>,
    /// How long the access lasts.
    lasts: Span,
    at: Seconds,
    /// The end of what was accepted.
    until: Option<Seconds>,
}

/// All delegation requests, by id.
#[derive(Debug)]
pub(super) struct Delegated {
    requests: Shelf<Asked>,
    longest: Span,
}

impl Delegated {
    /// Makes an empty one; nothing that lasts longer than `longest` is a grant.
    pub fn new(longest: Span) -> Self {
        Self { requests: Shelf::new("delegation", MAX_REQUESTS), longest }
    }

    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.requests.load(connection)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.requests.save(tx)
    }

    pub fn forget(&mut self, now: Seconds) {
        let before = now.plus(Span(-REMEMBERED.0));
        self.requests.retain(|_, asked| asked.at > before);
    }

    /// Takes in a step of a request; returns what that makes of grants.
    pub fn settle(&mut self, step: &Delegation, told: &Told<'_>) -> Option<Version> {
        match step {
            Delegation::Asked { id, vendor, seconds } => {
                if self.requests.get(id).is_none() && *seconds > 0 {
                    let (vendor, lasts) = (vendor.clone(), Span(*seconds));
                    self.requests.put(id, Asked { vendor, lasts, at: told.time, until: None });
                }
                None
            }
            Delegation::Accepted { id } => self.accepted(id, told),
            Delegation::Refused { id } => {
                let until = self.requests.get_mut(id)?.until.take()?;
                Some(ended(&grant_id(told.account, id), until, told.time))
            }
        }
    }

    fn accepted(&mut self, id: &str, told: &Told<'_>) -> Option<Version> {
        let longest = self.longest;
        let asked = self.requests.get_mut(id)?;
        let is_good = matches!(told.trust, Trust::Broker | Trust::Approved);
        if !is_good && asked.until.is_some() {
            // Somebody sends the token of what was accepted: that neither adds nor takes anything.
            return None;
        }
        let doubt = match is_good {
            false => Some("no grant covers its acceptance".to_owned()),
            true if asked.lasts > longest => Some(format!("it lasts longer than {longest}")),
            true => None,
        };
        let window = Window { from: told.time, until: told.time.plus(asked.lasts) };
        let status = if doubt.is_none() { Status::Active } else { Status::Requested };
        asked.until = doubt.is_none().then_some(window.until);
        let accepted = format!("delegation request {id}, accepted by {}", told.name);
        let justification = match doubt {
            None => accepted,
            Some(doubt) => format!("{accepted}; not a grant, as {doubt}"),
        };
        Some(Version {
            principals: vec![Principal::Account { account: asked.vendor.clone() }],
            scope: Scope { accounts: Some(vec![told.account.into()]), ..Scope::default() },
            window,
            justification: justification.into(),
            ..blank(grant_id(told.account, id), status, told.time)
        })
    }
}

fn grant_id(account: &str, id: &str) -> GrantId {
    GrantId(format!("cloudtrail:{account}:delegation/{id}").into())
}
