//! Values of the store as columns have them, and back.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::account_info::bucket_list::last_of_each;
use crate::account_info::{Generation, UploadTarget};
use crate::error::StoreError;
use crate::model::id::BucketId;

/// The value in a column. Its text is not quoted if it has another type, because it may be a
/// secret.
///
/// Fails with a lasting error, because a table of another form does not mend itself.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column)
        .map_err(|_| StoreError::new("the PostgreSQL server's answer cannot be understood"))
}

/// A generation as `bytea`.
///
/// It is compared, and never shown.
pub(super) fn bytes(generation: Generation) -> Vec<u8> {
    generation.as_bytes().to_vec()
}

/// A duration in milliseconds, small enough that several can be added.
///
/// A duration that is longer counts as a quarter of the longest.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// What an index finds a target by.
///
/// A hash, because an index has a limit on the length of a key, and ids have none. The two kinds of
/// targets are told apart by a word before the id.
pub(super) fn key(target: &UploadTarget) -> Vec<u8> {
    let (kind, id) = match target {
        UploadTarget::Bucket(id) => ("bucket:", id.as_str()),
        UploadTarget::LargeFile(id) => ("file:", id.as_str()),
    };
    let mut hasher = Sha256::new();
    hasher.update(kind);
    hasher.update(id);
    hasher.finalize().to_vec()
}

/// Names and ids in an array each, for one statement; of buckets with a name or an id in common only
/// the last, because the table allows each once.
pub(super) fn columns(buckets: &[(String, BucketId)]) -> (Vec<String>, Vec<String>) {
    last_of_each(buckets)
        .into_iter()
        .map(|(name, id)| (name.to_owned(), id.to_string()))
        .unzip()
}

/// The number of a ticket as PostgreSQL has it, with a sign.
///
/// The bits are the same, and only equality matters.
pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}
