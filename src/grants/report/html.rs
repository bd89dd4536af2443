//! The report as a page that needs nothing else: no script, no font, no picture.
//!
//! Invariant: the template escapes every value by itself; what others wrote makes no tag. The page forbids scripts and
//! loads nothing.

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::UndefinedBehavior;
use minijinja::Value;
use minijinja::context;
use minijinja::value::Serde;

use crate::grants::report::Report;
use crate::grants::report::Reported;
use crate::model::Span;
use crate::model::printable;

const TEMPLATE: &str = include_str!("report.html");

/// The page could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not make the page")]
pub struct HtmlError(#[from] minijinja::Error);

/// Returns the report as a page.
pub(super) fn written(report: &Report) -> Result<String, HtmlError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("shown", |text: &str| printable(text).into_owned());
    environment.add_filter("span", |seconds: i64| Span(seconds).to_string());
    environment.add_filter("clock", clock);
    environment.add_filter("percent", |share: f64| format!("{:.1} %", share * 100.0));
    environment.add_template("report", TEMPLATE)?;
    // As text, so that their members stay in the order in which policies are written.
    let policies: Vec<String> = report.grants.iter().map(Reported::policy_text).collect();
    let report = Value::from(Serde(report));
    Ok(environment.get_template("report")?.render(context! { report, policies })?)
}

/// A time as it is read, with a space that lets it break.
fn clock(time: &Value) -> String {
    time.as_str().map_or("–".to_owned(), |text| text.replace('T', " "))
}
