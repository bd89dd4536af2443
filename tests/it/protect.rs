//! The protect surface over an organisation's days: what the defaults ask about, and whom.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use grantwatch::decode;
use grantwatch::decode::Decoded;
use grantwatch::grants;
use grantwatch::grants::Act;
use grantwatch::grants::By;
use grantwatch::grants::Given;
use grantwatch::grants::Surface;
use grantwatch::grants::message;
use grantwatch::grants::message::Form;
use grantwatch::identity;
use grantwatch::identity::Registry;
use grantwatch::model::Fact;
use grantwatch::model::Facts;
use grantwatch::model::Format;
use grantwatch::model::Glob;
use grantwatch::model::Record;
use grantwatch::model::Seconds;
use grantwatch::model::Slot;
use grantwatch::simulate::Disorder;
use grantwatch::simulate::Flows;
use grantwatch::simulate::Plan;
use grantwatch::simulate::incidents;
use grantwatch::simulate::schedule;

use crate::simulate::truths;
use crate::simulate::written;

fn text<'a>(facts: &'a Facts, name: &str) -> &'a str {
    match facts.get(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}

fn flag(facts: &Facts, name: &str) -> Option<bool> {
    match facts.get(name) {
        Some(Fact::Flag(flag)) => Some(*flag),
        _ => None,
    }
}

/// Everything that is done in a small organisation in six days, with every incident that fits in.
struct Days {
    decoded: Vec<Decoded>,
    /// The incident that an event belongs to, by the event's id.
    told: BTreeMap<String, String>,
    /// What its grants give.
    given: Given,
}

impl Days {
    fn simulated() -> Self {
        let start = Seconds::parse("2026-03-02T00:00:00Z").unwrap();
        let all = incidents::all();
        let moments = schedule::spread(7, (start, 6), &all);
        let incidents: Vec<_> =
            all.into_iter().zip(moments).filter_map(|(it, at)| Some((it, at?))).collect();
        let plan = Plan {
            seed: 7,
            start,
            days: 6,
            accounts: 4,
            people: 12,
            volume: 0.02,
            incidents,
            flows: Flows::LeftOut,
            disorder: Disorder::NONE,
        };
        let files = written(&plan);
        let told = truths(&files)
            .into_iter()
            .flat_map(|truth| truth.events.into_iter().map(move |id| (id, truth.name.clone())))
            .collect();
        let grants = str::from_utf8(&files["grants.ndjson"]).unwrap();
        let mut given = Given::default();
        for version in message::parse(grants, Form::Ndjson).0 {
            given.note(&version);
        }
        let trails = files.into_iter().filter(|(name, _)| name.contains("/CloudTrail/"));
        let bounds = decode::Config::default();
        let decoded =
            trails.map(|(_, bytes)| decode::decode(Format::Any, bytes, &bounds).unwrap()).collect();
        Self { decoded, told, given }
    }

    /// Calls `see` with every act, and the incident it belongs to.
    fn each(&self, mut see: impl FnMut(&Act<'_>, Option<&str>)) {
        let identity = identity::Config {
            brokers: vec![Glob("access-broker".to_owned())],
            ..identity::Config::default()
        };
        let mut registry = Registry::new(&identity);
        let mut records: Vec<_> = self.decoded.iter().flat_map(|file| file.records()).collect();
        records.sort_by_key(|(time, _)| *time);
        let trails = || {
            records.iter().filter_map(|(time, record)| match record {
                Record::Trail(record) => Some((*time, record)),
                Record::Flow(_) => None,
            })
        };
        trails().for_each(|(_, record)| registry.learn(record));
        for (time, record) in trails() {
            let (session, event) = registry.resolve(record, time);
            let account = record.slot_or_empty(Slot::RecipientAccountId);
            let act = Act {
                time,
                identity: text(&session, "gw.identity.name"),
                account: &account,
                role_arn: text(&session, "gw.session.role_arn"),
                permission_set: text(&session, "gw.session.permission_set"),
                action: text(&event, "gw.action"),
                by_service: flag(&session, "gw.by_service").unwrap_or_default(),
                provisioner: flag(&session, "gw.provisioner").unwrap_or_default(),
                broker: flag(&session, "gw.broker").unwrap_or_default(),
                mfa: flag(&session, "gw.session.mfa"),
                ..Act::default()
            };
            see(&act, self.told.get(&*record.slot_or_empty(Slot::EventId)).map(String::as_str));
        }
    }
}

/// Incidents that consist of what wants a grant.
const PRIVILEGED: [&str; 10] = [
    "ungranted_privilege",
    "grant_outlived",
    "grant_out_of_scope",
    "assignment_out_of_band",
    "escalation_policy_version",
    "escalation_trust_policy",
    "backdoor_user",
    "trail_stopped",
    "trust_opened",
    "snapshot_shared",
];

#[test]
fn the_defaults_are_useful_and_quiet() {
    let days = Days::simulated();
    let surface = Surface::new(&grants::Config::default());
    let (mut honest, mut asked) = (0_usize, BTreeMap::new());
    let mut found = BTreeSet::new();
    days.each(|act, incident| {
        honest += usize::from(incident.is_none());
        let of_given = || days.given.holds(act).then(|| surface.of_given(act)).flatten();
        let wanted = surface.entry(act).or_else(of_given);
        let Some(wanted) = wanted.filter(|wanted| wanted.exempt.is_none()) else { return };
        match incident {
            Some(name) => drop(found.insert(name.to_owned())),
            None => {
                // Honest people change things in the roles that a grant gives them, and nowhere else.
                assert!(days.given.holds(act), "{}: {act:?}", wanted.entry);
                *asked.entry(act.action.to_owned()).or_insert(0_usize) += 1;
            }
        }
        let is_person = By::of(act.identity) == By::Person || By::of(act.identity) == By::User;
        assert!(is_person && !act.by_service && !act.provisioner && !act.broker, "{act:?}");
    });
    let count: usize = asked.values().sum();
    assert!(count > 0 && count * 200 < honest, "{count} of {honest}");
    let missed: Vec<_> = PRIVILEGED.iter().filter(|name| !found.contains(**name)).collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(surface.unknown_actions().len() < 20, "{:?}", surface.unknown_actions());
}

#[test]
fn automation_is_exempt_whoever_is_asked() {
    let days = Days::simulated();
    let mut config = grants::Config { protect: Surface::builtin(), ..grants::Config::default() };
    for entry in &mut config.protect {
        entry.by = By::ALL.to_vec();
    }
    let surface = Surface::new(&config);
    let mut exempt = BTreeMap::new();
    days.each(|act, _| {
        let Some(wanted) = surface.entry(act) else { return };
        let is_automation = act.by_service || act.provisioner || act.broker;
        assert_eq!(wanted.exempt.is_some(), is_automation, "{act:?}");
        if let Some(name) = wanted.exempt {
            *exempt.entry(name.to_owned()).or_insert(0_usize) += 1;
        }
    });
    assert!(exempt.contains_key("services") && exempt.contains_key("brokers"), "{exempt:?}");
}
