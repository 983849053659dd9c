//! The entry point of the crate: an account, and the calls that are not about one bucket.
//!
//! The order of the `mod` lines, and of the `impl` blocks in them, is the order of the sections on the
//! documentation page of [`B2Api`].

use std::fmt;

use crate::client::Client;

pub use self::builder::B2ApiBuilder;

/// An account at Backblaze B2: the starting point of every program.
///
/// A `B2Api` authorizes an application key, creates and finds [`Bucket`](crate::Bucket)s, and makes the
/// calls that are about the account or about a file's id. Uploads, downloads by name and listings are
/// methods of `Bucket`.
///
/// It is cheap to clone. Clones share connections, the authorization, limits and counts, and all of them
/// can be used from many threads at once. Calls block until they are done.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start()?;
/// # let (realm, key_id, key) = (service.url(), service.application_key_id(), service.application_key());
/// use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_account(realm, key_id, key)?; // realm: "production" for the real service
/// let bucket = b2_api.create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
/// bucket.upload_bytes(b"hello", "hello.txt")?;
/// assert_eq!(bucket.download_file_by_name("hello.txt")?.read_to_vec()?, b"hello");
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors of any call
///
/// Every call that sends a request can fail in these ways, which the `# Errors` sections do not repeat:
///
/// - nothing is authorized: [`Error::NotAuthorized`](crate::Error::NotAuthorized),
///   [`Error::InvalidCredentials`](crate::Error::InvalidCredentials),
///   [`Error::Credentials`](crate::Error::Credentials),
///   [`Error::AccountChanged`](crate::Error::AccountChanged);
/// - the store fails: [`Error::Store`](crate::Error::Store) and the other variants about the account info;
/// - the network or the service fails, after as many attempts as
///   [`RetryPolicy`](crate::RetryPolicy) allows: [`Error::Connection`](crate::Error::Connection),
///   [`Error::Busy`](crate::Error::Busy), [`Error::UnexpectedReply`](crate::Error::UnexpectedReply);
/// - a limit is reached: [`Error::CapExceeded`](crate::Error::CapExceeded) or
///   [`Error::BudgetExceeded`](crate::Error::BudgetExceeded);
/// - the call is cancelled: [`Error::Cancelled`](crate::Error::Cancelled).
#[derive(Clone)]
pub struct B2Api {
    client: Client,
}

// The blank lines keep these in the order of the page.
mod account;

pub(crate) mod buckets;

pub(crate) mod files;

pub(crate) mod keys;

mod limits;

mod raw;

mod builder;

impl fmt::Debug for B2Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("B2Api")
            .field("account_info", self.client.session.account_info())
            .finish_non_exhaustive()
    }
}
