//! Experiments: schema, expansion to runs, runner, records, resume.

pub mod record;

pub use record::Record;
