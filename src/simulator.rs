//! A local B2 service.

mod clock;
mod faults;
mod front;
mod log;
mod message;

pub use faults::{Fault, Faults};
pub use log::{LogEntry, RequestLog};
