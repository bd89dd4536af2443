//! The table of verdicts, and the stories that no table tells.

use std::net::IpAddr;

use crate::grants::Act;
use crate::grants::Delegates;
use crate::grants::Dimension;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::Scheduled;
use crate::grants::Settings;
use crate::grants::Status;
use crate::grants::Verdict;
use crate::grants::Version;
use crate::grants::Window;
use crate::grants::testkit::ADMIN;
use crate::grants::testkit::HOME;
use crate::grants::testkit::act;
use crate::grants::testkit::at;
use crate::grants::testkit::judge;
use crate::grants::testkit::ledger;
use crate::grants::testkit::said;
use crate::grants::testkit::texts;
use crate::grants::testkit::then;
use crate::grants::testkit::user;
use crate::grants::testkit::version;
use crate::model::Confidence;
use crate::model::Span;

/// State of a grant for 10:00 to 12:00 against the time of an act, if the scope fits and it is certain who acted.
///
/// `revoked` and `ended` were active until 11:00; `extended` ended at 11:00 before; `late` was emitted at 11:00 and
/// nobody says when it was approved; `reopened` was revoked at 11:00 and given again at 11:10 by a higher revision.
/// 12:00:30 is behind the end, and within what clocks may differ.
const TABLE: &str = "
              09:30        09:59:30     10:30        11:30        12:00:30     12:30
    requested none         none         none         none         none         none
    approved  not_started  not_started  not_started  not_started  not_started  none
    scheduled not_started  not_started  not_started  not_started  not_started  none
    active    not_started  covered      covered      covered      covered      expired
    extended  not_started  covered      covered      covered      covered      expired
    revoked   not_started  covered      covered      revoked      revoked      revoked
    ended     not_started  covered      covered      expired      expired      expired
    expired   none         none         none         none         none         none
    rejected  none         none         none         none         none         none
    cancelled none         none         none         none         none         none
    failed    none         none         none         none         none         none
    late      not_started  not_started  not_started  covered      covered      expired
    reopened  not_started  covered      covered      covered      covered      expired
";

/// What happens to a verdict of the table when a dimension does not fit, or when it is not certain who acted.
const CHANGES: &str = "
                fits         misfit        fits, ambiguous  misfit, ambiguous
    covered     covered      out_of_scope  none             out_of_scope
    expired     expired      none          expired          none
    not_started not_started  none          not_started      none
    revoked     revoked      none          revoked          none
    none        none         none          none             none
";

const DIMENSIONS: [Option<Dimension>; 7] = [
    None,
    Some(Dimension::Account),
    Some(Dimension::Role),
    Some(Dimension::Action),
    Some(Dimension::Resource),
    Some(Dimension::Region),
    Some(Dimension::Network),
];

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<_>| !row.is_empty())
}

/// The history that ends in `state`.
fn history(state: &str) -> Vec<Version> {
    let active = version("g-1");
    let short = Window { until: at("11:00"), ..active.window };
    let requested =
        Version { status: Status::Requested, approved_at: None, revision: 0, ..active.clone() };
    match state {
        "requested" => vec![requested],
        "approved" => vec![requested, Version { status: Status::Approved, ..active }],
        "scheduled" => vec![requested, Version { status: Status::Scheduled, ..active }],
        "active" => vec![requested, active],
        "extended" => {
            let later = then(&active, Status::Extended, "10:50");
            vec![requested, Version { window: short, ..active }, later]
        }
        "revoked" => vec![active.clone(), then(&active, Status::Revoked, "11:00")],
        "ended" => vec![active.clone(), then(&active, Status::Ended, "11:00")],
        "expired" => vec![requested.clone(), then(&requested, Status::Expired, "09:58")],
        "rejected" => vec![requested.clone(), then(&requested, Status::Rejected, "09:58")],
        "cancelled" => vec![requested.clone(), then(&requested, Status::Cancelled, "09:58")],
        "failed" => vec![requested.clone(), then(&requested, Status::Failed, "09:58")],
        "late" => vec![Version { approved_at: None, emitted_at: at("11:00"), ..active }],
        "reopened" => {
            let revoked = then(&active, Status::Revoked, "11:00");
            let again = then(&revoked, Status::Active, "11:10");
            vec![active, revoked, again]
        }
        _ => panic!("no history of {state}"),
    }
}

