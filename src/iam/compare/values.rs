//! The values of a condition key that a condition takes, as sets.
//!
//! Invariant: two sets of different sorts are not compared; nothing is said of them.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::is_hollow;
use crate::iam::effort;

/// How many combinations of patterns are tried before it is said that something may be left.
const MAX_TRIES: usize = 512;

/// Some values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// Every value, or none.
    Whole(Share),
    /// Texts by pattern.
    Text(Texts),
    /// Points of a line: numbers or moments.
    Line(Line, Ranges),
    /// Addresses, and whether what is no address is among them.
    Ip { v4: Ranges, v6: Ranges, others: Share },
    /// True and false.
    Truth { yes: Share, no: Share },
}

/// All or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// All of it.
    All,
    /// None of it.
    Nothing,
}

impl Share {
    fn not(self) -> Self {
        if self == Self::All { Self::Nothing } else { Self::All }
    }
}

/// What the points of a line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Numbers.
    Number,
    /// Moments.
    Time,
}

/// Texts that fit some of these patterns, or that fit none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) globs: Vec<Glob>,
    pub(super) share: Share,
    pub(super) case: Case,
}

/// Whether case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// It does.
    Counts,
    /// It does not; patterns are in lower case.
    Folded,
}

/// Spans of numbers, both ends in them, in order and apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    pub(super) fn of(spans: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|(low, high)| low <= high).collect();
        spans.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(spans.len());
        for (low, high) in spans {
            match joined.last_mut() {
                Some(last) if last.1 == u128::MAX || low <= last.1 + 1 => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        Self(joined)
    }

    /// Returns whether it goes on to the end of the line.
    pub(super) fn is_endless(&self) -> bool {
        self.0.last().is_some_and(|(_, high)| *high == u128::MAX)
    }

    /// Returns whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn not(&self) -> Self {
        let mut from = Some(0);
        let mut spans = Vec::new();
        for (low, high) in &self.0 {
            if let Some(from) = from.filter(|from| from < low) {
                spans.push((from, low - 1));
            }
            from = high.checked_add(1);
        }
        spans.extend(from.map(|from| (from, u128::MAX)));
        Self(spans)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (&*self.0, &*other.0);
        effort::spend(ours.len() + theirs.len());
        let mut both = Vec::new();
        while let ([(low, high), our_rest @ ..], [(from, to), their_rest @ ..]) = (ours, theirs) {
            let (start, end) = (*low.max(from), *high.min(to));
            if start <= end {
                both.push((start, end));
            }
            // What ends first has nothing in common with what comes next.
            match high < to {
                true => ours = our_rest,
                false => theirs = their_rest,
            }
        }
        Self(both)
    }
}

/// Returns the place of a number on its line.
pub(super) fn number(text: &str) -> Option<u128> {
    let number: f64 = text.parse().ok()?;
    // Beyond this, neighbours are one and the same.
    if !number.is_finite() || number.abs() > 9_007_199_254_740_992.0 {
        return None;
    }
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    Some(u128::from(ordered) + 1)
}

/// Returns the place of a moment on its line.
pub(super) fn moment(at: jiff::Timestamp) -> u128 {
    u128::try_from(at.as_nanosecond() + (1_i128 << 100)).unwrap_or(1)
}

