//! The protect surface: which acts want a grant, MFA or a pipeline.
//!
//! It is asked about every record, and nearly every record is an action that no entry means. So what an action's name
//! and level decide is decided once: protected actions stand in a map, and the others leave their hash in `quiet`.
//!
//! Invariant: an answer depends on the configuration and the act alone; what is remembered changes how fast it comes,
//! never what it is. Only hashes of actions are remembered, whose names are AWS's; what a caller may choose is compared.

mod builtin;
mod who;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use crate::grants::actions;
use crate::grants::actions::Known;
use crate::grants::actions::Level;
use crate::grants::config::Automation;
use crate::grants::config::By;
use crate::grants::config::Config;
use crate::grants::config::Need;
use crate::grants::config::Protect;
use crate::grants::surface::who::Exemption;
use crate::grants::surface::who::Where;
use crate::grants::verdict::Act;
use crate::model::Glob;

/// How many actions are remembered as wanting nothing. A power of two; AWS has some twenty thousand actions, and an
/// organisation uses some hundreds.
const QUIET: usize = 4_096;
/// How many names of unknown actions are kept for the operator.
const UNKNOWN_MAX: usize = 1_000;

/// What wants a grant.
#[derive(Debug)]
pub struct Surface {
    entries: Vec<Entry>,
    exemptions: Vec<Exemption>,
    automation: Vec<Automation>,
    /// The actions of the table that an entry means.
    protected: HashMap<Box<str>, Meant>,
    /// Hashes of actions that no entry means, by their low bits; the lowest bit says whether the action is unknown.
    quiet: Box<[AtomicU64]>,
    unknown: Unknown,
}

/// The actions that the table of actions does not have.
#[derive(Debug, Default)]
struct Unknown {
    names: Mutex<BTreeSet<Box<str>>>,
    acts: AtomicU64,
}

/// An action that entries mean.
#[derive(Debug)]
struct Meant {
    known: Known,
    /// The entries, by place.
    entries: Vec<usize>,
}

/// An entry as it is asked.
#[derive(Debug)]
struct Entry {
    name: Box<str>,
    levels: Vec<Level>,
    actions: Actions,
    except: Actions,
    by: Vec<By>,
    at: Where,
    requires: Vec<Need>,
    pipelines: Vec<Glob>,
}

/// Patterns of actions in lower case: the literal ones are looked up.
#[derive(Debug, Default)]
struct Actions {
    literal: BTreeSet<String>,
    globs: Vec<Glob>,
}

/// An act that an entry means, and what it wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted<'a> {
    /// The entry's name.
    pub entry: &'a str,
    /// The action's level.
    pub level: Level,
    /// Whether the level was guessed from the action's name.
    pub is_guessed: bool,
    /// Why nothing is wanted after all: the name of an exemption, or `services`, `provisioners`, `brokers`.
    pub exempt: Option<&'a str>,
    /// Whether a grant is wanted.
    pub wants_grant: bool,
    /// What else is wanted and not there: MFA, a pipeline.
    pub lacks: Option<Need>,
}

impl Surface {
    /// Makes the surface that `config` declares; `config` has passed its check.
    pub fn new(config: &Config) -> Self {
        let own = config.protect.iter().cloned();
        let is_replaced = |entry: &Protect| config.protect.iter().any(|own| own.name == entry.name);
        let builtin =
            builtin::entries().into_iter().filter(|entry| config.builtin && !is_replaced(entry));
        let entries: Vec<Entry> = own.chain(builtin).map(Entry::of).collect();
        let mut protected = HashMap::new();
        if !entries.is_empty() {
            for (service, name, level) in actions::all() {
                let action = format!("{service}:{name}");
                let meant = meant(&entries, &action, Known { level, is_guessed: false });
                if !meant.entries.is_empty() {
                    protected.insert(action.into_boxed_str(), meant);
                }
            }
        }
        Self {
            exemptions: config
                .exempt
                .iter()
                .map(|exempt| Exemption::of(exempt, &entries))
                .collect(),
            automation: config.exempt_automation.clone(),
            entries,
            protected,
            quiet: (0..QUIET).map(|_| AtomicU64::new(0)).collect(),
            unknown: Unknown::default(),
        }
    }

