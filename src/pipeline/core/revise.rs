//! Word of a grant that comes after an act was judged: the act is judged anew, and its alerts follow.
//!
//! An alert whose act turns out to have been covered loses it, and is resolved with its last one. An act that turns out not
//! to have been covered is told of now. An act that stays uncovered stays with the alert that tells of it, which says
//! what is known by now: one that was approved only afterwards is not resolved by that.
//!
//! Invariant: an act is judged anew once a commit at most. What is not kept any more is left as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use tracing::warn;

use crate::alert::Desk;
use crate::alert::Fingerprint;
use crate::alert::Left;
use crate::alert::Revision;
use crate::alert::event_id;
use crate::model::AlertId;
use crate::model::Detector;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Reason;
use crate::model::ReasonKind;
use crate::model::Seconds;
use crate::model::Severity;
use crate::pipeline::core::Core;
use crate::pipeline::core::protect::ActId;
use crate::pipeline::core::protect::Found;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::Standing;
use crate::pipeline::core::protect::Stored;
use crate::pipeline::core::protect::Telling;
use crate::pipeline::core::protect::of_verdicts;
use crate::pipeline::core::protect::text;
use crate::pipeline::core::protect::texts;
use crate::pipeline::core::uses;
use crate::rules::Rules;

/// What became of the acts of one alert.
struct Touched {
    lost: Vec<ActId>,
    changed: Vec<ActId>,
    because: Reason,
}

/// The alerts that something became of.
type All = BTreeMap<AlertId, Touched>;

/// A detector that tells of an act, and the alert in which it does.
type Speaker<'r> = (AlertId, &'r Arc<Detector>);

impl Core {
    /// Judges the acts for which the wait is over at `watermark`, for good as far as is known by now.
    pub(super) fn judge_what_waited(&mut self, watermark: Seconds) {
        let rules = Arc::clone(&self.rules);
        while let Some((id, mut held, stored)) = self.protect.due(watermark) {
            let session = self.registry.session(&held.record());
            // Who acted may be known better by now.
            let stored = match (held.lay_to(&session), stored) {
                (Some(_), Stored::Yes) => Stored::Former,
                _ => stored,
            };
            let mut event = held.event();
            let standing = self.protect.judge_again(&mut event);
            let counted = match standing {
                Standing::Beside => self.protect.count_beside(&event),
                Standing::Judged(_) | Standing::Waits => self.protect.say(&event),
            };
            uses::note_cover(&mut self.uses, &event);
            let matched: SmallVec<[u32; 8]> = of_verdicts(&rules, &event, &standing).collect();
            let tellings = self.matched(&rules, &matched, &event, &held.object);
            self.withdraw(&event, &tellings);
            let found = match standing {
                Standing::Judged(found) => found.map(|found| Found { tellings, counted, ..found }),
                Standing::Beside | Standing::Waits => None,
            };
            drop(event);
            self.protect.keep_waited((id, held, stored), found, &self.registry);
        }
    }

    /// Takes an act about policies out of alerts that told of it when it came and do not any more, now that its verdict is
    /// known.
    fn withdraw(&mut self, event: &Event<'_>, tellings: &[Telling]) {
        if event.fact("gw.policy.target").is_none() {
            return;
        }
        let at = self.now_or_so();
        let nothing = Found::default();
        let nothing = Found { is_open: true, ..nothing };
        let rules = Arc::clone(&self.rules);
        for id in self.policies.retold((event.time, &event_id(event)), tellings, &rules) {
            let because = reason(&self.protect, event, (&nothing, &Found::of(&event.facts)), at);
            let lost = vec![(event.time, event_id(event))];
            let (changed, left) = (Vec::new(), None);
            self.desk.take_back(Revision { id, lost, changed, left, because });
        }
    }

    /// Judges anew what word of a grant, or of a session, has put in doubt since the last time.
    pub(super) fn revise(&mut self) {
        self.protect.lay_anew(&mut self.registry);
        let (rules, at) = (Arc::clone(&self.rules), self.now_or_so());
        let mut all = All::new();
        for id in self.protect.doubted() {
            if let Some(found) = rejudge(&self.protect, &mut self.desk, &rules, (&id, at), &mut all)
            {
                let uses = &mut self.uses;
                let judged = &mut |event: &Event<'_>| uses::note_cover_anew(uses, event);
                let found = self.protect.recount(&id, found, judged);
                // What it is taken out of is said below.
                self.policies.retold((id.0, &id.1), &found.tellings, &rules);
                self.protect.found_now(&id, found);
            }
        }
        for (id, Touched { lost, changed, because }) in all {
            let because = Reason { text: said_of(because.text, lost.len()), ..because };
            let left = left(&self.protect, &self.desk, &rules, &id);
            let ids = |acts: Vec<ActId>| {
                acts.into_iter().map(|(time, event)| (time, event.to_string())).collect()
            };
            let (lost, changed) = (ids(lost), ids(changed));
            self.desk.take_back(Revision { id, lost, changed, left, because });
        }
        self.protect.expire(self.watermark);
        let crowded_out = self.protect.crowded_out();
        if crowded_out > 0 {
            self.group.crowded_out = crowded_out;
            warn!(
                acts = crowded_out,
                "too many acts to keep for late grants; the oldest will not be judged anew"
            );
        }
    }
}

