//! Moving the content of files. It knows sources and destinations, and asks the session for
//! everything that goes over the network.
//!
//! `new_file` describes the file that an upload, a copy or a composition makes. `large` makes one of parts,
//! whatever they are made of; `parted` makes those parts that are all known beforehand, and `resume` finds
//! an unfinished file that has some of them already.

pub(crate) mod compose;
pub(crate) mod copy;
pub(crate) mod download;
mod hash;
mod large;
pub(crate) mod new_file;
pub(crate) mod options;
mod parallel;
mod parted;
mod parts;
pub(crate) mod resume;
pub(crate) mod source;
pub(crate) mod upload;
pub(crate) mod uploaded;

use std::sync::Arc;

use crate::account_info::AuthSnapshot;
use crate::control::Control;
use crate::control::progress::ProgressCounter;
use crate::control::workers::Workers;
use crate::error::Result;
use crate::session::Session;

/// What every transfer runs with: the way to the service, the permits for its threads, and the control
/// that cancels and watches it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) workers: &'a Arc<Workers>,
    pub(crate) control: &'a Control,
}

impl<'a> Transfer<'a> {
    /// This transfer under another control, such as that of one of its parts.
    const fn under<'c>(self, control: &'c Control) -> Transfer<'c>
    where
        'a: 'c,
    {
        Transfer { control, ..self }
    }

    /// The authorization that it runs under.
    fn authorization(self) -> Result<Arc<AuthSnapshot>> {
        self.session.current(self.control)
    }

    /// Begins to report progress for a file.
    fn tally(self, file_name: &str, total: Option<u64>) -> ProgressCounter {
        ProgressCounter::new(self.control, file_name, self.session.clock(), total)
    }
}
