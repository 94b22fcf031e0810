//! Recurrence against attention, measured on your own machine.
//!
//! Imports point one way: `cli → report, suite, claims → measure, train, generate → models, data →
//! nn`; `stats` stands alone; `report` reads recorded files and never a model. The differentiable
//! operations are a crate of their own, `kernels`. Only `nn` and `train` name dfdx.

pub mod claims;
pub mod cli;
pub mod data;
pub mod generate;
pub mod measure;
pub mod models;
pub mod nn;
pub mod report;
pub mod stats;
pub mod suite;
pub mod train;
