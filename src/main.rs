//! The `seqduel` command; everything it does is in the library.

use seqduel::measure::memory::CountingAllocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    seqduel::cli::main()
}
