//! Synchronizing: what users see of it, against the simulator.

mod copy;
mod down;
mod support;
mod up;

mod cli;
/// The program that a person would use.
#[path = "../../examples/sync.rs"]
#[expect(dead_code, reason = "its main function is the example's")]
mod program;
