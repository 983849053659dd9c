//! Decides which failure of the account-info store a session survives, and how: a table without
//! side effects. `store` carries it out.
//!
//! A cache never fails a call: what the service can supply again is asked from the service. Three
//! failures are passed on:
//!
//! - The store belongs to another identity by now. The call would otherwise continue under the
//!   wrong account. Reading names of buckets and taking an upload URL are exceptions: the service is
//!   asked instead, and that request first decides whether the identity is a successor of the call's
//!   own, because another thread may have replaced the key since the call read its token.
//! - The caller's logout did not take effect, or it is not known whether there was one.
//! - The authorization cannot be read because the store is damaged, or its permissions are wrong.
//!   That does not pass by itself, and the owner has to know.
//!
//! The table in short:
//!
//! | call | the store is unavailable or broken |
//! | --- | --- |
//! | reading the authorization | unavailable: the one that was read last, up to an hour old; broken: the call fails |
//! | asking for the lease | unavailable: asks once more after a pause (`reauth`), then authorizes without a lease; broken: at once |
//! | storing the token | keeps it in memory |
//! | reading names of buckets, taking an upload URL | asks the service |
//! | writing names of buckets, returning an upload URL, renewing the lease | continues; it is asked for again later |
//! | logging out, asking whether somebody logged out | the call fails |

use crate::error::StoreError;

/// The kinds of calls that a session makes to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreCall {
    /// Reading the authorization.
    Auth,
    /// Asking whether the missing authorization is due to a logout.
    IsLoggedOut,
    /// Asking for the lease to authorize.
    BeginRefresh,
    /// Extending that lease.
    RenewLease,
    /// Storing a new authorization.
    SaveAuth,
    /// Giving the lease up.
    AbandonRefresh,
    /// Logging out.
    Clear,
    /// Looking up names or ids of buckets.
    ReadBuckets,
    /// Storing or removing names of buckets.
    WriteBuckets,
    /// Taking an upload URL from the pool.
    TakeUploadUrl,
    /// Returning an upload URL to the pool.
    PutUploadUrl,
    /// Removing the upload URLs of a bucket or large file.
    DropUploadUrls,
}

impl StoreCall {
    #[cfg(test)]
    const ALL: [Self; 12] = [
        Self::Auth,
        Self::IsLoggedOut,
        Self::BeginRefresh,
        Self::RenewLease,
        Self::SaveAuth,
        Self::AbandonRefresh,
        Self::Clear,
        Self::ReadBuckets,
        Self::WriteBuckets,
        Self::TakeUploadUrl,
        Self::PutUploadUrl,
        Self::DropUploadUrls,
    ];
}

/// How a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreFailure {
    /// It belongs to another identity by now.
    Superseded,
    /// It cannot be reached at the moment.
    Unavailable,
    /// Anything else, such as a file that is damaged or may not be read.
    Broken,
}

impl StoreFailure {
    /// Classifies an error of a store.
    pub(super) fn of(error: &StoreError) -> Self {
        if error.is_superseded() {
            Self::Superseded
        } else if error.is_unavailable() {
            Self::Unavailable
        } else {
            Self::Broken
        }
    }
}

/// What the session does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survival {
    /// Passes the error on.
    Fail,
    /// Uses the authorization that was read last, for up to an hour.
    LastSnapshot,
    /// Authorizes without a lease. Two processes that authorize at the same time do no harm; a
    /// program that cannot continue does.
    WithoutLease,
    /// Keeps the new token in memory, and offers it to the store later.
    KeepInMemory,
    /// Asks the service instead.
    AskService,
    /// Continues as if the call had succeeded: what is not stored is asked for again later.
    Forget,
}

/// Decides what a session does when this call fails in this way.
pub(super) const fn survive(call: StoreCall, failure: StoreFailure) -> Survival {
    use StoreCall as Call;
    match (call, failure) {
        (Call::ReadBuckets | Call::TakeUploadUrl, _) => Survival::AskService,
        (_, StoreFailure::Superseded) | (Call::Clear | Call::IsLoggedOut, _) => Survival::Fail,
        (Call::Auth, StoreFailure::Unavailable) => Survival::LastSnapshot,
        // The owner has to know that the store is damaged, or that its permissions are wrong.
        (Call::Auth, StoreFailure::Broken) => Survival::Fail,
        (Call::BeginRefresh, _) => Survival::WithoutLease,
        (Call::SaveAuth, _) => Survival::KeepInMemory,
        (
            Call::RenewLease
            | Call::AbandonRefresh
            | Call::WriteBuckets
            | Call::PutUploadUrl
            | Call::DropUploadUrls,
            _,
        ) => Survival::Forget,
    }
}

#[cfg(test)]
mod tests {
    use super::{StoreCall as Call, StoreFailure as Failure, Survival, survive};
    use crate::error::{Error, StoreError};

    #[test]
    fn each_call_survives_what_it_can() {
        use Survival as S;
        for (call, unavailable, broken) in [
            (Call::Auth, S::LastSnapshot, S::Fail),
            (Call::IsLoggedOut, S::Fail, S::Fail),
            (Call::BeginRefresh, S::WithoutLease, S::WithoutLease),
            (Call::RenewLease, S::Forget, S::Forget),
            (Call::SaveAuth, S::KeepInMemory, S::KeepInMemory),
            (Call::AbandonRefresh, S::Forget, S::Forget),
            (Call::Clear, S::Fail, S::Fail),
            (Call::ReadBuckets, S::AskService, S::AskService),
            (Call::WriteBuckets, S::Forget, S::Forget),
            (Call::TakeUploadUrl, S::AskService, S::AskService),
            (Call::PutUploadUrl, S::Forget, S::Forget),
            (Call::DropUploadUrls, S::Forget, S::Forget),
        ] {
            assert_eq!(survive(call, Failure::Unavailable), unavailable, "{call:?}");
            assert_eq!(survive(call, Failure::Broken), broken, "{call:?}");
        }
    }

    #[test]
    fn another_identity_is_survived_only_where_the_service_is_asked_next() {
        for call in Call::ALL {
            let expected = match call {
                Call::ReadBuckets | Call::TakeUploadUrl => Survival::AskService,
                _ => Survival::Fail,
            };
            assert_eq!(survive(call, Failure::Superseded), expected, "{call:?}");
        }
    }

    #[test]
    fn a_failure_is_what_the_store_says() {
        let away = StoreError::unavailable("connection refused").context("taking an upload URL");
        assert_eq!(Failure::of(&away), Failure::Unavailable);
        assert_eq!(Failure::of(&StoreError::superseded()), Failure::Superseded);
        assert_eq!(Failure::of(&StoreError::new("no")), Failure::Broken);
        let own = StoreError::from(Error::NotAuthorized);
        assert_eq!(Failure::of(&own), Failure::Broken);
    }
}
