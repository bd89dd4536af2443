//! Stories of presets: each reads a sample of its broker's messages, with invented values.

use super::*;

#[test]
fn every_preset_is_in_order_and_has_its_own_name() {
    for (name, _) in FILES {
        assert_eq!(preset(name).unwrap().name(), name);
        assert!(!preset(name).unwrap().about().is_empty());
    }
    assert!(preset("unknown").is_none());
}