/// The act, but for one dimension.
fn misfitting(clock: &str, dimension: Option<Dimension>) -> Act<'static> {
    let fits = Act { action: "s3:GetObject", resources: &["arn:aws:s3:::b/o"], ..act(clock) };
    match dimension {
        None => fits,
        Some(Dimension::Account) => Act { account: "444455556666", ..fits },
        Some(Dimension::Role) => {
            Act { permission_set: "", role_arn: "arn:aws:iam::111122223333:role/Other", ..fits }
        }
        Some(Dimension::Action) => Act { action: "s3:DeleteObject", ..fits },
        Some(Dimension::Resource) => Act { resources: &["arn:aws:s3:::c/o"], ..fits },
        Some(Dimension::Region) => Act { region: "eu-west-1", ..fits },
        Some(Dimension::Network) => Act { address: Some([198, 51, 100, 1].into()), ..fits },
    }
}

fn restricted(version: Version) -> Version {
    let mut version = version;
    version.scope.actions = texts(&["S3:Get*"]);
    version.scope.resources = texts(&["arn:aws:s3:::b/*"]);
    version.scope.regions = texts(&["us-east-1"]);
    version.scope.source_networks = texts(&["203.0.113.0/24"]);
    version
}

#[test]
fn the_verdict_table() {
    let changes: Vec<Vec<&str>> =
        rows(CHANGES).filter(|row| row.len() == 5 && row[0] != "fits").collect();
    let mut table = rows(TABLE);
    let clocks = table.next().unwrap();
    let mut judged = 0;
    for row in table {
        let grants = ledger(history(row[0]).into_iter().map(restricted));
        for (clock, plain) in clocks.iter().zip(&row[1..]) {
            for dimension in DIMENSIONS {
                for confidence in ["exact", "probable", "ambiguous"] {
                    let act = Act { confidence, ..misfitting(clock, dimension) };
                    let change = changes.iter().find(|change| change[0] == *plain).unwrap();
                    let column = usize::from(dimension.is_some())
                        + 2 * usize::from(confidence == "ambiguous");
                    let found = judge(&grants, &act);
                    let case = format!("{} {clock} {dimension:?} {confidence}: {found:?}", row[0]);
                    assert_eq!(found.verdict.name(), change[1 + column], "{case}");
                    if let Verdict::OutOfScope(found) = found.verdict {
                        assert_eq!(Some(found), dimension, "{case}");
                    }
                    assert_eq!(found.confidence, Confidence::named(confidence), "{case}");
                    assert_eq!(found.grant.unwrap().0.as_ref(), "g-1");
                    judged += 1;
                }
            }
        }
    }
    assert_eq!(judged, 13 * 6 * 7 * 3);
}

/// Judges each `clock` and holds it to what is said of it.
fn check(grants: &Ledger, said_at: &[(&str, &str)]) {
    for (clock, expected) in said_at {
        assert_eq!(said(grants, &act(clock)), *expected, "{clock}");
    }
}

#[test]
fn a_session_may_outlive_its_grant() {
    let grants = ledger([version("g-1")]);
    check(
        &grants,
        &[
            ("10:30", "covered g-1: grant g-1 covers it"),
            ("12:06", "expired g-1: grant g-1 ended 6m before; session outlived it"),
            ("09:00", "not_started g-1: grant g-1 began 1h after"),
        ],
    );
    let later = Act { session_started: Some(at("12:01")), ..act("12:06") };
    assert_eq!(said(&grants, &later), "expired g-1: grant g-1 ended 6m before");
    assert_eq!(judge(&grants, &later).outside, Some(Span(360)));
    let bob = Act { identity: "person:bob@example.com", origin: "", ..act("10:30") };
    assert_eq!(said(&grants, &bob), "none: no grant speaks of person:bob@example.com");
}

