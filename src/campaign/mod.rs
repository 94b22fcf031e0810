//! A whole suite: what is planned ([`plan`]) and in what order it can be done ([`graph`], [`queue`]),
//! carrying it out ([`runner`]), what the directory says of it ([`manifest`]), what is made of the
//! results ([`outcome`]), and doing runs of it again ([`verify`]).

mod clock;
mod graph;
pub mod interrupt;
#[cfg(test)]
mod launches;
pub mod listing;
pub mod looks;
mod manifest;
mod order;
mod outcome;
pub mod plan;
mod queue;
pub mod runner;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod verify;

pub use outcome::beside_published;

/// The output directory holds results of other settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct OtherSettings(pub String);

/// The text named on the command line cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot use the text of --corpus")]
pub struct BadCorpus;