impl Values {
    /// Returns the addresses of networks; `None` if one is none.
    pub(super) fn of_networks(networks: &[Box<str>]) -> Option<Self> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for text in networks {
            let network = text.parse::<IpNet>();
            match network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?.trunc() {
                IpNet::V4(it) => {
                    v4.push((u32::from(it.network()).into(), u32::from(it.broadcast()).into()));
                }
                IpNet::V6(it) => v6.push((it.network().into(), it.broadcast().into())),
            }
        }
        Some(Self::Ip { v4: Ranges::of(v4), v6: Ranges::of(v6), others: Share::Nothing })
    }

    /// Returns all other values.
    pub(super) fn not(&self) -> Self {
        match self {
            Self::Whole(share) => Self::Whole(share.not()),
            Self::Text(texts) => Self::Text(Texts { share: texts.share.not(), ..texts.clone() }),
            Self::Line(line, ranges) => Self::Line(*line, ranges.not()),
            Self::Ip { v4, v6, others } => {
                let all_v4 = Ranges::of([(0, u128::from(u32::MAX))]);
                Self::Ip { v4: v4.not().and(&all_v4), v6: v6.not(), others: others.not() }
            }
            Self::Truth { yes, no } => Self::Truth { yes: yes.not(), no: no.not() },
        }
    }

    /// Returns whether surely no value is in it.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Whole(share) => *share == Share::Nothing,
            Self::Text(Texts { globs, share: Share::All, .. }) => globs.is_empty(),
            Self::Text(Texts { globs, .. }) => globs.iter().any(Glob::is_any),
            Self::Line(_, ranges) => ranges.is_empty(),
            Self::Ip { v4, v6, others } => {
                v4.is_empty() && v6.is_empty() && *others == Share::Nothing
            }
            Self::Truth { yes, no } => [yes, no].iter().all(|it| **it == Share::Nothing),
        }
    }

    /// Returns whether surely no value is in all of these.
    pub(super) fn have_nothing_in_common(all: &[&Self]) -> bool {
        if let [one] = all {
            return one.is_nothing();
        }
        if all.iter().all(|values| matches!(values, Self::Text(_))) {
            return texts_have_nothing_in_common(all);
        }
        if all.contains(&&Self::Whole(Share::Nothing)) {
            return true;
        }
        let ranges = |line: Line| {
            let found = all.iter().filter_map(move |values| match values {
                Self::Line(of, ranges) if *of == line => Some(ranges.clone()),
                _ => None,
            });
            found.reduce(|a, b| a.and(&b)).is_some_and(|left| left.is_empty())
        };
        if ranges(Line::Number) || ranges(Line::Time) {
            return true;
        }
        let addresses = all.iter().filter_map(|values| match values {
            Self::Ip { v4, v6, others } => Some((v4.clone(), v6.clone(), *others)),
            _ => None,
        });
        let left = addresses.reduce(|a, b| {
            let others = if a.2 == Share::All { b.2 } else { Share::Nothing };
            (a.0.and(&b.0), a.1.and(&b.1), others)
        });
        if left.is_some_and(|(v4, v6, others)| {
            v4.is_empty() && v6.is_empty() && others == Share::Nothing
        }) {
            return true;
        }
        let is_lost = |of: fn(&Self) -> Option<Share>| {
            all.iter().any(|values| of(values) == Some(Share::Nothing))
        };
        let yes = |it: &Self| if let Self::Truth { yes, .. } = it { Some(*yes) } else { None };
        let no = |it: &Self| if let Self::Truth { no, .. } = it { Some(*no) } else { None };
        (is_lost(yes) && is_lost(no)) || texts_have_nothing_in_common(all)
    }
}

fn texts_have_nothing_in_common(all: &[&Values]) -> bool {
    let texts: Vec<&Texts> = all
        .iter()
        .filter_map(|values| if let Values::Text(texts) = values { Some(texts) } else { None })
        .collect();
    [Case::Counts, Case::Folded].into_iter().any(|case| {
        let same: Vec<&Texts> = texts.iter().copied().filter(|it| it.case == case).collect();
        is_exhausted(&same)
    }) || mixed_are_exhausted(&texts)
}

/// Of patterns of one case: tries each choice of a pattern from each of those that have to fit.
fn is_exhausted(texts: &[&Texts]) -> bool {
    let within: Vec<&Texts> = texts.iter().copied().filter(|it| it.share == Share::All).collect();
    let without = texts.iter().filter(|it| it.share == Share::Nothing).flat_map(|it| &it.globs);
    if within.is_empty() {
        return without.clone().any(Glob::is_any);
    }
    let tries = within.iter().try_fold(1_usize, |product, it| product.checked_mul(it.globs.len()));
    // One list that is long is looked through by its members.
    if tries.is_none_or(|tries| tries > MAX_TRIES) {
        let Some(shortest) = within.iter().min_by_key(|it| it.globs.len()) else { return false };
        return shortest.globs.iter().all(|glob| {
            let is_barred = |of: &&Texts| !of.globs.iter().any(|other| other.overlaps(glob));
            within.iter().any(is_barred) || without.clone().any(|out| out.covers(glob))
        });
    }
    let mut choice = vec![0; within.len()];
    loop {
        let chosen: SmallVec<[Glob; 2]> =
            within.iter().zip(&choice).filter_map(|(of, at)| of.globs.get(*at).cloned()).collect();
        if chosen.len() == within.len() && !is_hollow(&chosen, without.clone()) {
            return false;
        }
        let mut place = 0;
        loop {
            let Some(at) = choice.get_mut(place) else { return true };
            *at += 1;
            if within.get(place).is_some_and(|of| *at < of.globs.len()) {
                break;
            }
            *at = 0;
            place += 1;
        }
    }
}

/// Of both cases together: looks through a list of plain texts, if there is one.
fn mixed_are_exhausted(texts: &[&Texts]) -> bool {
    let is_plain = |it: &&&Texts| {
        it.case == Case::Counts && it.share == Share::All && it.globs.iter().all(Glob::is_literal)
    };
    let Some(plain) = texts.iter().find(is_plain) else { return false };
    plain.globs.iter().all(|text| {
        texts.iter().any(|of| {
            let text = match of.case {
                Case::Folded => Cow::Owned(text.folded()),
                Case::Counts => Cow::Borrowed(text),
            };
            let is_among = of.globs.iter().any(|glob| glob.covers(&text));
            let may_be_among = of.globs.iter().any(|glob| glob.overlaps(&text));
            match of.share {
                Share::All => !may_be_among,
                Share::Nothing => is_among,
            }
        })
    })
}