/// Judges one act anew; returns what was found if that is something else than before.
fn rejudge(
    protect: &Protect,
    desk: &mut Desk,
    rules: &Rules,
    (id, at): (&ActId, Seconds),
    all: &mut All,
) -> Option<Found> {
    let kept = protect.kept(id)?;
    let mut event = kept.act.event();
    let standing = protect.judge_again(&mut event);
    let Standing::Judged(found) = &standing else { return None };
    let found = found.clone().unwrap_or_else(|| Found::of(&event.facts));
    if found.mark == kept.found.mark && kept.was_laid_to().is_none() {
        return None;
    }
    let speakers: SmallVec<[Speaker<'_>; 4]> = of_verdicts(rules, &event, &standing)
        .filter_map(|rule| rules.alerting(rule))
        .map(|detector| (Fingerprint::of(detector, &event).id, detector))
        .collect();
    let because = reason(protect, &event, (&kept.found, &found), at);
    let because = match kept.was_laid_to() {
        Some(before) => Reason { text: said_of_who(&because.text, before, &event), ..because },
        None => because,
    };
    let (tellings, news) = settle(&kept.found, &found, &speakers, |alert, fate| {
        let touched = all.entry(alert.clone()).or_insert_with(|| Touched {
            lost: Vec::new(),
            changed: Vec::new(),
            because: because.clone(),
        });
        match fate {
            Fate::Lost => touched.lost.push(id.clone()),
            Fate::Changed => touched.changed.push(id.clone()),
        }
    });
    let mut found = Found { tellings, ..found };
    for (_, detector) in news {
        let alert = desk.raise_late(detector, &event, &kept.act.object, &because).alert();
        found.tellings.push(Telling { alert, detector: detector.id.clone() });
    }
    Some(found)
}

/// What becomes of an act in an alert that told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is taken out.
    Lost,
    /// It stays, in other words.
    Changed,
}

/// Decides which alerts go on telling of an act, in whose words, and who has to raise one.
fn settle<'s, 'r>(
    before: &Found,
    now: &Found,
    speakers: &'s [Speaker<'r>],
    mut fate: impl FnMut(&AlertId, Fate),
) -> (Vec<Telling>, Vec<&'s Speaker<'r>>) {
    let is_told = |alert: &AlertId| before.tellings.iter().any(|it| it.alert == *alert);
    let mut news: Vec<&Speaker<'r>> =
        speakers.iter().filter(|(alert, _)| !is_told(alert)).collect();
    let stays_open = before.is_open && now.is_open;
    // Who speaks for the act where the alert's own detector has nothing more to say.
    let best = |among: &[&Speaker<'r>]| {
        let best = among.iter().enumerate().max_by_key(|(_, (alert, it))| (it.severity, alert));
        best.map(|(place, _)| place)
    };
    let heir = best(&news).map(|place| news[place]).or_else(|| {
        let all: Vec<&Speaker<'r>> = speakers.iter().collect();
        best(&all).map(|place| all[place])
    });
    let (mut tellings, mut is_inherited) = (Vec::new(), false);
    for telling in &before.tellings {
        let own = speakers.iter().find(|(alert, _)| *alert == telling.alert);
        let speaker = own.or(heir.filter(|_| stays_open));
        match speaker {
            Some((_, detector)) => {
                fate(&telling.alert, Fate::Changed);
                let (alert, detector) = (telling.alert.clone(), detector.id.clone());
                tellings.push(Telling { alert, detector });
                is_inherited |= own.is_none();
            }
            // Uncovered all the same, and no detector has words for it: the alert stands as it was.
            None if stays_open => tellings.push(telling.clone()),
            None => fate(&telling.alert, Fate::Lost),
        }
    }
    if is_inherited {
        news.retain(|it| heir.is_none_or(|heir| !std::ptr::eq(*it, heir)));
    }
    (tellings, news)
}

/// Returns what is left of an alert's acts, as far as they are kept.
fn left(protect: &Protect, desk: &Desk, rules: &Rules, alert: &AlertId) -> Option<Left> {
    let all = || rules.of_verdicts().iter().chain(rules.of_policies());
    let detectors = || all().filter_map(|rule| rules.alerting(*rule));
    let (mut count, mut severity, mut told) = (0, None::<Severity>, None);
    for (_, kept) in protect.of_alert(alert) {
        let telling = kept.found.tellings.iter().find(|telling| telling.alert == *alert);
        let detector = telling.and_then(|telling| detectors().find(|it| it.id == telling.detector));
        // A detector that is gone with a reload leaves its alerts as they are.
        let Some(detector) = detector else { continue };
        count += 1;
        severity = severity.max(Some(detector.severity));
        if told.is_none() {
            let mut event = kept.act.event();
            if let Standing::Judged(_) = protect.judge_again(&mut event) {
                told = Some(desk.told(detector, &event, &kept.act.object));
            }
        }
    }
    Some(Left { count, severity: severity?, told: told? })
}

