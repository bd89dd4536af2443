//! Stories of claims and grants, each told in lines, and that the order of lines does not show.

use proptest::prelude::*;

use super::*;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::claim::Maker;
use crate::grants::claims::claim::Outcome;
use crate::grants::grant::Evidence;
use crate::grants::grant::Window;
use crate::grants::table as versions;
use crate::grants::testkit;
use crate::grants::testkit::HOME;
use crate::grants::testkit::at;
use crate::grants::testkit::texts;
use crate::model::Fact;
use crate::store::Migration;
use crate::store::Store;

const TABLES: [Migration; 2] = [
    Migration { number: 1, name: "grants", sql: versions::SCHEMA },
    Migration { number: 2, name: "claims", sql: table::CLAIMS },
];

/// How late anything may come.
const LATENESS: Span = Span(600);

/// Something that happens, and when.
#[derive(Debug, Clone)]
enum Piece {
    Record(Seconds, Option<Told>),
    Message(Box<Version>),
}

impl Piece {
    fn time(&self) -> Seconds {
        match self {
            Self::Record(time, _) => *time,
            Self::Message(version) => version.emitted_at,
        }
    }
}

/// Reads `HH:MM say g-1 ana Admin 10:00-12:00 active` (`ana?`: by name alone; `*`: any set),
/// `HH:MM broker gives ana Admin`, `HH:MM hand takes ana Admin`, `… but Throttling` (`but FAILED`: it was accepted),
/// `HH:MM robot gives …` (a workload), `HH:MM set Admin` (it is created under that name), `HH:MM stream` (something else happens).
fn piece(number: usize, line: &str) -> Piece {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (time, words) = words.split_first().unwrap();
    let time = at(time);
    match words {
        ["stream"] => Piece::Record(time, None),
        ["set", set] => Piece::Record(time, Some(Told::Named(arn(set), (*set).into()))),
        ["say", id, who, set, window, status] => {
            let (from, until) = window.split_once('-').unwrap();
            let mut version = Version {
                revision: number as u64,
                emitted_at: time,
                status: serde_json::from_value((*status).into()).unwrap(),
                window: Window { from: at(from), until: at(until) },
                principals: vec![match who.strip_suffix('?') {
                    Some(name) => testkit::user("", &format!("{name}@example.com")),
                    None => testkit::user(&format!("u-{who}"), &format!("{who}@example.com")),
                }],
                approved_at: Some(time),
                ..testkit::version(id)
            };
            version.scope.permission_sets = (*set != "*").then(|| texts(&[set])).flatten();
            Piece::Message(Box::new(version))
        }
        [maker, verb, who, set, why @ ..] => {
            let claim = Claim {
                holder: Holder::User(format!("u-{who}").into()),
                kind: Kind::Assignment,
                account: HOME.into(),
                entitlement: arn(set),
            };
            let deed = Deed {
                time,
                verb: if *verb == "gives" { Verb::Make } else { Verb::Remove },
                event: format!("{HOME}/{number}").into(),
                outcome: match why {
                    ["but", "FAILED"] => Outcome::Failed("no such user".into()),
                    ["but", error] => Outcome::Refused((*error).into()),
                    _ => Outcome::Done,
                },
                maker: match *maker {
                    "broker" => Maker::Broker,
                    "service" => Maker::Automation,
                    _ => Maker::Other,
                },
                by: match *maker {
                    "robot" => format!("workload:{HOME}/role/robot").into(),
                    maker => format!("user:{HOME}/{maker}").into(),
                },
                place: "arn:aws:sso:::instance/ssoins-1".into(),
                membership: "".into(),
                object: "s3://logs/1".into(),
            };
            Piece::Record(time, Some(Told::Deed(claim, deed)))
        }
        _ => panic!("{line}"),
    }
}

fn arn(set: &str) -> Box<str> {
    format!("arn:aws:sso:::permissionSet/ssoins-1/ps-{set}").into()
}

fn pieces(story: &str) -> Vec<Piece> {
    let lines = story.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(number, line)| piece(number, line)).collect()
}

