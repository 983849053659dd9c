//! Synchronizing: what users see of it, against the simulator.

mod complaints;
mod control;
mod copy;
mod down;
mod faults;
mod filters;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod last_copy;
#[cfg(target_os = "linux")]
mod memory;
mod model;
mod overlap;
mod saved;
mod settings;
mod support;
mod table;
#[cfg(unix)]
mod tree;
mod unfinished;
mod up;
mod versions;

mod cli;
/// The program that a person would use.
#[path = "../../examples/sync.rs"]
#[expect(dead_code, reason = "its main function is the example's")]
mod program;

/// So many cases of a property, or a thousand of them for a long run.
fn cases(reduced: u32) -> u32 {
    match std::env::var_os("B2SDK_FULL_ROUNDS") {
        Some(_) => 1000,
        None => reduced,
    }
}
