//! Stories of who has standing privilege.
