//! The `seqduel` command; everything it does is in the library.

use seqduel::measure::memory::{CountingAllocator, keep_memory};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    keep_memory();
    seqduel::cli::main()
}
