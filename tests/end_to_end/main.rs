//! The program end to end: what it prints and writes, its exit codes, and the bits it trains. Each
//! test starts `seqduel` as a user does.

#[path = "../common/mod.rs"]
mod common;
mod program;

mod alone;
mod bad_input;
mod cli;
mod earlier;
mod from;
mod golden;
mod killed;
mod launches;
mod resume;
mod simd;
mod verify;
