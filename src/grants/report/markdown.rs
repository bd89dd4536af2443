//! The report as Markdown.
//!
//! Invariant: what others wrote stands there as text: it makes no link, no heading, no cell and no tag.

use std::fmt::Write as _;

use crate::grants::report::Line;
use crate::grants::report::Report;
use crate::grants::report::Reported;
use crate::grants::report::ResourceLine;
use crate::grants::usage::Part;
use crate::grants::usage::Trace;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::printable;

/// How many resources of a line are named; JSON and CSV name all.
const MAX_RESOURCES: usize = 10;

/// Returns the report as Markdown.
pub(super) fn written(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string does not fail; the results are passed on for the sake of `?`.
    let made = write_all(&mut out, report);
    made.expect("writing into a string does not fail");
    out
}

fn write_all(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "# Grants: {}\n", code(&report.about))?;
    if report.grants.is_empty() {
        writeln!(out, "There are none.\n")?;
    }
    for grant in &report.grants {
        write_grant(out, grant)?;
    }
    if !report.scores.is_empty() {
        writeln!(out, "## Zero standing privilege\n")?;
        writeln!(out, "Of the acts that wanted a grant, how many had one.\n")?;
        writeln!(out, "| Account | Acts | Covered | Score | Exempt |")?;
        writeln!(out, "| --- | --: | --: | --: | --: |")?;
        for row in &report.scores {
            let score =
                row.score.map_or("–".to_owned(), |score| format!("{:.1} %", score * 100.0));
            let (account, exempt) = (code(&row.account), row.exempt);
            writeln!(out, "| {account} | {} | {} | {score} | {exempt} |", row.wanted, row.covered)?;
        }
    }
    Ok(())
}

fn write_grant(out: &mut String, grant: &Reported) -> std::fmt::Result {
    writeln!(out, "## {}\n", code(&grant.id))?;
    let why = &grant.why;
    let mut marks = String::new();
    if why.break_glass {
        marks.push_str(" **Break glass: nobody had to approve.**");
    }
    if why.self_approved {
        marks.push_str(" **Self-approved.**");
    }
    writeln!(out, "{} by {}.{marks}\n", grant.state, code(&grant.source))?;
    writeln!(out, "| | |\n| --- | --- |")?;
    let mut row = |name: &str, value: &str| writeln!(out, "| {name} | {} |", or_dash(value));
    row("Who", &codes(grant.who.iter()))?;
    for (name, values) in grant.scope.limits() {
        let values = if values.is_empty() { "none".to_owned() } else { codes(values.iter()) };
        row(&format!("Allowed {name}"), &values)?;
    }
    row("Ticket", &text(&why.ticket))?;
    row("Reason", &text(&why.justification))?;
    let approvers = why.approvers.iter().map(|approver| match approver.is_self {
        true => format!("{} (themselves)", code(&approver.name)),
        false => code(&approver.name),
    });
    row("Approved by", &approvers.collect::<Vec<_>>().join(", "))?;
    row("Asked for, approved", &format!("{}, {}", time(why.requested_at), time(why.approved_at)))?;
    row("Window", &format!("{} – {}", clock(grant.window.from), clock(grant.window.until)))?;
    let given = (time(grant.window.given_from), time(grant.window.given_until));
    row("Access", &format!("{} – {}", given.0, given.1))?;
    if let Some(after) = grant.window.removed_seconds_after {
        let removed = time(grant.window.removed);
        row("Taken away", &format!("{removed}, {} after its end", Span(after)))?;
    }
    writeln!(out)?;
    write_history(out, grant)?;
    write_acts(out, grant)?;
    write_traces(out, grant)?;
    write_proposal(out, grant)
}

fn write_history(out: &mut String, grant: &Reported) -> std::fmt::Result {
    writeln!(out, "### History\n\n| When | State | Until | Told by |\n| --- | --- | --- | --- |")?;
    for said in &grant.history {
        let (at, until) = (clock(said.at), clock(said.until));
        writeln!(out, "| {at} | {} | {until} | {} |", said.state, code(&said.evidence))?;
    }
    writeln!(out)
}

/// The parts that have a table of their own: title, which, and what is said where there is none.
const PARTS: [(&str, &[Part], &str); 4] = [
    ("Used", &[Part::Inside], "Nothing was done with it."),
    ("Beside it", Part::OUTSIDE, ""),
    ("After its end", &[Part::Tail, Part::After], ""),
    ("Before it", &[Part::Before], ""),
];

