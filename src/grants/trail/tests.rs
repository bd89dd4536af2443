//! Memberships, sessions that name grants, and policies, without a pipeline around them.

use crate::grants::Config;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::trail::Names;
use crate::grants::trail::Told;
use crate::grants::trail::Trail;
use crate::grants::trail::Trust;
use crate::grants::trail::lesson::Holder;
use crate::grants::trail::lesson::Member;
use crate::grants::trail::lesson::Naming;
use crate::grants::trail::lesson::Policy;
use crate::grants::trail::policies::Policies;
use crate::model::Seconds;
use crate::model::Span;

fn told(time: i64, trust: Trust) -> Told<'static> {
    Told {
        time: Seconds(time),
        account: "111122223333",
        name: "workload:111122223333/role/broker",
        user_id: "",
        role_arn: "arn:aws:iam::111122223333:role/broker",
        key: "ASIAPARENT",
        caller_account: "111122223333",
        trust,
    }
}

fn put(name: &str, until: i64) -> Policy {
    let document = format!(
        r#"{{"Statement":{{"Effect":"Allow","Sid":"Jit","Action":"*","Resource":"*",
            "Condition":{{"NumericLessThan":{{"aws:EpochTime":{until}}}}}}}}}"#
    );
    Policy::Put {
        holder: Holder::Role("Deploy".into()),
        name: name.into(),
        document: document.into(),
    }
}

#[test]
fn what_was_heard_too_late_does_not_outlive_what_came_after_it() {
    let mut policies = Policies::new(Span(86_400));
    let removed = Policy::Removed { holder: Holder::Role("Deploy".into()), name: "jit".into() };
    assert_eq!(policies.settle(&put("other", 5_000), &told(100, Trust::Broker)).len(), 1);
    assert_eq!(policies.settle(&put("jit", 5_000), &told(300, Trust::Broker)).len(), 1);
    let late = policies.settle(&put("jit", 9_000), &told(200, Trust::Broker));
    assert_eq!(late.len(), 1, "the same grant stands in its later version: {late:?}");
    let ended = policies.settle(&removed, &told(400, Trust::Broker));
    assert_eq!(ended.iter().map(|it| it.status).collect::<Vec<_>>(), [Status::Revoked]);
}

#[test]
fn what_lasts_too_long_or_is_over_at_once_gives_nothing() {
    let mut policies = Policies::new(Span(3_600));
    let long = policies.settle(&put("jit", 10_000), &told(100, Trust::Broker));
    assert_eq!(long[0].status, Status::Requested);
    assert!(long[0].justification.contains("it lasts longer than 1h"), "{}", long[0].justification);
    assert!(policies.settle(&put("past", 50), &told(100, Trust::Broker)).is_empty());
}

#[test]
fn who_is_no_broker_cannot_fill_the_store() {
    let mut policies = Policies::new(Span(86_400));
    let versions: usize = (0..2_500)
        .map(|number| {
            policies.settle(&put(&format!("p{number}"), 50_000), &told(100, Trust::None)).len()
        })
        .sum();
    assert_eq!(versions, 2_000);
    assert_eq!(policies.settle(&put("jit", 50_000), &told(100, Trust::Broker)).len(), 1);
}

#[test]
fn who_writes_it_over_and_over_says_it_once() {
    let mut policies = Policies::new(Span(86_400));
    let mut wrote = |until, time, trust| policies.settle(&put("jit", until), &told(time, trust));
    let states =
        |versions: Vec<Version>| versions.into_iter().map(|it| it.status).collect::<Vec<_>>();
    assert_eq!(states(wrote(5_000, 100, Trust::None)), [Status::Requested]);
    assert_eq!(states(wrote(6_000, 110, Trust::None)), []);
    assert_eq!(states(wrote(5_000, 120, Trust::Broker)), [Status::Active]);
    assert_eq!(states(wrote(7_000, 130, Trust::None)), [Status::Requested], "it is his text now");
    assert_eq!(states(wrote(8_000, 140, Trust::None)), []);
}

