//! Experiments: schema, expansion to runs, runner, records, resume.
//!
//! A file in `experiments/` is parsed and checked by [`schema`], resolved for a profile, expanded
//! to runs by [`expand`], carried out by [`runner`] and leaves the directory that [`output`]
//! describes. Add an experiment: one TOML there and one row in [`embedded::EXPERIMENTS`].

pub mod metrics;
pub mod output;
pub mod record;
pub mod schema;

pub use record::Record;
