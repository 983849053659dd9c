//! One worker of a soak: it has file names of its own, so that the order of its versions is known.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use b2sdk::{Bucket, Error, UploadOptions};
use sha1::{Digest as _, Sha1};

use crate::ledger::{Known, Ledger, known};

/// File names per worker: few, so that they get many versions.
const NAMES: u64 = 5;

pub(crate) struct Worker {
    bucket: Bucket,
    number: usize,
    random: u64,
    dir: PathBuf,
    ledger: Ledger,
}

impl Worker {
    pub(crate) fn new(bucket: Bucket, number: usize, seed: u64, scratch: &Path) -> Result<Self> {
        let dir = scratch.join(format!("worker-{number}"));
        fs::create_dir_all(&dir)?;
        Ok(Self {
            bucket,
            number,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number as u64).wrapping_add(1),
            dir,
            ledger: Ledger::default(),
        })
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// One call of each kind, on names that are drawn.
    pub(crate) fn run_once(&mut self) {
        self.upload_small();
        self.download();
        self.upload_large();
        self.download();
        self.copy();
        self.delete();
        self.list();
    }

    /// A draw from 0 to `below` - 1 (xorshift: nothing depends on its quality).
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn draw_name(&mut self) -> String {
        let file = self.draw(NAMES);
        format!("worker-{}/file-{file}", self.number)
    }

    fn content(&mut self, most: u64) -> (Vec<u8>, String) {
        let length = self.draw(most) as usize;
        let seed = self.draw(u64::MAX);
        let bytes: Vec<u8> = (0..length as u64)
            .map(|at| (seed.wrapping_mul(at | 1) >> 32) as u8)
            .collect();
        let sha1 = hex::encode(Sha1::digest(&bytes));
        (bytes, sha1)
    }

    fn upload_small(&mut self) {
        let name = self.draw_name();
        let (bytes, sha1) = self.content(60_000);
        match self.bucket.upload_bytes(&bytes, &name) {
            Ok(uploaded) => {
                self.ledger.succeeded("small upload");
                let version = known(uploaded.version(), &sha1, "small upload");
                self.ledger.name(&name).versions.push(version);
            }
            Err(error) => self.failed_to_store("small upload", &name, sha1, &error),
        }
    }

    fn upload_large(&mut self) {
        let name = self.draw_name();
        let (bytes, sha1) = self.content(1_500_000);
        let path = self.dir.join("source");
        if let Err(error) = fs::write(&path, bytes) {
            self.ledger.surprise(format!("writing a source: {error}"));
            return;
        }
        let options = UploadOptions::new().part_size(200_000);
        match self.bucket.upload_local_file_with(&path, &name, &options) {
            Ok(uploaded) => {
                self.ledger.succeeded("large upload");
                let version = known(uploaded.version(), &sha1, "large upload");
                self.ledger.name(&name).versions.push(version);
            }
            Err(error) => self.failed_to_store("large upload", &name, sha1, &error),
        }
    }

    fn copy(&mut self) {
        let Some((_, source)) = self.draw_version() else {
            return;
        };
        let name = self.draw_name();
        match self.bucket.copy(&source.id.as_str().into(), &name) {
            Ok(version) => {
                self.ledger.succeeded("copy");
                let version = known(&version, &source.sha1, "copy");
                self.ledger.name(&name).versions.push(version);
            }
            Err(Error::FileNotFound { .. }) if source.may_be_gone => {
                self.ledger.succeeded("copy of a version that is gone");
            }
            Err(error) => self.failed_to_store("copy", &name, source.sha1, &error),
        }
    }

    fn failed_to_store(&mut self, what: &'static str, name: &str, sha1: String, error: &Error) {
        self.ledger.name(name).perhaps.push(sha1);
        self.ledger.failed(what, error);
    }

    fn download(&mut self) {
        let Some((_, version)) = self.draw_version() else {
            return;
        };
        let path = self.dir.join("copy");
        let download = self.bucket.download_file_by_id(version.id.as_str());
        match download.and_then(|download| download.save_to(&path)) {
            Ok(_) => {
                self.ledger.succeeded("download");
                let found = fs::read(&path).map(|bytes| hex::encode(Sha1::digest(bytes)));
                if !matches!(&found, Ok(sha1) if *sha1 == version.sha1) {
                    let text = format!("WRONG BYTES in {}: {found:?}", version.id);
                    self.ledger.surprise(text);
                }
            }
            Err(Error::FileNotFound { .. }) if version.may_be_gone => {
                self.ledger.succeeded("download of a version that is gone");
            }
            Err(error) => self.ledger.failed("download", &error),
        }
    }

    fn delete(&mut self) {
        let Some((name, version)) = self.draw_version() else {
            return;
        };
        let outcome = self
            .bucket
            .delete_file_version(&version.id.as_str().into(), &name);
        let own = self.ledger.name(&name);
        match outcome {
            Ok(()) => {
                own.versions.retain(|known| known.id != version.id);
                own.deleted.push(version.id);
                self.ledger.succeeded("deletion");
            }
            Err(Error::FileNotFound { .. }) if version.may_be_gone => {
                own.versions.retain(|known| known.id != version.id);
                self.ledger.succeeded("deletion of a version that is gone");
            }
            Err(error) => {
                for known in own
                    .versions
                    .iter_mut()
                    .filter(|known| known.id == version.id)
                {
                    known.may_be_gone = true;
                }
                self.ledger.failed("deletion", &error);
            }
        }
    }

    /// What a listing shows of a name includes every version that is certainly there.
    fn list(&mut self) {
        let name = self.draw_name();
        let listed: Result<Vec<_>, _> = self
            .bucket
            .list_file_versions(&name)
            .and_then(Iterator::collect);
        match listed {
            Ok(listed) => {
                self.ledger.succeeded("listing");
                let missing: Vec<_> = self
                    .ledger
                    .name(&name)
                    .versions
                    .iter()
                    .filter(|known| !known.may_be_gone)
                    .filter(|known| !listed.iter().any(|row| row.file_id.as_str() == known.id))
                    .map(|known| known.id.clone())
                    .collect();
                for id in missing {
                    self.ledger.surprise(format!("{id} is not listed"));
                }
            }
            Err(error) => self.ledger.failed("listing", &error),
        }
    }

    fn draw_version(&mut self) -> Option<(String, Known)> {
        let name = self.draw_name();
        let count = self.ledger.name(&name).versions.len() as u64;
        let at = self.draw(count.max(1)) as usize;
        let version = self.ledger.name(&name).versions.get(at)?.clone();
        Some((name, version))
    }
}
