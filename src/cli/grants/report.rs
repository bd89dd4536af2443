//! `grantwatch grants report`: what was allowed, what was used, and what was done beside and after it. A daemon may run
//! meanwhile: what it has committed is reported.

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::ArgGroup;
use clap::Args;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::grants::AtStore;
use crate::cli::output::printable;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::grants::Grant;
use crate::grants::GrantId;
use crate::grants::Ledger;
use crate::grants::report;
use crate::grants::report::Form;
use crate::grants::report::Report;
use crate::grants::score;
use crate::model::Duration;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Reader;

/// Report what grants allowed, what was done with them, and what would have been enough.
///
/// A whole grant is reported, also where it reaches beyond the time that was asked about. `--since` ends the report with
/// the zero-standing-privilege score of each account over the days asked about.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true))]
pub struct ReportArgs {
    /// The grant's id.
    #[arg(value_name = "ID", group = "which", conflicts_with_all = ["user", "since", "until", "account"])]
    id: Option<String>,
    #[command(flatten)]
    at: AtStore,
    /// Grants of which a principal holds this text: a name, an id, an ARN.
    #[arg(long, value_name = "TEXT", group = "which")]
    user: Option<String>,
    /// Grants that gave access at this time or later: `30d` back from now, a day or a time.
    #[arg(long, value_name = "DURATION|TIME", value_parser = moment_or_back, group = "which")]
    since: Option<Seconds>,
    /// Grants that gave access before this time.
    #[arg(long, value_name = "DURATION|TIME", value_parser = moment_or_back)]
    until: Option<Seconds>,
    /// Grants for this account, and its score.
    #[arg(long, value_name = "ID", group = "which")]
    account: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Written::Md)]
    format: Written,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Written {
    /// Markdown.
    Md,
    /// One JSON object.
    Json,
    /// For spreadsheets: one line for each grant and action.
    Csv,
    /// A page that needs nothing else.
    Html,
}

impl Written {
    fn form(self) -> Form {
        match self {
            Self::Md => Form::Markdown,
            Self::Json => Form::Json,
            Self::Csv => Form::Csv,
            Self::Html => Form::Html,
        }
    }
}

/// Reads a moment: a time, a day, or how long ago it was.
fn moment_or_back(text: &str) -> Result<Seconds, String> {
    if let Ok(time) = moment(text) {
        return Ok(time);
    }
    match text.parse::<Duration>() {
        Ok(back) => Ok(now().plus(Span(-back.span().0))),
        Err(_) => Err(format!(
            "`{text}` is no time; write it like 30d, 2026-03-01 or 2026-03-01T08:00:00Z"
        )),
    }
}

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let asked = Asked {
        id: args.id.as_deref(),
        user: args.user.as_deref(),
        since: args.since,
        until: args.until,
        account: args.account.as_deref(),
    };
    let report = made(&args.at.store, &asked, now())?;
    let mut out = io::stdout().lock();
    out.write_all(report.written(args.format.form())?.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Writes the report on all grants in the store `at` to `file`, in the form that its name asks for.
pub(in crate::cli) fn write_all(at: &Path, file: &Path) -> anyhow::Result<()> {
    let report = made(at, &Asked { since: Some(Seconds(0)), ..Asked::default() }, now())?;
    let form = form_of(file)?;
    let text = report.written(form)?;
    fs::write(file, text).with_context(|| format!("could not write {}", file.display()))
}

/// Returns the form that the name of `file` asks for.
pub(in crate::cli) fn form_of(file: &Path) -> anyhow::Result<Form> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Form::of_ending(ending).with_context(|| {
        format!("{}: a report's file ends with .md, .json, .csv or .html", file.display())
    })
}

/// What is reported on.
#[derive(Debug, Default)]
struct Asked<'a> {
    id: Option<&'a str>,
    user: Option<&'a str>,
    since: Option<Seconds>,
    until: Option<Seconds>,
    account: Option<&'a str>,
}

impl Asked<'_> {
    fn is_about(&self, grant: &Grant) -> bool {
        let user = self.user.unwrap_or_default().to_lowercase();
        let is_user = || {
            grant.versions().any(|(version, _)| {
                version.principals.iter().any(|it| it.text().to_lowercase().contains(&user))
            })
        };
        let account = |account: &str| {
            grant.versions().any(|(version, _)| {
                let accounts = version.scope.accounts.as_deref();
                accounts.is_none_or(|accounts| accounts.iter().any(|it| **it == *account))
            })
        };
        let window = grant.latest().window;
        self.id.is_none_or(|id| *grant.id().0 == *id)
            && (user.is_empty() || is_user())
            && self.account.is_none_or(account)
            && self.since.is_none_or(|since| window.until > since)
            && self.until.is_none_or(|until| window.from < until)
    }

    fn text(&self) -> String {
        let id = self.id.map(str::to_owned);
        let user = self.user.map(|user| format!("of {user}"));
        let account = self.account.map(|account| format!("for account {account}"));
        let is_open = self.since.is_some_and(|since| since > Seconds(0));
        let since = self.since.filter(|_| is_open).map(|since| format!("since {since}"));
        let until = self.until.map(|until| format!("until {until}"));
        let said: Vec<String> = [id, user, account, since, until].into_iter().flatten().collect();
        if said.is_empty() { "all".to_owned() } else { said.join(" ") }
    }
}

fn made(at: &Path, asked: &Asked<'_>, now: Seconds) -> anyhow::Result<Report> {
    let tried = || format!("could not read the grants in {}", at.display());
    let reader = Reader::open(at).with_context(tried)?;
    let mut ledger = Ledger::default();
    ledger.load(&reader).with_context(tried)?;
    if let Some(id) = asked.id {
        let known = ledger.get(&GrantId(id.into()));
        known.with_context(|| format!("there is no grant `{}`", printable(id)))?;
    }
    let mut found: Vec<&Grant> = ledger.iter().filter(|grant| asked.is_about(grant)).collect();
    found.sort_by_key(|grant| (std::cmp::Reverse(grant.latest().window.from), grant.id()));
    let mut grants = Vec::with_capacity(found.len());
    for grant in found {
        grants.extend(report::of(&reader, &ledger, grant.id(), now).with_context(tried)?);
    }
    let mut scores = Vec::new();
    if let Some(since) = asked.since {
        let until = asked.until.unwrap_or(Seconds(i64::MAX));
        let mut found = score::scores_in(&reader, since, until).with_context(tried)?;
        found.retain(|account, _| asked.account.is_none_or(|asked| **account == *asked));
        scores = report::scored(&found);
    }
    Ok(Report { schema: report::SCHEMA, about: asked.text(), grants, scores })
}
