//! What earlier records taught that is not about one session: names, the takers of roles, the accounts that are ours.
//!
//! Invariant: a name gives way only to one that is shown as well or better; nothing here is taken from what a caller
//! could have chosen for itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;

use crate::identity::caller::Caller;
use crate::identity::caller::HIDDEN;
use crate::identity::config::is_account;
use crate::identity::lineage::Found;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::model::Confidence;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::model::json;

/// What earlier records taught that is not about one session.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Identity Center user ids and the names that were shown for them.
    pub people: HashMap<Box<str>, Named>,
    /// Role labels and who was seen to take them.
    pub takers: HashMap<Box<str>, Taker>,
    /// Accounts that are ours: configured, or their own log is delivered to us.
    pub accounts: HashSet<Box<str>>,
}

/// Who takes a role as a matter of course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taker {
    /// An AWS service, for its own work.
    Service(Box<str>),
    /// Subjects of this SAML provider, which sets their session names.
    Saml(Box<str>),
}

/// The name of an Identity Center user, and what showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: Box<str>,
    pub shown: Shown,
}

/// What showed the name of an Identity Center user, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// A role session that Identity Center named and opened for the user id.
    Session,
    /// A sign-in that succeeded, or AWS's own `userName` beside the user id.
    SignIn,
    /// A step of a sign-in that was not seen to succeed: the name as it was typed.
    Attempt,
    /// A role session that Identity Center named, and that fits no other request at the portal.
    Request,
}

impl Shown {
    const ALL: [Self; 4] = [Self::Session, Self::SignIn, Self::Attempt, Self::Request];

    /// The word for it in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SignIn => "sign_in",
            Self::Attempt => "attempt",
            Self::Request => "request",
        }
    }

    /// What is called `name`; a word from elsewhere is the weakest.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|shown| shown.name() == name).unwrap_or(Self::Request)
    }

    /// How sure a name is that was shown so, and why.
    fn evidence(self) -> (Confidence, &'static str) {
        match self {
            Self::Session => {
                (Confidence::Exact, "Identity Center user, named by a role session of the same id")
            }
            Self::SignIn => (Confidence::Exact, "Identity Center user, named by a sign-in"),
            Self::Attempt => (
                Confidence::Probable,
                "Identity Center user, named by a sign-in that was not seen to succeed",
            ),
            Self::Request => (
                Confidence::Probable,
                "Identity Center user, named by a role session that fits its request at the portal",
            ),
        }
    }
}

impl Named {
    /// Whether this name should take the place of `kept`.
    pub fn is_news_to(&self, kept: Option<&Self>) -> bool {
        kept.is_none_or(|kept| {
            // Of two that only fit, neither is better.
            let is_as_good = self.shown == kept.shown && self.shown != Shown::Request;
            self.shown < kept.shown || (is_as_good && self.name != kept.name)
        })
    }

    /// Whether nobody else can have made what this user made.
    pub fn is_exact(&self) -> bool {
        self.shown.evidence().0 == Confidence::Exact
    }

    /// The person of this name.
    pub fn party(&self) -> Party {
        let (sure, why) = self.shown.evidence();
        Party::new(Kind::Person, &self.name, sure, why)
    }
}

/// How much of a name is kept; Identity Center allows 128 letters.
const MAX_NAME_BYTES: usize = 512;

impl Known {
    /// Returns the user id and the name that `record` shows together, if it is about an Identity Center user.
    ///
    /// Called for every record: those without a user id cost a look at one slot.
    pub fn shown_by(&self, record: &TrailRecord<'_>) -> Option<(Box<str>, Named)> {
        let id = json::text(json::member(record.slot_raw(Slot::UserOnBehalfOf)?, "userId")?)?;
        let is_settled = self.people.get(&*id).is_some_and(|kept| kept.shown == Shown::Session);
        if is_settled && record.slot_raw(Slot::UserType) == Some(ASSUMED_ROLE) {
            return None;
        }
        let (name, shown) = name_beside_id(record)?;
        let is_name = !id.is_empty() && !name.is_empty() && name != HIDDEN;
        let name = bounded(&name, MAX_NAME_BYTES).into();
        is_name.then(|| (id.into(), Named { name, shown }))
    }

    /// Returns the user id and the name that go together where one request at the portal, and no other, fits the role
    /// session of `caller`.
    pub fn shown_by_request(
        &self,
        caller: &Caller<'_>,
        portal: Option<&Found<'_>>,
    ) -> Option<(Box<str>, Named)> {
        let found = portal.filter(|found| found.confidence == Confidence::Probable)?;
        let id = found.session.user_id.as_deref()?;
        let is_news = !self.people.contains_key(id) && caller.user_id.is_empty();
        (is_news && caller.is_reserved_role()).then_some(())?;
        let name = bounded(caller.session_name(), MAX_NAME_BYTES).into();
        Some((id.into(), Named { name, shown: Shown::Request }))
    }

    /// Returns `party` as what is known by now makes it: an account may prove ours after it was first met.
    pub fn settled<'p>(&self, party: &'p Party) -> Cow<'p, Party> {
        match party.other_account() {
            Some(account) if self.accounts.contains(account) => {
                let Party { key, principal, .. } = party.clone();
                Cow::Owned(Party { key, principal, ..of_other_account(account, self) })
            }
            _ => Cow::Borrowed(party),
        }
    }
}

const ASSUMED_ROLE: &str = "\"AssumedRole\"";

/// The name that stands beside a record's user id, and what it is worth.
fn name_beside_id<'a>(record: &TrailRecord<'a>) -> Option<(Cow<'a, str>, Shown)> {
    match record.slot_raw(Slot::UserType) {
        // Only Identity Center can open sessions of roles below this path, and it names them.
        Some(ASSUMED_ROLE) => {
            record.slot_raw(Slot::UserArn)?.contains("/AWSReservedSSO_").then_some(())?;
            let caller = Caller::of(record);
            let name = caller.is_reserved_role().then(|| caller.session_name().to_owned())?;
            return Some((name.into(), Shown::Session));
        }
        Some("\"IAMUser\"" | "\"FederatedUser\"" | "\"Root\"" | "\"Role\"") => return None,
        _ => {}
    }
    let given = record.slot_or_empty(Slot::UserName);
    if !given.is_empty() {
        return Some((given, Shown::SignIn));
    }
    if record.slot_raw(Slot::EventSource) != Some("\"signin.amazonaws.com\"") {
        return None;
    }
    let typed = record.text("additionalEventData.UserName")?;
    let step = record.slot_or_empty(Slot::EventName);
    let outcome = record.text(&format!("serviceEventDetails.{step}"));
    let shown = if outcome.as_deref() == Some("Success") { Shown::SignIn } else { Shown::Attempt };
    Some((typed, shown))
}

/// Returns a principal of which a record names only its account.
pub(super) fn of_other_account(account: &str, known: &Known) -> Party {
    if known.accounts.contains(account) {
        let why = "another account of ours; who there, only its own record of the call tells";
        return Party::new(Kind::Account, account, Confidence::Exact, why);
    }
    Party::new(Kind::External, account, Confidence::Exact, "principal of another account")
}

/// Reads the account of `recipientAccountId`, as it stands in the record.
pub(super) fn recipient(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|account| is_account(account))
}
