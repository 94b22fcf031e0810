//! Damaged and hostile input: whatever stands in a file or on the command line, the answer is a result
//! or an error: no panic, no abort, no case over 20 seconds, no more than a gigabyte of memory.
//!
//! Each target starts from something valid and changes a few places, since random bytes never come
//! past the parser. A small number of cases runs by default; `PROPTEST_CASES=100000 cargo test
//! --release --test fuzz TARGET` runs more.

#[path = "../common/mod.rs"]
mod common;
mod guard;
mod mutate;

mod checkpoints;
mod command_line;
mod directories;
mod experiments;
mod sets;
mod texts;
mod tokenizers;
