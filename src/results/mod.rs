//! A results directory on disk: what its files are called and say ([`output`]), and how one process
//! at a time writes them ([`directory`]).

pub mod directory;
pub mod output;