const TIMING: Timing = Timing {
    skew: Span(60),
    grace: Span(600),
    residue_after: Span(900),
    provision_within: Span(900),
    messages: Messages::Arriving,
};

struct Stage {
    _folder: tempfile::TempDir,
    store: Store,
    ledger: Ledger,
    claims: Claims,
    newest: Seconds,
    watermark: Seconds,
    told: Vec<Signal>,
}

impl Stage {
    fn new(timing: Timing) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db"), &TABLES).unwrap();
        Self {
            _folder: folder,
            store,
            ledger: Ledger::default(),
            claims: Claims::new(timing),
            newest: Seconds(0),
            watermark: Seconds(i64::MIN),
            told: Vec::new(),
        }
    }

    fn take(&mut self, piece: &Piece) {
        match piece {
            Piece::Record(time, told) => {
                if let Some(told) = told {
                    self.claims.note(told.clone(), *time);
                }
                self.newest = self.newest.max(*time);
            }
            Piece::Message(version) => {
                self.ledger.apply((**version).clone(), Evidence::default());
                self.claims.heard(&self.ledger, &version.id);
            }
        }
        self.watermark = self.watermark.max(Seconds(self.newest.0 - LATENESS.0));
        self.told.extend(self.claims.due(&self.ledger, self.watermark).into_iter().map(|it| it.0));
    }

    fn restart(&mut self) {
        let tx = self.store.begin().unwrap();
        self.ledger.save(&tx).unwrap();
        self.claims.save(&tx, self.watermark).unwrap();
        tx.commit().unwrap();
        self.ledger = Ledger::default();
        self.ledger.load(self.store.connection()).unwrap();
        let (timing, connection) = (self.claims.timing, self.store.connection());
        self.claims = Claims::load(timing, connection, &self.ledger, self.watermark).unwrap();
    }

    /// Returns what was told, in the order of time: `HH:MM GrantResidue g-1 person:ana@example.com`.
    fn lines(&self) -> Vec<String> {
        let line = |signal: &Signal| {
            let fact = |name| signal.facts.get(name).map(ToString::to_string).unwrap_or_default();
            let time = signal.time.to_string();
            let time = time.split_once('T').unwrap().1.get(..5).unwrap().to_owned();
            let (name, id, who) = (signal.name, fact("gw.grant.id"), fact("gw.identity.name"));
            format!("{time} {name} {id} {who}: {}", fact("gw.grant.reason"))
        };
        let mut lines: Vec<String> = self.told.iter().map(line).collect();
        lines.sort();
        lines
    }
}

/// Tells a story in its order until nothing comes any more.
fn told(story: &str) -> Stage {
    let mut stage = Stage::new(TIMING);
    pieces(story).iter().for_each(|piece| stage.take(piece));
    stage
}

#[track_caller]
fn check(story: &str, expected: &[&str]) {
    assert_eq!(told(story).lines(), expected, "{story}");
}

/// ana has `Admin` by a grant from ten to twelve, and gets it.
const GIVEN: &str = "09:50 say g-1 ana Admin 10:00-12:00 active \n 10:00 broker gives ana Admin \n";

#[test]
fn what_a_broker_takes_away_in_time_is_nothing_to_tell() {
    for end in [
        "12:00 broker takes ana Admin \n 14:00 stream",
        "12:14 broker takes ana Admin \n 14:00 stream",
        "11:00 say g-1 ana Admin 10:00-12:00 revoked \n 11:01 broker takes ana Admin \n 14:00 stream",
        "11:50 say g-1 ana Admin 10:00-13:00 extended \n 13:00 broker takes ana Admin \n 15:00 stream",
        "11:30 stream",
    ] {
        check(&format!("{GIVEN}{end}"), &[]);
    }
}