#[test]
fn a_revoked_grant_stays_revoked_when_an_older_message_comes_again() {
    let active = version("g-1");
    let revoked = then(&active, Status::Revoked, "11:00");
    let grants = ledger([revoked.clone(), active.clone()]);
    let says = "revoked g-1: grant g-1 was revoked 14m before; session outlived it";
    check(&grants, &[("11:14", says), ("10:30", "covered g-1: grant g-1 covers it")]);
    // Said again at a later time, without a revision: a final state wins.
    let without = |it: &Version| Version { revision: 0, ..it.clone() };
    let again = Version { emitted_at: at("11:05"), ..without(&active) };
    let grants = ledger([without(&active), without(&revoked), again]);
    check(&grants, &[("11:14", says)]);
}

#[test]
fn revoking_one_of_two_grants_does_not_uncover_the_other() {
    let (one, other) = (version("g-1"), version("g-2"));
    let revoked = then(&other, Status::Revoked, "11:00");
    let grants = ledger([one, other, revoked]);
    check(
        &grants,
        &[
            ("10:30", "covered g-2: grant g-2 covers it"),
            ("11:30", "covered g-1: grant g-1 covers it"),
        ],
    );
}

#[test]
fn an_extension_counts_from_when_it_was_said() {
    let active = version("g-1");
    let longer = Window { until: at("14:00"), ..active.window };
    let early = Version { window: longer, ..then(&active, Status::Extended, "11:50") };
    check(&ledger([active.clone(), early]), &[("13:00", "covered g-1: grant g-1 covers it")]);
    // Some sources say `active` again, with the approval of the first time.
    for status in [Status::Extended, Status::Active] {
        let late = Version { window: longer, ..then(&active, status, "12:30") };
        check(
            &ledger([late, active.clone()]),
            &[
                (
                    "12:10",
                    "expired g-1: grant g-1 ended 10m before and was extended only 20m after; \
                     session outlived it; retroactive",
                ),
                ("12:40", "covered g-1: grant g-1 covers it"),
            ],
        );
    }
}

#[test]
fn a_late_message_covers_what_was_approved_in_time_and_no_more() {
    let late = Version { emitted_at: at("11:00"), ..version("g-1") };
    check(&ledger([late.clone()]), &[("10:30", "covered g-1: grant g-1 covers it")]);
    let after = Version { approved_at: Some(at("10:58")), ..late };
    check(
        &ledger([after.clone()]),
        &[
            ("10:30", "not_started g-1: grant g-1 was approved only 28m after; retroactive"),
            ("11:30", "covered g-1: grant g-1 covers it"),
        ],
    );
    // Also if all of its window was over by then.
    let never = Version { approved_at: Some(at("13:00")), emitted_at: at("13:00"), ..after };
    let says = "not_started g-1: grant g-1 was approved only 2h30m after; retroactive";
    check(&ledger([never]), &[("10:30", says)]);
}

#[test]
fn the_nearest_grant_is_the_one_that_missed_by_least() {
    let mut elsewhere = version("g-elsewhere");
    elsewhere.scope.accounts = texts(&["444455556666"]);
    let mut early = version("g-early");
    early.window = Window { from: at("08:00"), until: at("10:20") };
    (early.approved_at, early.emitted_at) = (Some(at("07:50")), at("07:55"));
    let grants = ledger([elsewhere, early.clone()]);
    check(
        &grants,
        &[("10:30", "expired g-early: grant g-early ended 10m before; session outlived it")],
    );
    // What ended long ago is not nearer than what holds now.
    let days = |version: Version, days: i64| Version {
        window: Window {
            from: version.window.from.plus(Span(-86_400 * days)),
            until: version.window.until.plus(Span(-86_400 * days)),
        },
        approved_at: None,
        emitted_at: version.emitted_at.plus(Span(-86_400 * days)),
        ..version
    };
    let mut reader = version("g-reader");
    reader.scope.actions = texts(&["iam:Get*", "iam:List*"]);
    let grants = ledger([days(early.clone(), 30), reader]);
    let says = "out_of_scope g-reader: grant g-reader does not cover iam:CreateUser";
    check(&grants, &[("10:30", says)]);
    let grants = ledger([days(early, 30)]);
    check(&grants, &[("10:30", "expired g-early: grant g-early ended 30d before")]);
}

