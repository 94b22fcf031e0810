//! A whole suite: what is planned ([`plan`]), carrying it out ([`runner`]), what the directory says of
//! it ([`manifest`]), and what is made of the results ([`outcome`]).

mod clock;
mod interrupt;
mod manifest;
mod outcome;
pub mod plan;
pub mod runner;

/// The output directory holds results of other settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct OtherSettings(pub String);

/// The text named on the command line cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot use the text of --corpus")]
pub struct BadCorpus;