#[test]
fn what_still_stands_after_the_end_is_a_residue() {
    check(
        &format!("{GIVEN} 14:00 stream \n 15:00 stream"),
        &[
            "12:15 GrantResidue g-1 person:ana@example.com: grant g-1 was over 15m ago and what it gave still stands",
        ],
    );
    check(
        &format!(
            "{GIVEN} 11:00 say g-1 ana Admin 10:00-12:00 revoked \n 11:00 broker takes ana Admin but Throttling \n 14:00 stream"
        ),
        &[
            "11:15 GrantResidue g-1 person:ana@example.com: grant g-1 was taken back 15m ago and what it gave still \
           stands; user:111122223333/broker tried to take it away and failed: Throttling",
        ],
    );
    let told = told(&format!("{GIVEN} 14:00 stream"));
    let signal = &told.told[0];
    assert_eq!(
        signal.parameters["undo"],
        "aws sso-admin delete-account-assignment --instance-arn arn:aws:sso:::instance/ssoins-1 --target-type \
         AWS_ACCOUNT --target-id 111122223333 --permission-set-arn arn:aws:sso:::permissionSet/ssoins-1/ps-Admin \
         --principal-type USER --principal-id u-ana"
    );
    let fact = signal.facts.get("gw.grant.undo").cloned();
    assert_eq!(fact, signal.parameters["undo"].as_str().map(Fact::from));
    assert_eq!(signal.parameters["evidence"], serde_json::json!(["111122223333/1"]));
    assert_eq!((&*signal.account, &signal.parameters["permissionSet"]), (HOME, &"Admin".into()));
}

#[test]
fn a_residue_that_goes_is_told_of_too() {
    check(
        &format!("{GIVEN} 13:00 hand takes ana Admin \n 14:00 stream"),
        &[
            "12:15 GrantResidue g-1 person:ana@example.com: grant g-1 was over 15m ago and what it gave still stands",
            "13:00 GrantResidueRemoved g-1 person:ana@example.com: it was taken away 1h after grant g-1 was over",
        ],
    );
}

#[test]
fn what_another_grant_asks_for_is_no_residue_of_this_one() {
    let over = "13:00 broker takes ana Admin \n 15:00 stream";
    let other = "11:50 say g-2 ana Admin 11:00-13:00 active \n";
    check(&format!("{GIVEN} {other} {over}"), &[]);
    // The last grant that held it has to answer, by whichever it was given.
    check(
        &format!("{GIVEN} {other} 15:00 stream"),
        &[
            "13:15 GrantResidue g-2 person:ana@example.com: grant g-2 was over 15m ago and what it gave still stands",
        ],
    );
    let same_end = "11:00 say g-2 ana Admin 11:00-12:00 active \n 14:00 stream";
    check(
        &format!("{GIVEN} {same_end}"),
        &[
            "12:15 GrantResidue g-2 person:ana@example.com: grant g-2 was over 15m ago and what it gave still stands",
        ],
    );
}

#[test]
fn standing_access_is_nobodys_residue() {
    // Given by the broker before there was a grant, or by a service.
    check(
        "08:00 set Admin \n 09:00 broker gives ana Admin \n 09:50 say g-1 ana Admin 10:00-12:00 active \n 14:00 stream",
        &[],
    );
    check(
        &format!(
            "08:00 service gives ana Read \n {GIVEN} 12:00 broker takes ana Admin \n 14:00 stream"
        ),
        &[],
    );
}

#[test]
fn what_is_given_by_hand_and_no_grant_asks_for_is_out_of_band() {
    let none = "12:00 hand gives bob Admin \n 14:00 stream";
    let at_noon = "12:00 GrantOutOfBand  user:111122223333/hand: no grant asks for it";
    check(none, &[at_noon]);
    check("12:00 broker gives bob Admin \n 14:00 stream", &[]);
    check("12:00 service gives bob Admin \n 14:00 stream", &[]);
    check("12:00 hand gives bob Admin but AccessDenied \n 14:00 stream", &[]);
    let by_hand = "08:00 set Admin \n 11:00 hand gives ana Admin \n";
    let grant = "say g-1 ana Admin 11:00-12:00 active \n";
    let taken = "12:00 hand takes ana Admin \n 14:00 stream";
    check(&format!("{by_hand} 11:05 {grant} {taken}"), &[]);
    // A message that comes later than the grace explains nothing any more.
    let late = told(&format!("{by_hand} 11:11 {grant} {taken}")).lines();
    assert_eq!(late.len(), 1, "{late:?}");
    check(
        &format!(
            "{GIVEN} 12:00 broker takes ana Admin \n 13:00 hand gives ana Admin \n 15:00 stream"
        ),
        &[
            "13:00 GrantOutOfBand g-1 user:111122223333/hand: no grant asks for it; the last one, g-1, was over 1h before",
        ],
    );
}