#[test]
fn what_the_record_does_not_say_is_not_covered() {
    let grants = ledger([restricted(version("g-1"))]);
    let whole = misfitting("10:30", None);
    assert_eq!(judge(&grants, &whole).verdict, Verdict::Covered);
    for (act, reason) in [
        (Act { account: "", ..whole.clone() }, "is for certain accounts and the record names none"),
        (
            Act { role_arn: "", permission_set: "", ..whole.clone() },
            "is for certain roles and none was taken",
        ),
        (Act { action: "", ..whole.clone() }, "is for certain actions and the record names none"),
        (
            Act { resources: &[], ..whole.clone() },
            "is for certain resources and the record names none",
        ),
        (Act { region: "", ..whole.clone() }, "is for certain regions and the record names none"),
        (
            Act { address: None, ..whole.clone() },
            "is for certain networks and the record names no address",
        ),
    ] {
        let found = judge(&grants, &act);
        assert_eq!(found.reason, format!("grant g-1 {reason}"), "{act:?}");
        assert!(matches!(found.verdict, Verdict::OutOfScope(_)));
    }
    // A grant that does not ask does not mind.
    let mut open = version("g-1");
    open.scope = Default::default();
    let bare = Act {
        time: at("10:30"),
        identity: "person:alice@example.com",
        confidence: "exact",
        ..Act::default()
    };
    assert_eq!(judge(&ledger([open.clone()]), &bare).verdict, Verdict::Covered);
    open.scope.accounts = texts(&[]);
    let nothing = judge(&ledger([open]), &act("10:30")).verdict;
    assert_eq!(nothing, Verdict::OutOfScope(Dimension::Account), "an empty list is nothing");
}

#[test]
fn regions_do_not_hold_for_global_services() {
    let mut here = version("g-1");
    here.scope.regions = texts(&["eu-central-1"]);
    let grants = ledger([here]);
    check(&grants, &[("10:30", "covered g-1: grant g-1 covers it")]);
    let regional = Act { action: "ec2:RunInstances", ..act("10:30") };
    let says = "out_of_scope g-1: grant g-1 does not cover region us-east-1";
    assert_eq!(said(&grants, &regional), says);
}

#[test]
fn a_permission_set_is_the_same_when_its_role_is_made_anew() {
    let anew = ADMIN.replace("0123456789abcdef", "fedcba9876543210");
    let anew = Act { role_arn: &anew, ..act("10:30") };
    let mut by_arn = version("g-1");
    by_arn.scope.permission_sets = None;
    by_arn.scope.role_arns = texts(&[ADMIN]);
    assert_eq!(judge(&ledger([by_arn]), &anew).verdict, Verdict::Covered);
    assert_eq!(judge(&ledger([version("g-1")]), &anew).verdict, Verdict::Covered);
    let mut whoever = version("g-1");
    whoever.principals = vec![Principal::IamRoleArn { arn: ADMIN.into() }];
    assert_eq!(judge(&ledger([whoever]), &anew).verdict, Verdict::Covered);
}

#[test]
fn roles_taken_from_the_granted_one_are_covered_as_far_as_it_says() {
    let chain = |roles: &[&str]| -> Vec<String> {
        let origin =
            ["person:alice@example.com", "111122223333/role/AWSReservedSSO_Admin_0123456789abcdef"];
        origin.iter().chain(roles).map(|link| (*link).to_owned()).collect()
    };
    let (one, two) = (
        chain(&["111122223333/role/Deploy"]),
        chain(&["111122223333/role/Deploy", "444455556666/role/Far"]),
    );
    let deploy = Act {
        role_arn: "arn:aws:iam::111122223333:role/ops/Deploy",
        permission_set: "",
        session_name: "whatever",
        chain: &one,
        ..act("10:30")
    };
    let far = Act {
        role_arn: "arn:aws:iam::444455556666:role/Far",
        account: "444455556666",
        chain: &two,
        ..deploy.clone()
    };
    let plain = ledger([version("g-1")]);
    let says = "out_of_scope g-1: grant g-1 does not reach as far as role Deploy";
    assert_eq!(said(&plain, &deploy), says);
    assert_eq!(judge(&plain, &far).verdict, Verdict::OutOfScope(Dimension::Role));

    let reaching = |roles: &[&str], max_depth| {
        let chained_roles = texts(roles).unwrap();
        let delegates = Delegates { chained_roles, max_depth };
        ledger([Version { delegates, ..version("g-1") }])
    };
    let ops = "arn:aws:iam::111122223333:role/ops/*";
    assert_eq!(judge(&reaching(&[ops], 1), &deploy).verdict, Verdict::Covered);
    assert_ne!(judge(&reaching(&[ops], 0), &deploy).verdict, Verdict::Covered);
    assert_ne!(judge(&reaching(&[ops], 2), &far).verdict, Verdict::Covered);
    let both = ["arn:aws:iam::111122223333:role/ops/Deploy", "arn:aws:iam::444455556666:role/*"];
    assert_eq!(judge(&reaching(&both, 2), &far).verdict, Verdict::Covered);
    assert_ne!(judge(&reaching(&both, 1), &far).verdict, Verdict::Covered);
    // What the role was granted for by itself needs no reach.
    let mut direct = version("g-1");
    direct.scope.permission_sets = None;
    direct.scope.role_arns = texts(&["arn:aws:iam::*:role/ops/Deploy"]);
    assert_eq!(judge(&ledger([direct]), &deploy).verdict, Verdict::Covered);
}

