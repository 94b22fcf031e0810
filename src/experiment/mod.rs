//! What is asked: the file format ([`schema`]), reading and overlaying it ([`parse`]), checking every
//! value ([`check`]), and the experiments that come with the program ([`embedded`]).
//!
//! Add an experiment: one TOML in `experiments/` and one row in [`embedded::EXPERIMENTS`].

pub mod check;
pub mod embedded;
pub mod parse;
pub mod schema;
