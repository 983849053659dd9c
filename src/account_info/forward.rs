//! Implements [`AccountInfo`](super::AccountInfo) for a store that is another store with a builder
//! in front of it.

/// Implements [`AccountInfo`](super::AccountInfo) for a type by its field `store`.
macro_rules! forward_account_info {
    ($type:ty) => {
        impl $crate::account_info::AccountInfo for $type {
            $crate::account_info::forward_methods! {
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

            fn max_staleness(&self) -> std::time::Duration {
                self.store.max_staleness()
            }

            fn pool_size(&self) -> usize {
                self.store.pool_size()
            }
        }
    };
}

/// Implements methods that return a `Result` by calling the field `store`.
macro_rules! forward_methods {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $returned:ty;)*) => {
        $(
            fn $name(&self $(, $argument: $type)*) -> Result<$returned, $crate::error::StoreError> {
                self.store.$name($($argument),*)
            }
        )*
    };
}

pub(in crate::account_info) use {forward_account_info, forward_methods};