#[test]
fn a_permission_set_without_a_name_is_no_grants() {
    let grant =
        "09:50 say g-1 ana Read 10:00-12:00 active \n 10:30 hand gives ana Admin \n 11:30 stream";
    let unknown = told(grant).lines();
    assert!(unknown[0].contains("what the permission set is called is not known"), "{unknown:?}");
    let known = told(&format!("09:00 set Admin \n {grant}")).lines();
    assert_eq!(known, ["10:30 GrantOutOfBand  user:111122223333/hand: no grant asks for it"]);
    // What goes with the grants of one name, time and again, is called so.
    check(
        &format!(
            "{GIVEN} 10:30 hand gives ana Admin \n 12:00 broker takes ana Admin \n 14:00 stream"
        ),
        &[],
    );
}

#[test]
fn a_broker_that_nobody_has_named_is_told_of_once_and_understood_then() {
    let first = "09:50 say g-1 ana Admin 10:00-12:00 active \n 10:00 robot gives ana Admin \n 12:00 robot takes ana Admin \n";
    let next =
        "13:50 say g-2 bob Admin 14:00-16:00 active \n 14:00 robot gives bob Admin \n 18:00 stream";
    let told = told(&format!("{first} {next}")).lines();
    let [unnamed, residue] = &told[..] else { panic!("{told:#?}") };
    assert!(unnamed.starts_with("10:00 GrantOutOfBand g-1 workload:"), "{unnamed}");
    assert!(residue.starts_with("16:15 GrantResidue g-2 person:bob"), "{residue}");
}

#[test]
fn the_end_of_one_grant_may_cut_another_short() {
    let second = "11:00 say g-2 ana Admin 11:00-14:00 active \n 12:00 broker takes ana Admin \n";
    check(
        &format!("{GIVEN} {second} 13:00 stream"),
        &[
            "12:00 GrantCutShort g-2 person:ana@example.com: the end of grant g-1 took away what grant g-2 gives for \
           another 2h",
        ],
    );
    check(&format!("{GIVEN} {second} 12:05 broker gives ana Admin \n 13:00 stream"), &[]);
    check(
        &format!("{GIVEN} {second} 12:05 say g-2 ana Admin 11:00-14:00 revoked \n 13:00 stream"),
        &[],
    );
    let told = told(&format!("{GIVEN} {second} 13:00 stream"));
    assert_eq!(told.told[0].parameters["endedGrant"], "g-1");
    let redo = told.told[0].parameters["redo"].as_str().unwrap();
    assert!(redo.starts_with("aws sso-admin create-account-assignment "), "{redo}");
    assert_eq!(told.told[0].facts.get("gw.grant.undo"), Some(&Fact::from(redo)));
    check(
        &format!("{GIVEN} 11:00 hand takes ana Admin \n 13:00 stream"),
        &[
            "11:00 GrantCutShort g-1 person:ana@example.com: it was taken away 1h before grant g-1 is over",
        ],
    );
}

#[test]
fn a_grant_that_is_active_has_to_be_given_where_that_is_seen() {
    let next = "14:00 say g-2 bob Admin 14:00-16:00 active \n";
    let seen = format!("{GIVEN} 12:00 broker takes ana Admin \n {next}");
    check(
        &format!("{seen} 15:00 stream"),
        &[
            "14:15 GrantNotProvisioned g-2 person:bob@example.com: grant g-2 is active for 15m and nothing was assigned \
           in account 111122223333",
        ],
    );
    check(&format!("{next} 15:00 stream"), &[]);
    check(&format!("{seen} 14:10 broker gives bob Admin \n 15:00 stream"), &[]);
    check(&format!("{seen} 14:10 say g-2 bob Admin 14:00-16:00 revoked \n 15:00 stream"), &[]);
    let tried =
        told(&format!("{seen} 14:01 broker gives bob Admin but Throttling \n 15:00 stream"))
            .lines();
    assert!(
        tried[0].ends_with("user:111122223333/broker tried and failed: Throttling"),
        "{tried:?}"
    );
}

