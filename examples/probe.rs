use grantwatch::model::*;
use std::collections::HashMap;
use std::sync::Arc;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let (rules, _) = grantwatch::pipeline::load_detectors(&grantwatch::rules::Config::default());
    let mut sieve = grantwatch::rules::Sieve::new(Arc::clone(&rules));
    let mut reg = grantwatch::identity::Registry::new(&Default::default());
    let mut ask: HashMap<String, usize> = HashMap::new();
    let mut hit: HashMap<String, usize> = HashMap::new();
    let mut n = 0;
    let mut withask = 0;
    fn walk(p: &std::path::Path, v: &mut Vec<std::path::PathBuf>) {
        if p.is_file() {
            v.push(p.into());
            return;
        }
        for e in std::fs::read_dir(p).unwrap() {
            walk(&e.unwrap().path(), v)
        }
    }
    let mut files = vec![];
    walk(path.as_ref(), &mut files);
    files.sort();
    for f in files {
        let Ok(d) = grantwatch::decode::decode(
            Format::Any,
            std::fs::read(&f).unwrap(),
            &Default::default(),
        ) else {
            continue;
        };
        for (time, record) in d.records() {
            if let Record::Trail(r) = &record {
                reg.learn(r);
            }
        }
        for (time, record) in d.records() {
            n += 1;
            let e = Event { time, record, session: None, facts: Facts::default() };
            let mut c = vec![];
            sieve.candidates(&e, |x| c.push(x));
            let Record::Trail(r) = &e.record else { continue };
            let full = Event {
                session: Some(reg.session(r)),
                facts: grantwatch::identity::event_facts(r, time),
                ..e.clone()
            };
            let mut a = false;
            for x in c {
                let name = rules.detector(x.rule).name.clone();
                if matches!(x.verdict, grantwatch::rules::Verdict::AskFacts) {
                    a = true;
                    *ask.entry(name.clone()).or_default() += 1;
                }
                if rules.decide(x, &full) {
                    *hit.entry(name).or_default() += 1;
                }
            }
            withask += a as usize;
        }
    }
    println!("{n} events, {withask} ask facts");
    let mut v: Vec<_> = ask.into_iter().collect();
    v.sort_by_key(|x| -(x.1 as i64));
    for (k, c) in v.iter().take(25) {
        println!("{c:8} ask {k}  hits {}", hit.get(k).unwrap_or(&0));
    }
    let mut v: Vec<_> = hit.into_iter().collect();
    v.sort_by_key(|x| -(x.1 as i64));
    for (k, c) in v.iter().take(25) {
        println!("{c:8} hit {k}");
    }
}
