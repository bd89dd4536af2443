//! A flow log record: one line, read by its file's header.
//!
//! Invariant: columns are found by name, never by position; a name nobody knows is a column like any other.

use std::collections::HashMap;

/// The columns of one flow log file, from its header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowColumns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl FlowColumns {
    /// The default format, version 2 (VPC User Guide, "flow log records").
    pub const DEFAULT: &'static str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

    /// Reads a header: names separated by spaces, with hyphens or underscores.
    pub fn parse(header: &str) -> Self {
        let names: Vec<String> =
            header.split_ascii_whitespace().map(|name| name.replace('_', "-")).collect();
        let places = names.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect();
        Self { names, places }
    }

    /// Returns the names in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns where the column called `name` stands; hyphens and underscores are the same.
    pub fn place(&self, name: &str) -> Option<usize> {
        match self.places.get(name) {
            Some(place) => Some(*place),
            None if name.contains('_') => self.places.get(&name.replace('_', "-")).copied(),
            None => None,
        }
    }
}

/// One flow log line.
#[derive(Debug, Clone, Copy)]
pub struct FlowRecord<'a> {
    line: &'a str,
    columns: &'a FlowColumns,
}

impl<'a> FlowRecord<'a> {
    /// Makes a record of a line and its file's columns.
    pub fn new(line: &'a str, columns: &'a FlowColumns) -> Self {
        Self { line, columns }
    }

    /// Returns the line as AWS wrote it.
    pub fn raw(&self) -> &'a str {
        self.line
    }

    /// Returns the columns of the file this line is from.
    pub fn columns(&self) -> &'a FlowColumns {
        self.columns
    }

    /// Returns the value of the column called `name`. `-` (not applicable) is `None`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let place = self.columns.place(name)?;
        self.line.split_ascii_whitespace().nth(place).filter(|value| *value != "-")
    }

    /// Returns a number from the column called `name`.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// Returns what tells this line from all others: a hash of the line, since flow records carry no id.
    pub fn id(&self) -> String {
        format!("flow/{:032x}", xxhash_rust::xxh3::xxh3_128(self.line.as_bytes()))
    }

    /// Returns 64 bits that stand for [`Self::id`] in the window of events already seen.
    pub fn fingerprint(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_by_name_in_any_order() {
        let columns = FlowColumns::parse("dstport srcaddr action new-thing");
        let record = FlowRecord::new("443 10.0.0.1 - x", &columns);
        assert_eq!(record.number("dstport"), Some(443));
        assert_eq!(record.get("action"), None);
        assert_eq!(record.get("new_thing"), Some("x"));
        assert_eq!(record.get("bytes"), None);
    }
}