fn write_acts(out: &mut String, grant: &Reported) -> std::fmt::Result {
    for (title, parts, nothing) in PARTS {
        let lines: Vec<&Line> =
            grant.acts.iter().filter(|line| parts.contains(&line.part)).collect();
        if lines.is_empty() && nothing.is_empty() {
            continue;
        }
        writeln!(out, "### {title}\n")?;
        if lines.is_empty() {
            writeln!(out, "{nothing}\n")?;
            continue;
        }
        writeln!(out, "| Action | Level | Where | Acts | Refused | First | Last | On | |")?;
        writeln!(out, "| --- | --- | --- | --: | --: | --- | --- | --- | --- |")?;
        for line in lines {
            let place = format!("{} {}", line.account, line.region);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                code(&line.action),
                line.level,
                code(place.trim()),
                line.tally.acts,
                line.tally.denied,
                clock(line.tally.first),
                clock(line.tally.last),
                resources(&line.resources),
                remark(line),
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn remark(line: &Line) -> String {
    match (line.part, line.seconds_after) {
        (Part::Outside(dimension), _) => format!("beyond its {}", dimension.name()),
        (Part::Tail, Some(after)) => format!("session outlived it, up to {} after", Span(after)),
        (Part::After, Some(after)) => format!("later session, up to {} after", Span(after)),
        _ => String::new(),
    }
}

fn resources(rows: &[ResourceLine]) -> String {
    let mut shown: Vec<String> = rows
        .iter()
        .take(MAX_RESOURCES)
        .map(|row| match (&*row.resource, row.tally.acts) {
            ("*", _) => "not named".to_owned(),
            (name, 1) => code(name),
            (name, acts) => format!("{} ({acts})", code(name)),
        })
        .collect();
    if rows.len() > MAX_RESOURCES {
        shown.push(format!("and {} more", rows.len() - MAX_RESOURCES));
    }
    shown.join(", ")
}

fn write_traces(out: &mut String, grant: &Reported) -> std::fmt::Result {
    if grant.traces.is_empty() {
        return Ok(());
    }
    writeln!(out, "### From where\n\n| | | Acts | Refused | First | Last |")?;
    writeln!(out, "| --- | --- | --: | --: | --- | --- |")?;
    for line in &grant.traces {
        let what = match line.trace {
            Trace::Address => "address",
            Trace::Agent => "program",
            Trace::Session => "session",
        };
        let (tally, value) = (line.tally, code(&line.value));
        let (first, last) = (clock(tally.first), clock(tally.last));
        writeln!(
            out,
            "| {what} | {value} | {} | {} | {first} | {last} |",
            tally.acts, tally.denied
        )?;
    }
    writeln!(out)
}

fn write_proposal(out: &mut String, grant: &Reported) -> std::fmt::Result {
    if !grant.unused.is_empty() {
        writeln!(out, "### Not used\n")?;
        for what in &grant.unused {
            writeln!(out, "- {}", code(what))?;
        }
        writeln!(out)?;
    }
    let Some(proposal) = &grant.proposal else { return Ok(()) };
    writeln!(out, "### What would have been enough\n")?;
    let given = Span(proposal.given_seconds);
    match proposal.seconds {
        Some(seconds) => writeln!(out, "{} instead of {given}, and this policy:\n", Span(seconds))?,
        None => writeln!(out, "The {given} that were given, and this policy:\n")?,
    }
    let json = grant.policy_text();
    let fence = "`".repeat(longest_run(&json, '`').max(2) + 1);
    writeln!(out, "{fence}json\n{json}\n{fence}\n")?;
    for note in &proposal.notes {
        writeln!(out, "- {}", text(note))?;
    }
    writeln!(out)
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|letter| letter != of).map(str::len).max().unwrap_or_default()
}

/// Returns a name that somebody else chose as code, in which Markdown reads nothing.
fn code(foreign: &str) -> String {
    let shown = printable(foreign).replace('|', "\\|");
    if shown.trim().is_empty() {
        return "–".to_owned();
    }
    let fence = "`".repeat(longest_run(&shown, '`') + 1);
    let space = if shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{space}{shown}{space}{fence}")
}

/// Returns a sentence that somebody else wrote so that Markdown, its tables and the HTML in it show it as it is.
fn text(foreign: &str) -> String {
    let shown = printable(foreign);
    let mut safe = String::with_capacity(shown.len() + 16);
    let mut letters = shown.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // What a reader of Markdown would turn into links and mentions.
            ':' if letters.peek() == Some(&'/') => safe.push_str("&#58;"),
            '@' => safe.push_str("&#64;"),
            '.' if safe.to_ascii_lowercase().ends_with("www") => safe.push_str("&#46;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '#' | '$' => {
                safe.extend(['\\', letter]);
            }
            letter => safe.push(letter),
        }
    }
    safe
}

fn codes(all: impl Iterator<Item = impl AsRef<str>>) -> String {
    all.map(|one| code(one.as_ref())).collect::<Vec<_>>().join(", ")
}

fn or_dash(value: &str) -> &str {
    if value.is_empty() { "–" } else { value }
}

fn time(time: Option<Seconds>) -> String {
    time.map_or("–".to_owned(), clock)
}

/// A time that breaks between day and hour.
fn clock(time: Seconds) -> String {
    time.to_string().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_text() {
        for (foreign, expected) in [
            ("a|b", "a\\|b"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("[x](https://evil)", "\\[x\\]\\(https&#58;//evil\\)"),
            ("www.evil.example", "www&#46;evil.example"),
            ("x\n# y", "x\\\\n\\# y"),
            ("`a` **b** _c_ ![d]", "\\`a\\` \\*\\*b\\*\\* \\_c\\_ \\!\\[d\\]"),
            ("@everyone &lt;", "&#64;everyone &amp;lt;"),
        ] {
            assert_eq!(text(foreign), expected);
        }
    }

    #[test]
    fn a_name_cannot_leave_its_code() {
        for (foreign, expected) in [
            ("iam:CreateUser", "`iam:CreateUser`"),
            ("a`b", "``a`b``"),
            ("`x``", "``` `x`` ```"),
            ("a|b\nc", "`a\\|b\\nc`"),
            ("", "–"),
        ] {
            assert_eq!(code(foreign), expected);
        }
    }
}
