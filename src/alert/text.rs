//! An alert as the person on call reads it in a terminal or a mail.
//!
//! What went wrong comes first, in one sentence; then who, what, where and when; then what to do. Nothing
//! is coloured unless the caller asks, and no line depends on colour to be understood.
//!
//! Invariant: every text of an alert passes `clean`, so a record cannot move the cursor or add a line.

use std::fmt::Write as _;

use crate::alert::clean::one_line;
use crate::model::Alert;
use crate::model::AlertStatus;
use crate::model::Severity;

/// How many columns a line may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width(pub usize);

impl Width {
    /// What every terminal has.
    pub const NARROW: Self = Self(80);
}

/// Whether escape sequences for colour are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Text alone.
    Plain,
    /// ANSI escape sequences, for a terminal.
    Ansi,
}

/// The longest text shown in one place; what is longer is in the JSON.
const MAX_TEXT_BYTES: usize = 1_024;
/// The column where values begin, behind their labels.
const INDENT: usize = 12;

/// Returns `alert` for people: several lines, each ended by a newline.
pub fn for_people(alert: &Alert, width: Width, colour: Colour) -> String {
    // A terminal of ten columns gets long lines rather than one word a line.
    let mut page = Page { text: String::new(), width: width.0.max(40), colour };
    page.headline(alert);
    page.wrapped("", 0, &alert.story);
    page.gap();
    page.labelled("status", &status(alert));
    page.labelled("because", alert.reason.as_ref().map_or("", |reason| &reason.text));
    page.labelled("who", &who(alert));
    page.labelled("", arn(alert));
    page.labelled("", &credentials(alert));
    page.labelled("what", &what(alert));
    page.labelled("where", &place(alert));
    page.labelled("", &alert.user_agent);
    page.labelled("when", &when(alert));
    page.labelled("evidence", &evidence(alert));
    page.labelled("", &alert.object);
    page.labelled("attack", &alert.attack.join(", "));
    page.list("What to do", Marks::Numbers, &alert.respond);
    page.list("Harmless if", Marks::Dashes, &alert.falsepositives);
    page.list("Read on", Marks::Dashes, &alert.references);
    page.gap();
    page.labelled("detector", &format!("{} ({})", alert.detector, alert.detector_id));
    page.labelled("alert", &alert.id.0);
    page.text
}

/// Says how it stands, where it is not as it began.
fn status(alert: &Alert) -> String {
    match (alert.status, alert.revision, &alert.reason) {
        (AlertStatus::Open, 0 | 1, None) => String::new(),
        (AlertStatus::Open, 0 | 1, Some(reason)) => format!("raised late, at {}", reason.at),
        (AlertStatus::Open, revision, Some(reason)) => {
            format!("open, revision {revision} of {}", reason.at)
        }
        (status, revision, reason) => {
            let at = reason.as_ref().map(|reason| format!(" at {}", reason.at));
            format!("{}{}, revision {revision}", status.name(), at.unwrap_or_default())
        }
    }
}

fn who(alert: &Alert) -> String {
    let who = &alert.who;
    match who.kind.as_str() {
        "" | "unknown" => who.name.clone(),
        // `person:alice` says already that it is a person.
        kind if who.name.starts_with(kind) => who.name.clone(),
        kind => format!("{} ({kind})", who.name),
    }
}

fn arn(alert: &Alert) -> &str {
    if alert.who.raw_arn == alert.who.name { "" } else { &alert.who.raw_arn }
}

fn credentials(alert: &Alert) -> String {
    let key = match alert.who.access_key.as_str() {
        "" => String::new(),
        key => format!("key {key}"),
    };
    joined(&[&alert.who.raw_type, &key])
}

fn what(alert: &Alert) -> String {
    match &alert.error {
        Some(error) => format!("{}, refused with {error}", alert.what),
        None => alert.what.clone(),
    }
}