#[test]
fn a_failure_is_told_once_whoever_tells_it() {
    let failed = "10:05 GrantFailed g-1 person:ana@example.com: test says that grant g-1 failed";
    let grant = "09:50 say g-1 ana Admin 10:00-12:00 approved \n 10:05 say g-1 ana Admin 10:00-12:00 failed \n";
    check(&format!("{grant} 14:00 stream"), &[failed]);
    check(&format!("{grant} 10:02 broker gives ana Admin but FAILED \n 14:00 stream"), &[failed]);
    let by_status = "09:50 say g-1 ana Admin 10:00-12:00 approved \n 10:02 broker gives ana Admin but FAILED \n 14:00 stream";
    check(
        by_status,
        &[
            "10:02 GrantFailed g-1 person:ana@example.com: Identity Center could not make the assignment: no such user",
        ],
    );
}

#[test]
fn names_do_where_a_message_has_no_ids() {
    let by_name = "09:50 say g-1 ana? Admin 10:00-12:00 active \n 10:00 broker gives ana Admin \n";
    check(&format!("{by_name} 14:00 stream"), &[]);
    let known = "08:00 say g-0 ana Read 08:00-09:00 cancelled \n";
    check(
        &format!("{known} {by_name} 14:00 stream"),
        &[
            "12:15 GrantResidue g-1 person:ana@example.com: grant g-1 was over 15m ago and what it gave still stands",
        ],
    );
}

#[test]
fn a_message_that_comes_again_tells_nothing_again() {
    let late = "14:00 stream \n 11:55 say g-1 ana Admin 10:00-12:00 extended \n 15:00 stream";
    let mut stage = told(&format!("{GIVEN} {late}"));
    assert_eq!(stage.lines().len(), 1);
    stage.restart();
    stage.take(&piece(7, "12:00 say g-1 ana Admin 10:00-12:00 ended"));
    stage.take(&piece(8, "18:00 stream"));
    assert_eq!(stage.lines().len(), 1, "{:?}", stage.lines());
}

#[test]
fn what_was_undone_is_forgotten() {
    let story = format!("{GIVEN} 12:00 broker takes ana Admin \n 12:30 hand takes bob Read \n");
    let mut stage = told(&format!("{story} 14:00 stream"));
    stage.restart();
    assert_eq!(stage.claims.deeds, 2, "the claim that nobody saw being made is gone");
    stage.take(&Piece::Record(at("14:00").plus(KEPT), None));
    assert_eq!((stage.claims.deeds, stage.claims.claims.len()), (0, 0));
    stage.restart();
    assert_eq!(stage.claims.deeds, 0);
}

#[test]
fn a_removal_by_membership_id_finds_its_claim_in_either_order() {
    let claim = Claim {
        holder: Holder::User("u-ana".into()),
        kind: Kind::Membership,
        account: "".into(),
        entitlement: "g-admins".into(),
    };
    let Piece::Record(_, Some(Told::Deed(_, deed))) = piece(1, "10:00 broker gives ana Admin")
    else {
        panic!("a deed")
    };
    let made = Deed { membership: "m-1".into(), place: "d-1".into(), ..deed };
    let gone = Deed { verb: Verb::Remove, time: at("11:00"), event: "2".into(), ..made.clone() };
    let told = [Told::Deed(claim.clone(), made.clone()), Told::Membership(gone)];
    for order in [[0, 1], [1, 0]] {
        let mut stage = Stage::new(TIMING);
        for place in order {
            stage.claims.note(told[place].clone(), at("11:00"));
            stage.restart();
        }
        assert_eq!(stage.claims.deeds, 2, "{order:?}");
        let deeds = &stage.claims.claims[&claim];
        assert!(standing(deeds, at("10:30")).is_some() && standing(deeds, at("11:00")).is_none());
    }
    let undo = tell::command(&claim, &made, Verb::Remove);
    assert_eq!(
        undo,
        "aws identitystore delete-group-membership --identity-store-id d-1 --membership-id m-1"
    );
}

