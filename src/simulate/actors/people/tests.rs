//! Stories of people.
