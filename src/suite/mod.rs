//! Experiments: schema, expansion to runs, runner, records, resume.
//!
//! A file in `experiments/` is parsed by [`parse`] and checked by [`check`], resolved for a profile,
//! expanded to runs by [`expand`], carried out by [`runner`], and leaves the directory that
//! [`output`] describes. Add an experiment: one TOML there and one row in [`embedded::EXPERIMENTS`].

mod baseline_run;
pub mod check;
mod clock;
mod decay_run;
mod directory;
pub mod embedded;
pub mod estimate;
mod execute;
pub mod expand;
mod interrupt;
mod layer_run;
pub mod metrics;
pub mod output;
pub mod parse;
pub mod progress;
pub mod record;
pub mod runner;
pub mod schema;
pub mod texts;
mod throughput_run;
mod train_run;
mod tune;
pub mod work;

pub use record::Record;

/// The output directory holds results of other settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct OtherSettings(pub String);

/// The text named on the command line cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot use the text of --corpus")]
pub struct BadCorpus;
