//! A results directory on disk: what its files are called and say ([`output`]), which runs it holds
//! ([`finished`]), and how one process at a time writes it ([`directory`]).

pub mod directory;
pub mod finished;
pub mod output;
