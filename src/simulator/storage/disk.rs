//! The durable data directory: records in one SQLite table, bodies as files beside it.
//!
//! ```text
//! <dir>/lock              held by the process that serves this directory
//! <dir>/simulator.sqlite  record(kind, key, json); keys and tokens are in here: mode 0600
//! <dir>/bodies/<hex>      one file per body; <hex>.tmp while it is being written
//! ```
//!
//! A body is synced and renamed before the record that names it is committed, so a record never
//! names a body that is not there; a body that no record names is removed at the next start.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{Blob, BlobWriter, Storage};
use crate::simulator::random;
use crate::simulator::records::{Change, Chunk, Record};

#[derive(Debug)]
pub(crate) struct DiskStorage {
    database: Mutex<Connection>,
    bodies: PathBuf,
    /// Unlocks when it is dropped.
    _lock: File,
}

/// Why a data directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{dir} is in use by another simulator")]
    InUse { dir: PathBuf },
    #[error("cannot use {dir} as the simulator's data directory")]
    Unusable { dir: PathBuf, source: io::Error },
}

impl DiskStorage {
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Unusable {
            dir: dir.to_owned(),
            source,
        };
        let bodies = dir.join("bodies");
        fs::create_dir_all(&bodies).map_err(unusable)?;
        let lock = private_file(&dir.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let database = open_database(&dir.join("simulator.sqlite")).map_err(unusable)?;
        Ok(Self {
            database: Mutex::new(database),
            bodies,
            _lock: lock,
        })
    }

