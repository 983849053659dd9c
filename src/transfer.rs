//! Moves the content of files: uploads, copies, compositions and downloads.
//!
//! This layer knows sources and destinations, and asks the session for everything that goes over
//! the network. It sees no tokens and repeats no requests, except where one request is not enough
//! to know what happened: an answer that was lost is looked into before anything is sent again.
//!
//! - `new_file` describes the file that an upload, a copy or a composition creates.
//! - `upload` sends a file in one request or in parts; `copy` and `compose` make files of stored
//!   ones.
//! - `large` makes a file of parts, whatever these are made of. `parted` makes parts that are all
//!   known beforehand, and `resume` finds an unfinished file that has some of them already.
//! - `download` receives files: as a stream, to a path, into memory, or piece by piece.
//! - `parallel` runs the parts of one transfer at the same time.

pub(crate) mod compose;
pub(crate) mod copy;
pub(crate) mod download;
pub(crate) mod growing;
mod hash;
mod large;
pub(crate) mod new_file;
pub(crate) mod options;
mod parallel;
mod parted;
pub(crate) mod parts;
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

/// What every transfer needs: the session, the permits for its threads, and the control that
/// cancels and watches it. It is passed on by value and cheap to copy.
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

    /// The authorization that the transfer runs under at the moment.
    fn authorization(self) -> Result<Arc<AuthSnapshot>> {
        self.session.current(self.control)
    }

    /// Starts to report progress for a file.
    fn counter(self, file_name: &str, total: Option<u64>) -> ProgressCounter {
        ProgressCounter::new(self.control, file_name, self.session.clock(), total)
    }
}
