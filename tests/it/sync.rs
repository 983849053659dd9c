//! Synchronizing: what users see of it, against the simulator.

mod support;
mod up;

/// The program that a person would use.
#[path = "../../examples/sync.rs"]
#[expect(dead_code, reason = "its main function is the example's")]
mod program;
mod cli;
