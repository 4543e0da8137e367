//! `loadtest`: drives a node through its public API and proves its sums.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    loadtest::run(&[], std::env::args_os())
}
