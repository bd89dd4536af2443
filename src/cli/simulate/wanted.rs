//! The incidents that were asked for, and when each begins.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::bail;

use crate::model::Duration;
use crate::model::Seconds;
use crate::model::Span;
use crate::simulate::incidents;
use crate::simulate::incidents::Incident;
use crate::simulate::schedule;

/// When the first incident of a live simulation begins, and how far they are apart.
const SOON: (i64, i64) = (600, 1_200);

/// What one `--incident` asks for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Each of them.
    All,
    /// None.
    None,
    /// One.
    One(&'static Incident, When),
}

/// When an incident begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At a moment of our choice.
    Whenever,
    /// At this moment.
    At(Seconds),
    /// So long after the start.
    After(Span),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, time) = match text.split_once('@') {
            None => (text, None),
            Some((name, time)) => (name, Some(time)),
        };
        let when = match time {
            None => When::Whenever,
            Some(time) => moment(time)?,
        };
        match name {
            "all" | "none" if time.is_some() => Err(format!("`{name}` takes no time")),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => match incidents::named(name) {
                Some(incident) => Ok(Self::One(incident, when)),
                None => Err(unknown(name)),
            },
        }
    }
}

fn moment(text: &str) -> Result<When, String> {
    if let Some(at) = Seconds::parse(text) {
        return Ok(When::At(at));
    }
    text.parse::<Duration>().map(|it| When::After(it.span())).map_err(|_| {
        format!("`{text}` is no time; write it like 2026-03-04T10:30:00Z or, from the start, 2d10h")
    })
}

/// Says that there is no such incident, and which one may be meant.
fn unknown(name: &str) -> String {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let distance = |other: &str| strsim::damerau_levenshtein(&plain(name), &plain(other));
    let names = incidents::all().into_iter().map(|incident| incident.name).chain(["all", "none"]);
    let nearest = names.min_by_key(|other| distance(other)).unwrap_or("none");
    match distance(nearest) <= (name.chars().count() / 3).max(1) {
        true => format!("no incident is called `{name}`; did you mean `{nearest}`?"),
        false => format!("no incident is called `{name}`; --list-incidents prints them"),
    }
}

/// How incidents without a time are placed.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    /// At working hours, over `days` days from the midnight `start`.
    Spread {
        /// The first midnight.
        start: Seconds,
        /// How many days.
        days: i64,
    },
    /// One after the other, soon after `from`.
    Soon {
        /// When the simulation begins.
        from: Seconds,
        /// When it ends.
        until: Seconds,
    },
}

