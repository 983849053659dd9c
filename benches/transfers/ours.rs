//! What is measured of this crate: one process a row.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use b2sdk::account_info::AccountInfo;
use b2sdk::limits::Workers;
use b2sdk::{
    B2Api, B2ApiBuilder, Bucket, DownloadOptions, Error, InMemoryAccountInfo, LargeFileSha1,
    LsOptions, SqliteAccountInfo, UploadOptions, Verification,
};

use crate::server::{BUCKET, KEY, KEY_ID, LISTED, large_name, small_folder, small_name};
use crate::task::{self, Direction, Listing, Store, Task};
use crate::tls;

pub(crate) fn run(task: &Task, realm: &str, directory: &Path) -> Result<()> {
    match task {
        Task::Large {
            direction,
            workers,
            whole_sha1,
            length,
            part,
        } => {
            let bucket = bucket(InMemoryAccountInfo::new(), realm, *workers)?;
            let sizes = (*length, *part);
            match direction {
                Direction::Up => upload_large(&bucket, directory, sizes, *whole_sha1),
                Direction::Down => download_large(&bucket, directory, sizes),
            }
        }
        Task::List { names, page, how } => {
            let bucket = bucket(InMemoryAccountInfo::new(), realm, 1)?;
            list(&bucket, *names, *page, *how)
        }
        Task::Small {
            direction,
            files,
            threads,
            store,
        } => {
            let bucket = match store {
                Store::Memory | Store::Unflushed => {
                    bucket(InMemoryAccountInfo::new(), realm, *threads)?
                }
                Store::Sqlite => bucket(sqlite(directory)?, realm, *threads)?,
            };
            each(*files, *threads, |n| {
                small(&bucket, directory, (*direction, *store), (n, *files))
            })
        }
        Task::Many {
            direction,
            files,
            workers,
        } => many(
            &bucket(InMemoryAccountInfo::new(), realm, *workers)?,
            directory,
            *direction,
            *files,
        ),
        Task::Start => {
            let b2_api = builder(sqlite(directory)?)?.build()?;
            // As a program does that starts often: authorize only if nobody did.
            if b2_api.account_info().auth().map_err(Error::from)?.is_none() {
                b2_api.authorize_account(realm, KEY_ID, KEY)?;
            }
            let path = directory.join(small_name("up", 0));
            b2_api
                .get_bucket_by_name(BUCKET)?
                .upload_local_file(path, "up/one")?;
            Ok(())
        }
    }
}

fn sqlite(directory: &Path) -> Result<SqliteAccountInfo> {
    Ok(SqliteAccountInfo::open(directory.join("account_info"))?)
}

fn bucket(info: impl AccountInfo + 'static, realm: &str, workers: usize) -> Result<Bucket> {
    let workers = match workers {
        task::ADAPTIVE => Workers::Auto,
        workers => Workers::Fixed(workers),
    };
    let b2_api = builder(info)?.workers(workers).build()?;
    b2_api.authorize_account(realm, KEY_ID, KEY)?;
    Ok(b2_api.get_bucket_by_name(BUCKET)?)
}

/// With the certificate authority of the server, if it has TLS.
fn builder(info: impl AccountInfo + 'static) -> Result<B2ApiBuilder> {
    let builder = B2Api::builder(info);
    Ok(match std::env::var_os(tls::CA) {
        Some(file) => builder.root_certificates(std::fs::read(file)?),
        None => builder,
    })
}

/// As many files at a time as there are workers.
fn many(bucket: &Bucket, directory: &Path, direction: Direction, files: usize) -> Result<()> {
    match direction {
        Direction::Up => {
            let files = (0..files).map(|n| {
                let name = small_name("up", n);
                (directory.join(&name), name)
            });
            for result in bucket.upload_many(files) {
                result.map_err(|failed| failed.error)?;
            }
        }
        Direction::Down => {
            let folder = small_folder(files);
            let files = (0..files).map(|n| {
                let copy = directory.join(small_name("copies", n));
                Ok((small_name(&folder, n), copy))
            });
            for result in bucket.download_many(files) {
                result.map_err(|failed| failed.error)?;
            }
        }
    }
    Ok(())
}

fn list(bucket: &Bucket, names: usize, page: usize, how: Listing) -> Result<()> {
    let mut options = LsOptions::new()
        .recursive(true)
        .read_ahead(how == Listing::Ahead);
    if page > 0 {
        options = options.page_size(u32::try_from(page)?);
    }
    let mut listed = 0;
    for entry in bucket.ls_with(LISTED, &options)? {
        listed += usize::from(entry?.version.file_name.starts_with(LISTED));
    }
    ensure!(listed == names, "{listed} names");
    Ok(())
}

fn upload_large(
    bucket: &Bucket,
    directory: &Path,
    (length, part): (u64, u64),
    whole_sha1: bool,
) -> Result<()> {
    let sha1 = match whole_sha1 {
        true => LargeFileSha1::Compute,
        false => LargeFileSha1::Omit,
    };
    let mut options = UploadOptions::new().large_file_sha1(sha1);
    if part > 0 {
        options = options.part_size(part);
    }
    bucket.upload_local_file_with(
        directory.join(large_name("large", length)),
        "up/large",
        &options,
    )?;
    Ok(())
}

fn download_large(bucket: &Bucket, directory: &Path, (length, part): (u64, u64)) -> Result<()> {
    let mut options = DownloadOptions::new();
    if part > 0 {
        options = options.part_size(part);
    }
    let saved = bucket
        .download_file_by_name_with(&large_name("down", length), &options)?
        .save_to(directory.join("copy"))?;
    ensure!(saved.verification() == Verification::Verified);
    Ok(())
}

fn small(
    bucket: &Bucket,
    directory: &Path,
    (direction, store): (Direction, Store),
    (n, files): (usize, usize),
) -> Result<()> {
    match direction {
        Direction::Up => {
            let name = small_name("up", n);
            bucket.upload_local_file(directory.join(&name), &name)?;
        }
        Direction::Down => {
            bucket
                .download_file_by_name_with(
                    &small_name(&small_folder(files), n),
                    &DownloadOptions::new().skip_flush(store == Store::Unflushed),
                )?
                .save_to(directory.join(small_name("copies", n)))?;
        }
    }
    Ok(())
}

/// Runs `work` for 0 to `count`, on so many threads.
pub(crate) fn each(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                n if n < count => work(n)?,
                _ => return Ok(()),
            }
        }
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for thread in started {
            thread.join().ok().context("a thread panicked")??;
        }
        Ok(())
    })
}
