//! The locks of the modules whose interleavings are checked: `interleavings` compiles the same files
//! against locks of the checker, which stand at the same path.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(super) use std::sync::atomic::{AtomicBool, Ordering};