fn place(alert: &Alert) -> String {
    let account = match alert.account.as_str() {
        "" => String::new(),
        account => format!("account {account}"),
    };
    let source = match alert.source.as_str() {
        "" => String::new(),
        source => format!("from {source}"),
    };
    joined(&[&account, &alert.region, &source])
}

fn when(alert: &Alert) -> String {
    match alert.count {
        0 | 1 => alert.first_seen.to_string(),
        count => {
            let over = alert.last_seen.since(alert.first_seen);
            format!("{}, {count} times within {over}, last {}", alert.first_seen, alert.last_seen)
        }
    }
}

fn evidence(alert: &Alert) -> String {
    match alert.event_ids.as_slice() {
        [] => String::new(),
        [one] => format!("event {one}"),
        [first, rest @ ..] => format!("event {first} and {} more", rest.len()),
    }
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

#[derive(Clone, Copy)]
enum Marks {
    Numbers,
    Dashes,
}

struct Page {
    text: String,
    width: usize,
    colour: Colour,
}

impl Page {
    fn headline(&mut self, alert: &Alert) {
        let severity = alert.severity.name().to_uppercase();
        let badge = match (alert.status, self.colour) {
            (AlertStatus::Resolved, _) => self.faint(&format!("RESOLVED {severity}")),
            (AlertStatus::Open, Colour::Plain) => severity,
            (AlertStatus::Open, Colour::Ansi) => {
                format!("\u{1b}[{}m{severity}\u{1b}[0m", badge_code(alert.severity))
            }
        };
        let title = one_line(&alert.title, MAX_TEXT_BYTES);
        let title = self.strong(&title);
        self.line(&format!("{badge}  {title}"));
    }

    fn strong(&self, text: &str) -> String {
        match self.colour {
            Colour::Plain => text.to_owned(),
            Colour::Ansi => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }

    fn faint(&self, text: &str) -> String {
        match self.colour {
            Colour::Plain => text.to_owned(),
            Colour::Ansi => format!("\u{1b}[2m{text}\u{1b}[0m"),
        }
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{}", line.trim_end()).expect("a String takes every write");
    }

    /// A label and its value; an empty value has no line.
    fn labelled(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            let label = format!("  {label:<width$}", width = INDENT - 2);
            let label = self.faint(&label);
            self.wrapped(&label, INDENT, value);
        }
    }

    /// A heading with its items below; nothing if there are none.
    fn list(&mut self, heading: &str, marks: Marks, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.gap();
        let heading = self.strong(heading);
        self.line(&format!("  {heading}"));
        for (place, item) in items.iter().enumerate() {
            let mark = match marks {
                Marks::Numbers => format!("{:>4}. ", place + 1),
                Marks::Dashes => "   - ".to_owned(),
            };
            self.wrapped(&mark, mark.chars().count(), item);
        }
    }

    /// `value` behind `before`, broken between words; further lines begin below its first word.
    fn wrapped(&mut self, before: &str, indent: usize, value: &str) {
        let value = one_line(value, MAX_TEXT_BYTES);
        let mut line = before.to_owned();
        let mut used = indent;
        for (place, word) in value.split_whitespace().enumerate() {
            let length = word.chars().count();
            let space = usize::from(place > 0);
            if place > 0 && used + space + length > self.width {
                self.line(&line);
                line = " ".repeat(indent);
                used = indent;
            } else if place > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
        self.line(&line);
    }
}

/// White on red, red, yellow, blue, grey: told apart in light and dark terminals alike.
fn badge_code(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;37;41",
        Severity::High => "1;31",
        Severity::Medium => "1;33",
        Severity::Low => "1;34",
        Severity::Informational => "1;90",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Config;
    use crate::alert::compose::compose;
    use crate::alert::fingerprint::Fingerprint;
    use crate::alert::story::Stories;
    use crate::alert::testing::detector;
    use crate::alert::testing::stop_logging;
    use crate::model::Reason;
    use crate::model::ReasonKind;
    use crate::model::Seconds;

    fn alert() -> Alert {
        let kept = stop_logging("e-1", 1_772_352_750);
        let (detector, event) = (detector(), kept.event());
        let print = Fingerprint::of(&detector, &event);
        let object =
            "s3://org-trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/a.json.gz";
        let mut alert =
            compose(&Config::default(), &Stories::new(), &detector, &event, &print, object);
        alert.count = 3;
        alert.last_seen = Seconds(1_772_353_110);
        alert.event_ids = vec!["111122223333/e-1".to_owned(), "111122223333/e-2".to_owned()];
        alert
    }

    #[test]
    fn reads_like_a_page() {
        let expected = "\
HIGH  Trail stopped
person:alice@example.com stopped the trail org-trail in 111122223333

  who       person:alice@example.com
            arn:aws:sts::111122223333:assumed-role/Admin/alice
            AssumedRole, key ASIAEXAMPLE00000001
  what      cloudtrail:StopLogging
  where     account 111122223333, eu-west-1, from 203.0.113.7
            aws-cli/2.15.0
  when      2026-03-01T08:12:30Z, 3 times within 6m, last 2026-03-01T08:18:30Z
  evidence  event 111122223333/e-1 and 1 more
            s3://org-trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/a.json.gz
  attack    T1685.002, defense-impairment

  What to do
   1. Start it again: `aws cloudtrail start-logging --name org-trail`

  Harmless if
   - A trail that is being replaced

  Read on
   - https://docs.aws.amazon.com/awscloudtrail/

  detector  trail_stopped (0b6d4a52-6a0e-4d9c-9f0b-3f6d2c1e8a77)
  alert     ALERT
";
        let alert = alert();
        let expected = expected.replace("ALERT", &alert.id.0);
        assert_eq!(for_people(&alert, Width::NARROW, Colour::Plain), expected);
    }

    #[test]
    fn what_was_resolved_says_so_and_why() {
        let mut alert = alert();
        alert.reason = Some(Reason {
            kind: ReasonKind::CoveredLate,
            text: "covered retroactively by grant g-1".to_owned(),
            at: Seconds(1_772_356_350),
            grant: None,
            approvers: Vec::new(),
            seconds_late: None,
            judged_by: None,
        });
        let text = for_people(&alert, Width::NARROW, Colour::Plain);
        assert!(text.contains("  status    raised late, at 2026-03-01T09:12:30Z\n"), "{text}");
        alert.revision = 2;
        let text = for_people(&alert, Width::NARROW, Colour::Plain);
        assert!(text.contains("  status    open, revision 2 of 2026-03-01T09:12:30Z\n"), "{text}");
        alert.status = AlertStatus::Resolved;
        let text = for_people(&alert, Width::NARROW, Colour::Plain);
        assert!(text.starts_with("RESOLVED HIGH  Trail stopped\n"), "{text}");
        let lines = "  status    resolved at 2026-03-01T09:12:30Z, revision 2
  because   covered retroactively by grant g-1\n";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn colour_changes_no_word() {
        let alert = alert();
        let plain = for_people(&alert, Width::NARROW, Colour::Plain);
        let mut coloured = for_people(&alert, Width::NARROW, Colour::Ansi);
        for code in ["1;31", "1", "2", "0"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, plain);
    }

    #[test]
    fn a_record_cannot_write_outside_its_line() {
        let mut alert = alert();
        alert.user_agent = "evil\n  who       nobody\u{1b}[2K\u{202e}".to_owned();
        let text = for_people(&alert, Width::NARROW, Colour::Plain);
        assert!(text.contains("evil who nobody\u{fffd}[2K\u{fffd}\n"), "{text}");
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'));
    }

    #[test]
    fn what_is_unknown_has_no_line() {
        let mut alert = alert();
        (alert.user_agent, alert.region, alert.count) = (String::new(), String::new(), 1);
        alert.respond.clear();
        let text = for_people(&alert, Width(10), Colour::Plain);
        assert!(!text.contains("What to do") && !text.contains("\n            \n"), "{text}");
        assert!(text.contains("when      2026-03-01T08:12:30Z\n"), "{text}");
    }
}