    /// Removes the bodies that no record names: of uploads that were cut off, and of deletions
    /// that the last process did not live to finish.
    fn remove_orphans(&self, named: &HashMap<String, Arc<DiskBlob>>) -> io::Result<()> {
        for entry in fs::read_dir(&self.bodies)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            let is_named = entry
                .file_name()
                .to_str()
                .is_some_and(|name| named.contains_key(name));
            if !is_named {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Storage for DiskStorage {
    fn create_blob(&self) -> io::Result<Box<dyn BlobWriter>> {
        let name = random::hex(32);
        let temporary = self.bodies.join(format!("{name}.tmp"));
        let file = private_file(&temporary)?;
        Ok(Box::new(DiskWriter {
            bodies: self.bodies.clone(),
            name,
            file,
            temporary: Temporary(temporary),
        }))
    }

    fn commit(&self, changes: &[Change]) -> io::Result<()> {
        let mut database = self.database.lock();
        write_changes(&mut database, changes).map_err(io::Error::other)
    }

    fn load(&self) -> io::Result<Vec<Record>> {
        let rows = {
            let database = self.database.lock();
            read_rows(&database).map_err(io::Error::other)?
        };
        let mut blobs: HashMap<String, Arc<DiskBlob>> = HashMap::new();
        let mut attach = |chunk: &mut Chunk| {
            let blob = blobs
                .entry(chunk.blob_name.clone())
                .or_insert_with_key(|name| {
                    Arc::new(DiskBlob::new(self.bodies.join(name), name.clone(), false))
                });
            let blob: Arc<DiskBlob> = Arc::clone(blob);
            chunk.blob = Some(blob);
        };
        let records = rows
            .iter()
            .map(|(kind, json)| Record::from_json(kind, json, &mut attach))
            .collect::<serde_json::Result<Vec<Record>>>()?;
        self.remove_orphans(&blobs)?;
        Ok(records)
    }
}

fn open_database(path: &Path) -> io::Result<Connection> {
    // Made before SQLite sees it, so that its journals inherit the mode.
    private_file(path)?;
    let database = Connection::open(path).map_err(io::Error::other)?;
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS record (
                 kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL,
                 PRIMARY KEY (kind, key)
             ) WITHOUT ROWID;",
        )
        .map_err(io::Error::other)?;
    Ok(database)
}

fn write_changes(
    database: &mut Connection,
    changes: &[Change],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let transaction = database.transaction()?;
    {
        let mut put = transaction.prepare_cached(
            "INSERT OR REPLACE INTO record (kind, key, json) VALUES (?1, ?2, ?3)",
        )?;
        let mut remove =
            transaction.prepare_cached("DELETE FROM record WHERE kind = ?1 AND key = ?2")?;
        for change in changes {
            match change {
                Change::Put(record) => {
                    put.execute((record.kind().name(), record.key(), record.to_json()?))?
                }
                Change::Remove(kind, key) => remove.execute((kind.name(), key))?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Versions come before the parts that belong to them: the names of the kinds do not sort so.
fn read_rows(database: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query =
        database.prepare("SELECT kind, json FROM record ORDER BY kind = 'part', kind, key")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Opens a file that only its owner may read, creating it if need be.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// A name on disk that goes away unless the body was finished.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already once it was renamed; what cannot be removed now is an orphan later.
        let _ = fs::remove_file(&self.0);
    }
}

struct DiskWriter {
    bodies: PathBuf,
    name: String,
    file: File,
    temporary: Temporary,
}

impl Write for DiskWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for DiskWriter {
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        self.file.sync_all()?;
        let path = self.bodies.join(&self.name);
        fs::rename(&self.temporary.0, &path)?;
        let blob = DiskBlob::new(path, self.name, true);
        sync_directory(&self.bodies)?;
        Ok(Arc::new(blob))
    }
}

/// Makes a rename survive a power failure, where the system can.
#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Counts the records that name it. It removes its file when it is dropped after the last of them
/// is gone, or before there was any; a body that was found at start stays until then, so that a
/// start which fails destroys nothing.
#[derive(Debug)]
struct DiskBlob {
    path: PathBuf,
    name: String,
    records: AtomicUsize,
    is_garbage: AtomicBool,
}

impl DiskBlob {
    fn new(path: PathBuf, name: String, is_garbage: bool) -> Self {
        Self {
            path,
            name,
            records: AtomicUsize::new(0),
            is_garbage: AtomicBool::new(is_garbage),
        }
    }
}

impl Blob for DiskBlob {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    // Both are called under the lock of the state only, one after the other.
    fn keep(&self) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.is_garbage.store(false, Ordering::Relaxed);
    }

    fn release(&self) {
        if self.records.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.is_garbage.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for DiskBlob {
    fn drop(&mut self) {
        if *self.is_garbage.get_mut() {
            // What cannot be removed now is an orphan at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::encryption::Encryption;
    use crate::simulator::records::{Kind, Part};

    fn part(blob: &Arc<dyn Blob>) -> Change {
        Change::Put(Record::Part(Arc::new(Part {
            file_id: "large".to_owned(),
            number: 1,
            length: 4,
            sha1: String::new(),
            md5: String::new(),
            encryption: Encryption::NONE,
            uploaded: 0,
            content: vec![Chunk::whole(Arc::clone(blob), 4)],
        })))
    }

    #[test]
    fn a_damaged_record_costs_no_body() {
        let dir = tempfile::tempdir().unwrap();
        {
            let storage = DiskStorage::open(dir.path()).unwrap();
            let mut writer = storage.create_blob().unwrap();
            writer.write_all(b"data").unwrap();
            let blob = writer.finish().unwrap();
            storage.commit(&[part(&blob)]).unwrap();
            blob.keep();
            let database = storage.database.lock();
            // Read after the part, whose body is known by then.
            let damage = "INSERT INTO record VALUES ('part', 'x', 'garbage')";
            database.execute_batch(damage).unwrap();
        }
        let storage = DiskStorage::open(dir.path()).unwrap();
        assert!(storage.load().is_err());
        drop(storage);
        assert_eq!(fs::read_dir(dir.path().join("bodies")).unwrap().count(), 1);
    }

    #[test]
    fn a_change_is_kept_whole() {
        let dir = tempfile::tempdir().unwrap();
        let storage = DiskStorage::open(dir.path()).unwrap();
        let mut writer = storage.create_blob().unwrap();
        writer.write_all(b"data").unwrap();
        let blob = writer.finish().unwrap();
        let key = "large/00001".to_owned();
        storage
            .commit(&[part(&blob), Change::Remove(Kind::Part, key)])
            .unwrap();
        assert!(storage.load().unwrap().is_empty());
    }
}
