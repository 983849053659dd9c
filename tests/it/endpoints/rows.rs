//! How each operation is called, by the public calls and raw, what its key needs, and what becomes of it
//! when its answer is lost (the table of failures in `docs/architecture.md`).

mod buckets;
mod downloads;
mod files;
mod keys;
mod large_files;

use std::time::{Duration, UNIX_EPOCH};

use b2sdk::lock::FileRetention;
use b2sdk::{B2Api, Bucket, CopyOptions, Error};

use super::{FILE, Row, Scene};
use crate::support::{World, noise};

/// Every row.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [
        keys::ROWS,
        buckets::ROWS,
        files::ROWS,
        downloads::ROWS,
        large_files::ROWS,
    ]
    .into_iter()
    .flatten()
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day from now on, of the service's own clock.
pub(super) fn retention(world: &World) -> FileRetention {
    let now = world.service.now().duration_since(UNIX_EPOCH).unwrap();
    let day = UNIX_EPOCH + Duration::from_secs(now.as_secs()) + DAY;
    FileRetention::governance(day)
}

/// The bucket, as this key sees it.
pub(super) fn bucket(scene: &Scene, api: &B2Api) -> Result<Bucket, Error> {
    api.get_bucket_by_id(scene.bucket.id())
}

/// A bucket that was opened and then deleted.
fn deleted(scene: &Scene, api: &B2Api) -> Bucket {
    let bucket = api.get_bucket_by_id(scene.empty.id()).unwrap();
    scene.world.api.delete_bucket(&scene.empty).unwrap();
    bucket
}

/// Deletes the file, the id of which is still known.
fn without_file(scene: &Scene) {
    let api = &scene.world.api;
    api.delete_file_version(&scene.file, FILE).unwrap();
}

fn upload(bucket: &Bucket, name: &str, length: usize) -> Result<(), Error> {
    let uploaded = bucket.upload_bytes(&noise(length), name)?;
    let version = uploaded.into_version();
    assert_eq!(
        (version.content_length, &*version.file_name),
        (length as u64, name)
    );
    Ok(())
}

pub(super) fn copy(scene: &Scene, api: &B2Api, options: &CopyOptions) -> Result<(), Error> {
    let bucket = bucket(scene, api)?;
    let copy = bucket.copy_with(&scene.file, &scene.name(), options)?;
    assert_eq!((copy.content_length, copy.file_name), (2500, scene.name()));
    Ok(())
}
