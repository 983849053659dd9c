//! Implements [`AccountInfo`](super::AccountInfo) for a type that passes every call on to another
//! store: a store behind a builder, a store behind a check, a shared store.
//!
//! The trait has sixteen methods that return a `Result`, and a wrapper that forgets one compiles if that
//! method has a default. Here they are listed once, so a method that is added to the trait is passed
//! on by all wrappers or by none. [`Cached`](super::Cached) and the session's wrapper are not made in
//! this way, because each of their methods does something of its own.
//!
//! Who uses it: a store that is opened behind a builder passes every call on to the store with a
//! memory in front of it; the store for a place that cannot be written first takes over what others
//! have written, and then passes the call on to a store in memory; an `Arc` around a
//! store is a store.
//!
//! | a wrapper that is made here | gets |
//! | --- | --- |
//! | each of the sixteen methods with a `Result` | the inner store's answer, or the error of the expression |
//! | `max_staleness`, `pool_size` | the trait's defaults, unless the wrapper writes them itself |
//! | a method that is added to the trait with a default | that default, until it is added to the list here |
//!
//! The expression is evaluated at each call. A wrapper that has to prepare something, such as
//! looking at a file, does it there; an error of it is the error of the call, and the inner store
//! is then not called.
//!
//! The paths in the macros are written in full, so that a file that uses them needs no imports for
//! them.

/// Implements [`AccountInfo`](super::AccountInfo) for a type by calling another store.
///
/// `|this| store` returns that store, or the error with which every call fails. The two methods
/// without a `Result` (`max_staleness`, `pool_size`) keep their defaults unless they are written
/// after it.
///
/// `impl[..]` takes the generic parameters of the implementation, and is empty for most types. What
/// follows the semicolon is added to the implementation as it is.
macro_rules! forward_account_info {
    (impl[$($generics:tt)*] $type:ty, |$this:ident| $store:expr; $($others:item)*) => {
        impl<$($generics)*> $crate::account_info::AccountInfo for $type {
            $crate::account_info::forward_methods! {
                |$this| $store;
                fn auth(&self) -> Option<std::sync::Arc<$crate::account_info::AuthSnapshot>>;
                fn is_logged_out(&self) -> bool;
                fn begin_refresh(
                    &self,
                    stale: Option<$crate::account_info::Generation>,
                    lease: std::time::Duration,
                ) -> $crate::account_info::Refresh;
                fn renew_lease(
                    &self,
                    ticket: &$crate::account_info::RefreshTicket,
                    lease: std::time::Duration,
                ) -> ();
                fn save_auth(
                    &self,
                    auth: $crate::account_info::AccountAuth,
                    ticket: Option<$crate::account_info::RefreshTicket>,
                ) -> std::sync::Arc<$crate::account_info::AuthSnapshot>;
                fn abandon_refresh(&self, ticket: $crate::account_info::RefreshTicket) -> ();
                fn clear(&self) -> ();
                fn bucket_id(
                    &self,
                    owner: &$crate::account_info::Identity,
                    name: &str,
                ) -> Option<$crate::model::id::BucketId>;
                fn bucket_name(
                    &self,
                    owner: &$crate::account_info::Identity,
                    id: &$crate::model::id::BucketId,
                ) -> Option<String>;
                fn buckets(
                    &self,
                    owner: &$crate::account_info::Identity,
                ) -> Vec<(String, $crate::model::id::BucketId)>;
                fn save_bucket(
                    &self,
                    owner: &$crate::account_info::Identity,
                    name: &str,
                    id: &$crate::model::id::BucketId,
                ) -> ();
                fn remove_bucket(
                    &self,
                    owner: &$crate::account_info::Identity,
                    id: &$crate::model::id::BucketId,
                ) -> ();
                fn replace_buckets(
                    &self,
                    owner: &$crate::account_info::Identity,
                    buckets: &[(String, $crate::model::id::BucketId)],
                ) -> ();
                fn take_upload_url(
                    &self,
                    owner: &$crate::account_info::Identity,
                    target: &$crate::account_info::UploadTarget,
                ) -> Option<$crate::account_info::UploadUrl>;
                fn put_upload_url(
                    &self,
                    owner: &$crate::account_info::Identity,
                    target: &$crate::account_info::UploadTarget,
                    url: $crate::account_info::UploadUrl,
                ) -> ();
                fn drop_upload_urls(
                    &self,
                    owner: &$crate::account_info::Identity,
                    target: &$crate::account_info::UploadTarget,
                ) -> ();
            }

            $($others)*
        }
    };
}

/// Implements methods that return a `Result` by calling the store that the expression returns.
///
/// The arguments are moved into the inner call, so nothing is cloned. The name that the caller
/// gives for `self` is its own, because an expression in a macro cannot name the method's `self`.
macro_rules! forward_methods {
    (
        |$this:ident| $store:expr;
        $(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $returned:ty;)*
    ) => {
        $(
            fn $name(&self $(, $argument: $type)*) -> Result<$returned, $crate::error::StoreError> {
                let $this = self;
                let store: Result<_, $crate::error::StoreError> = $store;
                $crate::account_info::AccountInfo::$name(store? $(, $argument)*)
            }
        )*
    };
}

pub(in crate::account_info) use {forward_account_info, forward_methods};
