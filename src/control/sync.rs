//! The locks of the modules whose interleavings are checked. `interleavings` compiles those modules
//! again, against the locks of the model checker, which it provides at the same path.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(super) use std::sync::atomic::{AtomicBool, Ordering};
