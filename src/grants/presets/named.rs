//! Presets as an operator has set them up: by name, with what they need given.
//!
//! Invariant: a name that the operator has set up is that one; every other name is a preset of ours as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::grants::config;
use crate::grants::presets::Preset;
use crate::grants::presets::mapping::MappingError;
use crate::grants::presets::preset;

/// The presets that messages can be read with, by name.
#[derive(Debug, Clone, Default)]
pub struct Presets(Arc<BTreeMap<String, Preset>>);

/// Why a preset of the operator cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// The mapping file could not be read.
    #[error("could not read the mapping `{path}` of `{name}`")]
    Unreadable {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no mapping, or is given what it does not have.
    #[error("could not use the preset `{name}`")]
    Wrong {
        /// The name.
        name: String,
        /// The cause.
        source: MappingError,
    },
}

impl Presets {
    /// Reads the presets that `[[grants.preset]]` sets up.
    ///
    /// # Errors
    /// When a mapping file cannot be read or is none.
    pub fn read(config: &[config::Broker]) -> Result<Self, PresetError> {
        let mut all = BTreeMap::new();
        for broker in config {
            let name = broker.name.clone();
            let mapping = match &broker.mapping {
                None => None,
                Some(path) => Some(fs::read_to_string(path).map_err(|source| {
                    PresetError::Unreadable { name: name.clone(), path: path.clone(), source }
                })?),
            };
            let wrong = |source| PresetError::Wrong { name: name.clone(), source };
            let preset = set_up(broker, mapping.as_deref()).map_err(wrong)?;
            all.insert(name, preset);
        }
        Ok(Self(Arc::new(all)))
    }

    /// Returns the preset of that name.
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.0.get(name).or_else(|| preset(name))
    }
}

/// Returns the preset that `broker` sets up, over the text of its mapping file if it has one.
pub(in crate::grants) fn set_up(
    broker: &config::Broker,
    mapping: Option<&str>,
) -> Result<Preset, MappingError> {
    let given: Vec<(String, String)> =
        broker.set.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    match mapping {
        Some(text) => Preset::read(text)?.with(&given),
        None => match preset(&broker.name) {
            Some(preset) => preset.with(&given),
            None => Err(MappingError::NoPreset { name: broker.name.clone() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(name: &str, set: &[(&str, &str)]) -> config::Broker {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (name, paths) = (name.to_owned(), Vec::new());
        config::Broker { name, mapping: None, paths, set: set.collect() }
    }

    #[test]
    fn what_a_preset_needs_is_given_by_the_operator() {
        let given = broker("teleport", &[("max_duration", "8h"), ("role_arn", "*")]);
        let presets = Presets::read(&[given]).unwrap();
        assert_eq!(presets.get("teleport").unwrap().missing().len(), 0);
        assert!(!Presets::default().get("teleport").unwrap().missing().is_empty());
        assert_eq!(presets.get("aws-team").map(Preset::name), Some("aws-team"));
        assert!(presets.get("nobody").is_none());
    }

    #[test]
    fn an_own_mapping_has_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours.toml");
        std::fs::write(&path, "preset = \"teleport\"\nname = \"ours\"\n").unwrap();
        let ours = config::Broker { mapping: Some(path.clone()), ..broker("hook", &[]) };
        let presets = Presets::read(std::slice::from_ref(&ours)).unwrap();
        assert_eq!(presets.get("hook").map(Preset::name), Some("ours"));
        std::fs::remove_file(path).unwrap();
        assert!(matches!(Presets::read(&[ours]), Err(PresetError::Unreadable { .. })));
    }

    #[test]
    fn what_a_preset_does_not_have_is_a_mistake() {
        let wrong = broker("teleport", &[("max_duraton", "8h")]);
        assert!(matches!(Presets::read(&[wrong]), Err(PresetError::Wrong { .. })));
        assert!(Presets::read(&[broker("nobody", &[])]).is_err());
    }
}
