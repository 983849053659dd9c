//! The reader of an answer: the caller determines what is visible, and the version of the API
//! determines the form.

use crate::simulator::api::auth::Caller;

/// For whom something is shown, and in which version of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) version: u8,
}
