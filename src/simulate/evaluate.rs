//! Scores alerts against the truth of a simulation.
//!
//! Invariant: it reads alerts and truths only; it does not know how either came about.
