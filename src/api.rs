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
/// A program usually makes one `B2Api` per account and keeps it as long as it runs.
///
/// ```
/// # #[cfg(feature = "simulator")] {
/// # let service = b2sdk::simulator::Simulator::start().unwrap();
/// # let (realm, key_id, key) = (service.url(), service.application_key_id(), service.application_key());
/// use b2sdk::{B2Api, BucketType, InMemoryAccountInfo};
///
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_account(realm, key_id, key)?; // realm: "production" for the real service
/// let bucket = b2_api.create_bucket("example-mybucket-b2-1", BucketType::AllPrivate)?;
/// bucket.upload_bytes(b"hello", "hello.txt")?;
/// assert_eq!(bucket.download_file_by_name("hello.txt")?.read_to_vec()?, b"hello");
/// # }
/// # Ok::<_, b2sdk::Error>(())
/// ```
///
/// # Threads and cloning
///
/// Calls block the calling thread until they are done, and a `B2Api` can be used from any number of threads
/// at once: no call needs `&mut self`. Cloning is cheap. Clones, and the `Bucket`s that they return, share
/// connections, the authorization, the limits and the request counts. Large transfers use threads of their
/// own, at most as many of which move data at a time as there are [`workers`](B2ApiBuilder::workers).
///
/// # What a call sends
///
/// A call is one request unless its description says otherwise. The token lives for up to 24 hours and is
/// replaced automatically when the service no longer accepts it, which costs one request of class C. A
/// capability that the key certainly lacks is reported as [`Error::NotAllowed`](crate::Error::NotAllowed)
/// without a request. Requests that fail for a passing reason are repeated as
/// [`RetryPolicy`](crate::RetryPolicy) says; each repetition is a request that the service may bill.
/// Descriptions name the class in which Backblaze bills a request
/// ([`BillingClass`](crate::limits::BillingClass)); those of class A are free.
///
/// # Errors of any call
///
/// Every call that sends a request can fail in these ways, which the sections "Errors" do not repeat:
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