#[test]
fn root_is_covered_by_an_emergency_grant_of_its_account_only() {
    let root = Act {
        identity: "root:111122223333",
        origin: "root:111122223333",
        role_arn: "",
        permission_set: "",
        ..act("10:30")
    };
    let chain = ["person:alice@example.com".to_owned(), "111122223333/root".to_owned()];
    let assumed = Act { chain: &chain, role_arn: "", permission_set: "", ..act("10:30") };
    let mut open = version("g-1");
    open.scope = Default::default();
    let grant = |principal: Principal, break_glass| {
        ledger([Version { principals: vec![principal], break_glass, ..open.clone() }])
    };
    let account = || Principal::Account { account: HOME.into() };
    for act in [&root, &assumed] {
        assert_eq!(judge(&grant(account(), true), act).verdict, Verdict::Covered);
        assert_eq!(
            said(&grant(account(), false), act),
            "none: root is covered by an emergency grant of its own account only"
        );
        let person = judge(&grant(user("", "alice@example.com"), true), act);
        assert_eq!(person.verdict, Verdict::None);
    }
}

#[test]
fn a_vendor_by_delegation_needs_a_grant_of_its_own() {
    let vendor = Act { delegate: "999988887777", ..act("10:30") };
    let alice = ledger([version("g-1")]);
    let says = "none: no grant names the vendor's account 999988887777";
    assert_eq!(said(&alice, &vendor), says);
    let principals = vec![Principal::Account { account: "999988887777".into() }];
    let theirs = ledger([Version { principals, ..version("g-1") }]);
    assert_eq!(judge(&theirs, &vendor).verdict, Verdict::Covered);
}

#[test]
fn what_is_approved_covers_only_where_the_operator_says_so() {
    let approved = ledger([Version { status: Status::Approved, ..version("g-1") }]);
    check(&approved, &[("10:30", "not_started g-1: grant g-1 was approved and not yet given")]);
    let settings = Settings { cover_scheduled: Scheduled::Covers, ..Settings::default() };
    assert_eq!(approved.judge(&settings, &act("10:30")).verdict, Verdict::Covered);
    assert_eq!(approved.judge(&settings, &act("12:30")).verdict, Verdict::Expired);
}

#[test]
fn an_ordinary_grant_goes_before_an_emergency() {
    let emergency = Version { break_glass: true, ..version("g-0") };
    check(
        &ledger([emergency.clone(), version("g-1")]),
        &[("10:30", "covered g-1: grant g-1 covers it")],
    );
    check(&ledger([emergency]), &[("10:30", "covered g-0: grant g-0 covers it")]);
}