    /// Returns what `act` wants; nothing if no entry means it.
    pub fn entry(&self, act: &Act<'_>) -> Option<Wanted<'_>> {
        let hash = xxh3_64(act.action.as_bytes()) & !1;
        let slot = self.quiet.get(slot(hash))?;
        let kept = slot.load(Ordering::Relaxed);
        if kept != 0 && kept & !1 == hash {
            self.unknown.acts.fetch_add(kept & 1, Ordering::Relaxed);
            return None;
        }
        if let Some(meant) = self.protected.get(act.action) {
            return self.first(meant, act);
        }
        let known = actions::level(act.action);
        if known.is_guessed {
            self.unknown.note(act.action);
        }
        let meant = meant(&self.entries, act.action, known);
        if meant.entries.is_empty() {
            slot.store(hash | u64::from(known.is_guessed), Ordering::Relaxed);
            return None;
        }
        self.first(&meant, act)
    }

    /// Returns what the first of the entries that fits wants of `act`.
    fn first(&self, meant: &Meant, act: &Act<'_>) -> Option<Wanted<'_>> {
        let by = By::of(act.identity);
        let (place, entry) = meant
            .entries
            .iter()
            .filter_map(|place| Some((*place, self.entries.get(*place)?)))
            .find(|(_, entry)| entry.by.contains(&by) && entry.at.fits(act))?;
        Some(Wanted {
            entry: &entry.name,
            level: meant.known.level,
            is_guessed: meant.known.is_guessed,
            exempt: self.exempt(place, act),
            wants_grant: entry.requires.contains(&Need::Grant),
            lacks: entry.lacks(act),
        })
    }

    /// Returns what exempts `act` from the entry at `place`.
    fn exempt(&self, place: usize, act: &Act<'_>) -> Option<&str> {
        let automation = [
            (Automation::Services, act.by_service),
            (Automation::Provisioners, act.provisioner),
            (Automation::Brokers, act.broker),
        ];
        let automation =
            automation.into_iter().find(|(it, is)| *is && self.automation.contains(it));
        if let Some((automation, _)) = automation {
            return Some(automation.name());
        }
        let exemption = self.exemptions.iter().find(|exemption| exemption.holds(place, act))?;
        Some(&exemption.name)
    }

    /// Returns how many acts there were whose action's level had to be guessed.
    pub fn unknown_acts(&self) -> u64 {
        self.unknown.acts.load(Ordering::Relaxed)
    }

    /// Returns the names of the actions whose level had to be guessed, the first thousand.
    pub fn unknown_actions(&self) -> Vec<Box<str>> {
        let names = self.unknown.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash >> 1).unwrap_or_default() & (QUIET - 1)
}

impl Unknown {
    fn note(&self, action: &str) {
        self.acts.fetch_add(1, Ordering::Relaxed);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < UNKNOWN_MAX && !names.contains(action) {
            names.insert(action.into());
        }
    }
}

/// Returns which of `entries` mean `action`, by name and level.
fn meant(entries: &[Entry], action: &str, known: Known) -> Meant {
    let lower = action.to_ascii_lowercase();
    let entries = entries.iter().enumerate().filter(|(_, entry)| entry.means(&lower, known.level));
    Meant { known, entries: entries.map(|(place, _)| place).collect() }
}

impl Entry {
    fn of(entry: Protect) -> Self {
        Self {
            name: entry.name.into_boxed_str(),
            levels: entry.levels,
            actions: Actions::of(&entry.actions),
            except: Actions::of(&entry.except_actions),
            by: entry.by,
            at: Where {
                accounts: entry.accounts,
                roles: entry.roles,
                permission_sets: entry.permission_sets,
                resources: entry.resources,
            },
            requires: entry.requires,
            pipelines: entry.pipelines,
        }
    }

    /// Returns whether it means the action, given in lower case.
    fn means(&self, action: &str, level: Level) -> bool {
        let is_level = self.levels.is_empty() || self.levels.contains(&level);
        is_level
            && (self.actions.is_empty() || self.actions.hold(action))
            && !self.except.hold(action)
    }

    fn lacks(&self, act: &Act<'_>) -> Option<Need> {
        self.requires.iter().copied().find(|need| match need {
            Need::Grant => false,
            Need::Mfa => act.mfa != Some(true),
            Need::Pipeline => !who::is_role(&self.pipelines, act.role_arn),
        })
    }
}

impl Actions {
    fn of(globs: &[Glob]) -> Self {
        let lower = globs.iter().map(|glob| Glob(glob.0.to_ascii_lowercase()));
        let (literal, globs): (Vec<_>, Vec<_>) = lower.partition(Glob::is_literal);
        Self { literal: literal.into_iter().map(|glob| glob.0).collect(), globs }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.globs.is_empty()
    }

    fn hold(&self, action: &str) -> bool {
        self.literal.contains(action) || self.globs.iter().any(|glob| glob.matches(action))
    }
}
