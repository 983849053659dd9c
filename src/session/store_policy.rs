//! Which failure of the account-info store a session survives, and how: a table without side effects.
//! `store.rs` does what it says.
//!
//! What can be had from the service again is never a reason to fail a call. Two failures are always
//! passed on: that the store belongs to another identity by now, and that the caller's own logging in
//! and out (`authorize_account` excepted) did not take effect.

use crate::error::StoreError;

/// What a session asks of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreCall {
    Auth,
    IsLoggedOut,
    BeginRefresh,
    RenewLease,
    SaveAuth,
    AbandonRefresh,
    Clear,
    ReadBuckets,
    WriteBuckets,
    TakeUploadUrl,
    PutUploadUrl,
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
    /// Uses the authorization that was read last, for a while.
    LastSnapshot,
    /// Authorizes without a lease: two authorizations do no harm, a program that stands still does.
    WithoutLease,
    /// Keeps the new token in memory and offers it to the store later.
    KeepInMemory,
    /// Asks the service instead.
    AskService,
    /// Goes on as if it had worked: what is not stored is asked for again.
    Forget,
}

pub(super) const fn survive(call: StoreCall, failure: StoreFailure) -> Survival {
    use StoreCall as Call;
    match (call, failure) {
        (_, StoreFailure::Superseded) | (Call::Clear | Call::IsLoggedOut, _) => Survival::Fail,
        (Call::Auth, StoreFailure::Unavailable) => Survival::LastSnapshot,
        // Whoever uses the store has to know that it is damaged, or is not his.
        (Call::Auth, StoreFailure::Broken) => Survival::Fail,
        (Call::BeginRefresh, _) => Survival::WithoutLease,
        (Call::SaveAuth, _) => Survival::KeepInMemory,
        (Call::ReadBuckets | Call::TakeUploadUrl, _) => Survival::AskService,
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
    fn another_identity_is_never_survived() {
        for call in Call::ALL {
            assert_eq!(survive(call, Failure::Superseded), Survival::Fail);
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