#[test]
fn an_emergency_covers_without_approval_and_no_further_than_its_window_and_scope() {
    let emergency = Version { break_glass: true, approved_at: None, ..version("g-1") };
    let taken = ledger([emergency.clone()]);
    check(&taken, &[("10:30", "covered g-1: grant g-1 covers it")]);
    assert_eq!(judge(&taken, &act("12:30")).verdict, Verdict::Expired);
    assert_eq!(judge(&taken, &act("09:30")).verdict, Verdict::NotStarted);
    let elsewhere = Act { account: "444455556666", ..act("10:30") };
    assert_eq!(judge(&taken, &elsewhere).verdict, Verdict::OutOfScope(Dimension::Account));
    let asked_for = Version { status: Status::Requested, ..emergency };
    assert_ne!(
        judge(&ledger([asked_for]), &act("10:30")).verdict,
        Verdict::Covered,
        "not yet taken"
    );
}

#[test]
fn skew_is_added_at_both_ends() {
    let grants = ledger([version("g-1")]);
    let verdict = |clock: &str, skew| {
        let settings = Settings { skew: Span(skew), ..Settings::default() };
        grants.judge(&settings, &act(clock)).verdict
    };
    assert_eq!(verdict("09:59:00", 60), Verdict::Covered);
    assert_eq!(verdict("09:58:59", 60), Verdict::NotStarted);
    assert_eq!(verdict("12:00:59", 60), Verdict::Covered);
    assert_eq!(verdict("12:01:00", 60), Verdict::Expired, "the window is half open");
    assert_eq!(verdict("10:00:00", 0), Verdict::Covered);
    assert_eq!(verdict("11:59:59", 0), Verdict::Covered);
    assert_eq!(verdict("12:00:00", 0), Verdict::Expired);
}

#[test]
fn texts_of_others_are_cut_and_stay_on_one_line() {
    let name = format!("person:{}\n\u{7}", "x".repeat(5_000));
    let stranger = Act { identity: &name, ..act("10:30") };
    let reason = judge(&Ledger::default(), &stranger).reason;
    assert!(reason.len() < 300 && !reason.contains(char::is_control), "{reason}");
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    let grants = ledger([restricted(version("g-1"))]);
    let elsewhere = Act { address: Some(six), ..misfitting("10:30", None) };
    assert_eq!(judge(&grants, &elsewhere).reason, "grant g-1 may not be used from 2001:db8::1");
}

#[test]
fn an_end_need_not_say_again_whose_it_is() {
    let requested = Version { status: Status::Requested, approved_at: None, ..version("g-1") };
    let bare = |version: Version| Version {
        principals: Vec::new(),
        scope: Default::default(),
        window: Window { from: version.emitted_at, until: version.emitted_at },
        ..version
    };
    let rejected = bare(then(&requested, Status::Rejected, "09:58"));
    let says = "none g-1: grant g-1 was refused 32m before";
    check(&ledger([rejected, requested]), &[("10:30", says)]);
    let revoked = bare(then(&version("g-1"), Status::Revoked, "11:00"));
    let says = "revoked g-1: grant g-1 was revoked 30m before; session outlived it";
    check(&ledger([revoked, version("g-1")]), &[("11:30", says)]);
}

#[test]
fn a_role_called_root_is_not_root() {
    let chain = ["person:alice@example.com".to_owned(), "111122223333/role/root".to_owned()];
    let role_arn = "arn:aws:iam::111122223333:role/root";
    let act = Act { chain: &chain, role_arn, permission_set: "", ..act("10:30") };
    let mut grant = version("g-1");
    grant.scope.permission_sets = None;
    assert_eq!(judge(&ledger([grant]), &act).verdict, Verdict::Covered);
}

#[test]
fn a_name_that_somebody_else_puts_on_covers_nobody() {
    let mut grant = version("g-1");
    grant.principals = vec![Principal::SourceIdentity { value: "carol@example.com".into() }];
    let grants = ledger([grant]);
    let by = |identity: &'static str| {
        let source_identity = "carol@example.com";
        judge(&grants, &Act { identity, origin: "", source_identity, user_id: "", ..act("10:30") })
            .verdict
    };
    assert_eq!(by("person:carol@example.com"), Verdict::Covered);
    assert_eq!(by("user:111122223333/carol"), Verdict::Covered);
    assert_eq!(by("workload:111122223333/role/federation"), Verdict::Covered);
    assert_eq!(by("user:111122223333/mallory"), Verdict::None);
    assert_eq!(by("person:mallory@example.com"), Verdict::None);
    assert_eq!(by("person:carol@example.org"), Verdict::None);
}
