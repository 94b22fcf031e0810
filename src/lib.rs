//! Recurrence against attention, measured on your own machine.
//!
//! Every folder imports only from folders above it in this list:
//!
//! | folder | what lives there |
//! | --- | --- |
//! | [`stats`] | pure statistics |
//! | [`scores`] | BLEU, chrF, exact matches |
//! | [`files`] | writing files whole, fingerprints, places in them |
//! | [`nn`] | parameters and layers |
//! | [`models`] | one file an architecture |
//! | [`data`] | corpus, tokenizer, batches, tasks |
//! | [`train`] | loop, optimiser, checkpoint |
//! | [`generate`] | decoding |
//! | [`measure`] | clock, throughput, memory, roofline, work and span, gradient flow |
//! | [`record`] | what a measurement is |
//! | [`claims`] | pure rules from records to verdicts |
//! | [`experiment`] | what is asked |
//! | [`results`] | a results directory on disk |
//! | [`runs`] | how one run is done |
//! | [`report`] | plots, page, tables: reads recorded files, never a model |
//! | [`campaign`] | a whole suite |
//! | [`cli`] | one file a subcommand |
//!
//! The differentiable operations are a crate of their own, `kernels`. Only `nn`, `models` and `train` name
//! dfdx.

#![cfg_attr(test, allow(clippy::disallowed_methods))] // what tests expect may be a digit off

pub mod campaign;
pub mod claims;
pub mod cli;
pub mod data;
pub mod experiment;
pub mod files;
pub mod generate;
pub mod measure;
pub mod models;
pub mod nn;
pub mod record;
pub mod report;
pub mod results;
pub mod runs;
pub mod scores;
pub mod stats;
pub mod train;
