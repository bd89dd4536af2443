//! Rules of security groups: one text for one meaning, and what a change opens.

use super::*;

fn rules_of(texts: &[&str]) -> Document {
    let rules = texts.iter().map(|text| ((*text).into(), "".into())).collect();
    match document(&rules) {
        Text::Known(document) => (*document).clone(),
        Text::Unknown(why) => panic!("{why}"),
    }
}

fn changed(before: &[&str], after: &[&str]) -> Difference {
    let ours = ["111122223333".into(), "444455556666".into()].into();
    difference(&rules_of(before), &rules_of(after), &ours)
}

#[test]
fn a_rule_has_one_text() {
    let rule = |protocol, ports, peer| Rule::of(Way::In, protocol, ports, peer).text();
    assert_eq!(&*rule("6", (Some(22), Some(22)), "10.1.2.3/8"), "in tcp 22-22 10.0.0.0/8");
    assert_eq!(&*rule("tcp", (Some(0), Some(65_535)), "::/0"), "in tcp all ::/0");
    assert_eq!(&*rule("-1", (Some(-1), Some(-1)), "sg-1"), "in all all sg-1");
    assert_eq!(&*rule("icmp", (Some(8), Some(-1)), "pl-1"), "in icmp 8--1 pl-1");
    for text in ["in tcp 22-22 10.0.0.0/8", "out all all 0.0.0.0/0", "any icmp 8--1 pl-1"] {
        assert_eq!(&*text.parse::<Rule>().unwrap().text(), text);
    }
}

#[test]
fn what_a_wider_rule_let_through_is_not_new() {
    let wide = "in tcp 20-30 10.0.0.0/8";
    assert!(changed(&[wide], &[wide, "in tcp 22-22 10.1.0.0/16"]).is_none());
    assert!(changed(&["in all all 10.0.0.0/8"], &["in all all 10.0.0.0/8", wide]).is_none());
    let grown = changed(&[wide], &["in tcp 20-31 10.0.0.0/8"]);
    assert_eq!(grown.adds, ["tcp 20-31 from 10.0.0.0/8"]);
    assert!(grown.removes.is_empty() && grown.classes.is_empty());
    // The same the other way is taken away.
    let shrunk = changed(&["in tcp 20-31 10.0.0.0/8"], &[wide]);
    assert_eq!((shrunk.adds.len(), shrunk.removes.len()), (0, 1));
    assert!(!changed(&[wide], &["out tcp 20-30 10.0.0.0/8"]).is_none(), "out is not in");
}

#[test]
fn the_world_is_told_with_its_ports() {
    let open = changed(&[], &["in tcp 22-22 0.0.0.0/0", "in tcp 443-443 ::/0"]);
    assert_eq!(open.adds, ["tcp 22 from 0.0.0.0/0", "tcp 443 from ::/0"]);
    assert_eq!(open.worst(), Some("public"));
    let exposure = |text: &str| exposed(&rules_of(&[]), &rules_of(&[text]));
    assert_eq!(exposure("in tcp 443-443 0.0.0.0/0"), Some(Exposure::Port));
    assert_eq!(exposure("in tcp 3300-3310 0.0.0.0/0"), Some(Exposure::AdminPort));
    assert_eq!(exposure("in tcp 0-65535 128.0.0.0/1"), Some(Exposure::AllPorts));
    assert_eq!(exposure("in all all ::/0"), Some(Exposure::AllPorts));
    assert_eq!(exposure("in icmp 8--1 0.0.0.0/0"), Some(Exposure::Port));
    assert_eq!(exposure("in tcp 22-22 10.0.0.0/8"), None);
    // What a group lets out is what every group lets out.
    assert_eq!(changed(&[], &["out all all 0.0.0.0/0"]).worst(), None);
}

#[test]
fn a_group_of_another_account_is_another_account() {
    let peer = |text: &str| changed(&[], &[text]).worst();
    assert_eq!(peer("in tcp 22-22 sg-1"), None);
    assert_eq!(peer("in tcp 22-22 444455556666/sg-1"), Some("cross_account"));
    assert_eq!(peer("in tcp 22-22 999988887777/sg-1"), Some("outside_organization"));
}

#[test]
fn a_rule_that_is_changed_keeps_its_way() {
    let mut rules: Rules = [("out tcp 443-443 10.0.0.0/8".into(), "sgr-1".into())].into();
    let text = Rule::of(Way::NotTold, "tcp", (Some(22), Some(22)), "0.0.0.0/0").text();
    RulesEdit::Changed([(text.clone(), "sgr-1".into())].into()).apply(&mut rules);
    assert_eq!(rules.keys().map(|it| &**it).collect::<Vec<_>>(), ["out tcp 22-22 0.0.0.0/0"]);
    RulesEdit::Changed([(text, "sgr-2".into())].into()).apply(&mut rules);
    assert!(rules.contains_key("any tcp 22-22 0.0.0.0/0"), "nobody told of it: {rules:?}");
}