/// Returns what is to happen and when, and the names of those that last too long to be placed.
///
/// # Errors
/// When a time lies outside of the simulation, or an incident that was asked for by name finds no place in it.
#[expect(clippy::type_complexity, reason = "a list and what is not in it")]
pub fn placed(
    seed: u64,
    times: Times,
    wanted: &[Wanted],
) -> anyhow::Result<(Vec<(&'static Incident, Seconds)>, Vec<&'static str>)> {
    let (start, end) = match times {
        Times::Spread { start, days } => (start, Seconds(start.0 + days * 86_400)),
        Times::Soon { from, until } => (from, until),
    };
    let mut at_a_time = Vec::new();
    let mut whenever: Vec<&'static Incident> = Vec::new();
    for one in wanted {
        let (incident, at) = match one {
            Wanted::None => continue,
            Wanted::All => {
                whenever.extend(incidents::all());
                continue;
            }
            Wanted::One(incident, When::Whenever) => {
                whenever.push(incident);
                continue;
            }
            Wanted::One(incident, When::At(at)) => (*incident, *at),
            Wanted::One(incident, When::After(span)) => (*incident, start.plus(*span)),
        };
        if !(start..end).contains(&at) {
            bail!(
                "{} cannot begin at {at}: the simulation is from {start} to {end}",
                incident.name
            );
        }
        at_a_time.push((incident, at));
    }
    let moments = match times {
        Times::Spread { start, days } => schedule::spread(seed, (start, days), &whenever),
        Times::Soon { from, until } => {
            let soon = (0..).map(|nth| Seconds(from.0 + SOON.0 + nth * SOON.1));
            soon.map(|at| Some(at).filter(|at| *at < until)).take(whenever.len()).collect()
        }
    };
    let (mut found, mut left_out) = (at_a_time, Vec::new());
    for (incident, at) in whenever.into_iter().zip(moments) {
        match at {
            Some(at) => found.push((incident, at)),
            None if wanted
                .iter()
                .any(|it| matches!(it, Wanted::One(one, _) if one.name == incident.name)) =>
            {
                bail!("{} lasts {} days: simulate at least as many", incident.name, incident.days)
            }
            None => left_out.push(incident.name),
        }
    }
    found.sort_by_key(|(incident, at)| (*at, incident.name));
    Ok((found, left_out))
}

/// Returns the list of incidents, for people.
pub fn list() -> String {
    let mut text = String::new();
    for Incident { name, what, techniques, days, .. } in incidents::all() {
        let lasts = if *days > 1 { format!(" ({days} days)") } else { String::new() };
        // A string takes everything.
        writeln!(text, "{name}{lasts}\n    {what}\n    {}", techniques.join(", "))
            .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02, a Monday.
    const MONDAY: Seconds = Seconds(1_772_409_600);

    fn on(texts: &[&str]) -> anyhow::Result<Vec<(&'static str, Seconds)>> {
        let wanted: Vec<Wanted> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let (found, _) = placed(7, Times::Spread { start: MONDAY, days: 3 }, &wanted)?;
        Ok(found.into_iter().map(|(incident, at)| (incident.name, at)).collect())
    }

    #[test]
    fn incidents_begin_when_they_are_told_to() {
        let at = Seconds(MONDAY.0 + 36_000);
        assert_eq!(on(&["stolen_session@2026-03-02T10:00:00Z"]).unwrap(), [("stolen_session", at)]);
        assert_eq!(on(&["stolen_session@10h"]).unwrap(), [("stolen_session", at)]);
        assert_eq!(on(&["none"]).unwrap(), []);
        let outside = on(&["stolen_session@3d"]).unwrap_err().to_string();
        assert!(outside.contains("2026-03-02T00:00:00Z to 2026-03-05T00:00:00Z"), "{outside}");
        assert!(on(&["stolen_session@2026-03-01T23:59:59Z"]).is_err());
    }

    #[test]
    fn all_of_them_have_a_place_of_their_own() {
        let all = on(&["all"]).unwrap();
        let days_enough = incidents::all().into_iter().filter(|incident| incident.days <= 3);
        assert_eq!(all.len(), days_enough.count());
        assert!(all.iter().any(|(name, _)| *name == "stolen_session"));
        assert!(all.is_sorted_by_key(|(_, at)| *at));
    }

    #[test]
    fn a_live_drill_does_not_let_one_wait() {
        let wanted: Vec<Wanted> = vec!["stolen_session".parse().unwrap(); 3];
        let soon = Times::Soon { from: MONDAY, until: Seconds(MONDAY.0 + 86_400) };
        let (found, _) = placed(7, soon, &wanted).unwrap();
        let after: Vec<i64> = found.iter().map(|(_, at)| at.0 - MONDAY.0).collect();
        assert_eq!(after, [600, 1_800, 3_000]);
    }

    #[test]
    fn a_name_that_is_not_known_is_answered_with_the_nearest() {
        let said = |text: &str| text.parse::<Wanted>().unwrap_err();
        assert!(said("stolen-sesion").contains("did you mean `stolen_session`?"));
        assert!(said("al").contains("did you mean `all`?"));
        assert!(said("meteorite").contains("--list-incidents"));
        assert!(said("all@1d").contains("takes no time"));
        assert!(said("stolen_session@noon").contains("is no time"));
    }
}