#[test]
fn names_in_commands_are_one_word() {
    let claim = Claim {
        holder: Holder::IamUser("1/a'; rm -rf /".into()),
        kind: Kind::InlinePolicy,
        account: "1".into(),
        entitlement: "p q".into(),
    };
    let Piece::Record(_, Some(Told::Deed(_, deed))) = piece(1, "10:00 hand gives ana Admin") else {
        panic!("a deed")
    };
    assert_eq!(
        tell::command(&claim, &deed, Verb::Remove),
        r"aws iam delete-user-policy --user-name 'a'\''; rm -rf /' --policy-name 'p q'"
    );
}

/// A line of a story, at a minute of six hours.
fn line() -> impl Strategy<Value = (u32, String)> {
    let who = || prop::sample::select(vec!["ana", "ana?", "bob"]);
    let set = || prop::sample::select(vec!["Admin", "Read"]);
    let statuses = vec!["approved", "active", "extended", "revoked", "ended", "failed"];
    let say = (1..5u8, who(), set(), 0..240u32, 10..120u32, prop::sample::select(statuses));
    let say = say.prop_map(|(id, who, set, from, lasts, status)| {
        let clock = |minute: u32| format!("{:02}:{:02}", 8 + minute / 60, minute % 60);
        format!("say g-{id} {who} {set} {}-{} {status}", clock(from), clock(from + lasts))
    });
    let maker = prop::sample::select(vec!["broker", "broker", "hand", "service"]);
    let verb = prop::sample::select(vec!["gives", "gives", "takes"]);
    let end = prop::sample::select(vec!["", "", "", "but Throttling", "but FAILED"]);
    let person = prop::sample::select(vec!["ana", "bob"]);
    let deed = (maker, verb, person, set(), end)
        .prop_map(|(maker, verb, who, set, end)| format!("{maker} {verb} {who} {set} {end}"));
    let named = set().prop_map(|set| format!("set {set}"));
    (0..360u32, prop_oneof![4 => say, 6 => deed, 1 => named])
}

/// Takes `pieces` in the order in which they arrive, and starts anew before the one at `restart`.
fn in_order(pieces: &[Piece], delays: &[i64], restart: Option<usize>) -> Vec<String> {
    let mut stage = Stage::new(TIMING);
    let mut arriving: Vec<(i64, &Piece)> =
        pieces.iter().zip(delays).map(|(piece, delay)| (piece.time().0 + delay, piece)).collect();
    arriving.sort_by_key(|(arrives, _)| *arrives);
    for (place, (_, piece)) in arriving.iter().enumerate() {
        if restart == Some(place) {
            stage.restart();
        }
        stage.take(piece);
    }
    stage.take(&Piece::Record(at("20:00"), None));
    stage.lines()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_order_within_the_lateness_gives_the_same_signals(
        lines in prop::collection::vec(line(), 1..24),
        delays in prop::collection::vec(0..LATENESS.0, 24),
        restart in 0..24usize,
    ) {
        let told = |(number, (minute, line)): (usize, &(u32, String))| {
            piece(number, &format!("{:02}:{:02} {line}", 8 + minute / 60, minute % 60))
        };
        let pieces: Vec<Piece> = lines.iter().enumerate().map(told).collect();
        let straight = in_order(&pieces, &[0; 24], None);
        prop_assert_eq!(&in_order(&pieces, &delays, None), &straight);
        prop_assert_eq!(&in_order(&pieces, &delays, Some(restart)), &straight);
        let twice: Vec<Piece> = pieces.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
        prop_assert_eq!(&in_order(&twice, &[0; 48], None), &straight);
    }
}