#[test]
fn what_a_broker_gave_ends_with_its_text_though_nothing_more_can_be_kept() {
    let mut policies = Policies::new(Span(86_400));
    policies.settle(&put("jit", 50_000), &told(100, Trust::Broker));
    for number in 0..2_000 {
        policies.settle(&put(&format!("p{number}"), 50_000), &told(100, Trust::None));
    }
    let over = policies.settle(&put("jit", 60_000), &told(200, Trust::None));
    assert_eq!(over.iter().map(|it| it.status).collect::<Vec<_>>(), [Status::Revoked]);
}

#[test]
fn a_member_is_who_joined_by_a_word_that_counts_and_has_not_left() {
    let mut trail = Trail::new(&Config::default());
    let joined = |member: &str, membership: &str| Member::Joined {
        group: "g".into(),
        member: member.into(),
        membership: membership.into(),
    };
    let mut settle =
        |change: &Member, time, trust| trail.members.settle(change, &told(time, trust));
    settle(&joined("ana", "m-1"), 100, Trust::Broker);
    settle(&joined("bob", "m-2"), 100, Trust::None);
    settle(&joined("cyd", "m-3"), 100, Trust::Approved);
    settle(&Member::Ended { membership: "m-1".into() }, 200, Trust::None);
    settle(&Member::Ended { membership: "m-9".into() }, 200, Trust::Broker);
    let in_at = |member: &str, time| trail.groups(member, Seconds(time)).count();
    assert_eq!(
        [in_at("ana", 99), in_at("ana", 100), in_at("ana", 199), in_at("ana", 200)],
        [0, 1, 1, 0]
    );
    assert_eq!([in_at("bob", 150), in_at("cyd", 150), in_at("an", 150)], [0, 1, 0]);
}

#[test]
fn nobody_approves_his_own_membership() {
    let mut trail = Trail::new(&Config::default());
    let joined = Member::Joined { group: "g".into(), member: "ana".into(), membership: "".into() };
    let herself = Told { user_id: "ana", ..told(100, Trust::Approved) };
    trail.members.settle(&joined, &herself);
    assert_eq!(trail.groups("ana", Seconds(150)).count(), 0);
}

#[test]
fn a_name_that_two_users_have_is_nobodys() {
    let mut trail = Trail::new(&Config::default());
    trail.name_user("1", "Ana@example.com");
    assert_eq!(trail.user_id("ana@example.com"), Some("1"));
    trail.name_user("2", "ana@example.com");
    assert_eq!(trail.user_id("ana@example.com"), None);
    trail.name_user("2", "other@example.com");
    assert_eq!(trail.user_id("ana@example.com"), Some("1"));
}

#[test]
fn a_session_of_two_copies_is_who_the_better_one_says() {
    let naming =
        Naming { key: "ASIA".into(), said: vec!["g-1".into()], inherited: Vec::new(), ends: None };
    let vague = Told { name: "account:444455556666", ..told(100, Trust::None) };
    for turned in [false, true] {
        let mut trail = Trail::new(&Config::default());
        let mut copies = [told(100, Trust::Broker), vague];
        if turned {
            copies.reverse();
        }
        for copy in &copies {
            trail.sessions.settle(&naming, copy);
        }
        assert!(trail.named("ASIA").unwrap().is_bound);
    }
    let several = Naming { said: vec!["g-1".into(), "g-2".into()], ..naming };
    let mut trail = Trail::new(&Config::default());
    trail.sessions.settle(&several, &told(100, Trust::Broker));
    let named = trail.named("ASIA").unwrap();
    assert!(!named.is_bound && named.is_several);
}

#[test]
fn a_pattern_says_where_the_id_stands() {
    let names = Names::new(&["Grant_ID".to_owned()], "grant={id}!");
    assert_eq!(&*names.tag_keys, [Box::from("grant_id")]);
    assert_eq!(names.source_identity, Some(("grant=".into(), "!".into())));
    assert_eq!(Names::new(&[], "").source_identity, None);
}