/// Says why an act is judged otherwise than before.
fn reason(
    protect: &Protect,
    event: &Event<'_>,
    (before, found): (&Found, &Found),
    at: Seconds,
) -> Reason {
    let grant = Some(text(event, "gw.grant.id")).filter(|id| !id.is_empty());
    let approvers = texts(event, "gw.grant.approver");
    let late = grant.and_then(|grant| protect.word_after(grant, event.time));
    let is_retroactive = event.fact("gw.grant.retroactive") == Some(&Fact::Flag(true));
    let why = text(event, "gw.grant.reason");
    let by = match approvers.as_slice() {
        [] => String::new(),
        names => format!(", approved by {}", names.join(", ")),
    };
    let word = late.map(|late| format!("; word of it came {late} after the act"));
    let word = word.unwrap_or_default();
    let (kind, text) = match (before.is_open, found.is_open) {
        (true, false) => {
            (ReasonKind::CoveredLate, format!("covered retroactively: {why}{by}{word}"))
        }
        (false, true) => (ReasonKind::UncoveredLate, format!("not covered after all: {why}{word}")),
        (true, true) if is_retroactive => {
            (ReasonKind::ApprovedAfterwards, format!("still uncovered: {why}{by}{word}"))
        }
        (true, true) => (ReasonKind::JudgedAnew, format!("still uncovered: {why}{word}")),
        (false, false) => (ReasonKind::JudgedAnew, format!("{why}{by}{word}")),
    };
    Reason {
        kind,
        text,
        at,
        grant: grant.map(str::to_owned),
        approvers,
        seconds_late: late.map(|late| late.0),
        judged_by: None,
    }
}

/// Says whom an act is laid to now, and to whom it was.
fn said_of_who(text: &str, before: &str, event: &Event<'_>) -> String {
    let now = event.text("gw.identity.name").unwrap_or_default();
    if now == before {
        return format!("{text}; more is known of the session by now");
    }
    format!("{text}; a record that came late lays it to {now}, not to {before}")
}

/// Says of how many acts a reason speaks, if of several.
fn said_of(text: String, acts: usize) -> String {
    if acts > 1 { format!("{text} (one of {acts} acts)") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DetectorId;
    use crate::model::Span;

    fn detector(name: &str, severity: Severity) -> Arc<Detector> {
        Arc::new(Detector {
            id: DetectorId(name.to_owned()),
            name: name.to_owned(),
            title: String::new(),
            description: String::new(),
            severity,
            attack: Vec::new(),
            references: Vec::new(),
            falsepositives: Vec::new(),
            group_by: Vec::new(),
            suppress_for: Span(0),
            story: None,
            respond: Vec::new(),
        })
    }

    /// An act that was told by the detectors `before`, each in an alert of its own name, and is spoken of by `now`:
    /// returns what each alert gets, then who is news. Detectors are letters; capitals are severe.
    fn settled(before: &str, was_open: bool, now: &str, is_open: bool) -> String {
        let alert = |letter: char| AlertId(letter.to_string());
        let severity = |letter: char| match letter.is_uppercase() {
            true => Severity::High,
            false => Severity::Low,
        };
        let detectors: Vec<Arc<Detector>> =
            now.chars().map(|letter| detector(&letter.to_string(), severity(letter))).collect();
        let speakers: Vec<Speaker<'_>> = now.chars().map(alert).zip(&detectors).collect();
        let telling = |letter: char| Telling {
            alert: alert(letter),
            detector: DetectorId(letter.to_string()),
        };
        let tellings = before.chars().map(telling).collect();
        let found = Found { is_open: was_open, tellings, ..Found::default() };
        let found_now = Found { is_open, tellings: Vec::new(), ..found.clone() };
        let mut fates = Vec::new();
        let (tellings, news) = settle(&found, &found_now, &speakers, |alert, fate| {
            fates.push(format!("{alert} {}", if fate == Fate::Lost { "lost" } else { "changed" }));
        });
        fates.extend(tellings.iter().map(|it| format!("{} by {}", it.alert, it.detector)));
        fates.extend(news.iter().map(|(alert, _)| format!("{alert} news")));
        fates.join(", ")
    }

    #[test]
    fn who_tells_of_an_act_that_is_judged_anew() {
        for (before, was_open, now, is_open, expected) in [
            ("N", true, "", false, "N lost"),
            ("N", true, "b", false, "N lost, b news"),
            ("b", false, "R", true, "b lost, R news"),
            ("", false, "R", true, "R news"),
            ("", false, "Rs", true, "R news, s news"),
            ("N", true, "E", true, "N changed, N by E"),
            ("N", true, "aE", true, "N changed, N by E, a news"),
            ("N", true, "N", true, "N changed, N by N"),
            ("NX", true, "XE", true, "N changed, X changed, N by E, X by X"),
            ("NX", true, "X", true, "N changed, X changed, N by X, X by X"),
            ("N", true, "", true, "N by N"),
        ] {
            assert_eq!(settled(before, was_open, now, is_open), expected, "{before} {now}");
        }
    }
}
