//! The durable data directory: records in one SQLite table, bodies as files beside it.
//!
//! ```text
//! <dir>/lock              held by the process that serves this directory
//! <dir>/simulator.sqlite  record(kind, key, json); keys and tokens are in here: mode 0600; held as well
//! <dir>/bodies/<hex>      one file per body; <hex>.tmp while it is being written
//! ```
//!
//! A body is synced and renamed before the record that names it is committed. So a record never
//! names a body that does not exist, unless somebody else removed it.
//!
//! A body that no record names is removed at the next start, but only if its name has the form that
//! this module uses and if the database contains an account. A directory that never belonged to a
//! simulator, or whose database is lost, keeps all of its files.

mod body;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use self::body::{DiskBlob, DiskWriter, Temporary};
use super::{BlobWriter, Loaded, Storage};
use crate::simulator::account::blob::Blob;
use crate::simulator::account::records::{Change, Record};
use crate::simulator::account::stored::{Reader, to_json};
use crate::simulator::random;

const DATABASE: &str = "simulator.sqlite";
const BODIES: &str = "bodies";
const NAME_DIGITS: usize = 32;
/// Rows of a batch, and batches under way between the threads that load.
const BATCH: usize = 1000;
const BATCHES: usize = 4;

#[derive(Debug)]
pub(crate) struct DiskStorage {
    database: Mutex<Connection>,
    bodies: Arc<Path>,
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
        let in_use = || OpenError::InUse {
            dir: dir.to_owned(),
        };
        let bodies = dir.join(BODIES);
        fs::create_dir_all(&bodies).map_err(unusable)?;
        let lock = private_file(&dir.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let database = open_database(&dir.join(DATABASE)).map_err(|error| {
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) {
                in_use()
            } else {
                unusable(io::Error::other(error))
            }
        })?;
        Ok(Self {
            database: Mutex::new(database),
            bodies: bodies.into(),
            _lock: lock,
        })
    }

    /// Compares the files in `bodies` with the records. Returns the names of bodies that are
    /// missing or too short, and removes those that no record names: interrupted uploads leave
    /// them, and deletions that the last process did not finish.
    fn inspect(&self, mut needed: HashMap<String, u64>) -> io::Result<HashSet<String>> {
        for entry in fs::read_dir(&self.bodies)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_own_name(name)) else {
                continue;
            };
            match needed.get(name) {
                Some(length) if entry.metadata()?.len() >= *length => drop(needed.remove(name)),
                Some(_) => {}
                None if entry.file_type()?.is_file() => fs::remove_file(entry.path())?,
                None => {}
            }
        }
        Ok(needed.into_keys().collect())
    }

    /// Fails if there are bodies of an older account, whose database is therefore lost.
    fn refuse_bodies_without_account(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.bodies)? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(is_own_name) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "there is no account in {DATABASE}, but there are bodies of files in {BODIES}; \
                         restore the database, or move the bodies away to begin again"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Storage for DiskStorage {
    fn create_blob(&self) -> io::Result<Box<dyn BlobWriter>> {
        let name = random::hex(NAME_DIGITS);
        let temporary = self.bodies.join(format!("{name}.tmp"));
        let file = new_private_file(&temporary)?;
        Ok(Box::new(DiskWriter {
            bodies: Arc::clone(&self.bodies),
            name,
            file,
            temporary: Temporary(temporary),
        }))
    }

    fn commit(&self, changes: &[Change]) -> io::Result<()> {
        let mut database = self.database.lock();
        write_changes(&mut database, changes).map_err(io::Error::other)
    }

    fn load(&self) -> io::Result<Loaded> {
        let mut blobs: HashMap<String, (Arc<DiskBlob>, u64)> = HashMap::new();
        let mut body = |name: &str, needed: u64| -> Arc<dyn Blob> {
            if let Some((blob, length)) = blobs.get_mut(name) {
                *length = needed.max(*length);
                return Arc::<DiskBlob>::clone(blob);
            }
            let blob = Arc::new(DiskBlob::new(&self.bodies, name, false));
            blobs.insert(name.to_owned(), (Arc::clone(&blob), needed));
            blob
        };
        let mut loaded = self.read_records(&mut Reader::new(&mut body))?;
        let has_account = |record: &Record| matches!(record, Record::Account(_));
        if !loaded.records.iter().any(has_account) {
            self.refuse_bodies_without_account()?;
            return Ok(loaded);
        }
        let needed = blobs.into_iter();
        let needed = needed.map(|(name, (_, length))| (name, length)).collect();
        loaded.damaged = self.inspect(needed)?;
        Ok(loaded)
    }
}

/// Rows that one thread has read and the other turns into records: their texts one behind the other, so
/// that a million rows are not two million allocations.
#[derive(Default)]
struct Rows {
    text: String,
    /// Where the kind and the JSON of each row end.
    ends: Vec<(usize, usize)>,
}

impl Rows {
    fn push(&mut self, kind: &str, json: &str) {
        self.text.push_str(kind);
        let kind_end = self.text.len();
        self.text.push_str(json);
        self.ends.push((kind_end, self.text.len()));
    }

    /// The kind and the JSON of each row.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let ends = starts.zip(&self.ends);
        ends.map(|(start, &(kind_end, end))| {
            (&self.text[start..kind_end], &self.text[kind_end..end])
        })
    }
}

impl DiskStorage {
    /// Reads the whole database: one thread reads rows, and this one makes records of them.
    fn read_records(&self, reader: &mut Reader<'_>) -> io::Result<Loaded> {
        let (sender, batches) = sync_channel::<Rows>(BATCHES);
        thread::scope(|scope| {
            let reading = thread::Builder::new().spawn_scoped(scope, move || {
                let database = self.database.lock();
                send_rows(&database, &sender)
            })?;
            let mut loaded = Loaded::default();
            for batch in batches {
                for (kind, json) in batch.iter() {
                    match reader.read(kind, json)? {
                        Record::Version(version) => loaded.versions.push(version),
                        record => loaded.records.push(record),
                    }
                }
            }
            let read = reading.join();
            read.map_err(|_| io::Error::other("reading the database panicked"))?
                .map_err(io::Error::other)?;
            Ok(loaded)
        })
    }
}

/// Sends all rows in batches: parts last, because they belong to versions. Ends early when the
/// receiver is gone.
fn send_rows(database: &Connection, sender: &SyncSender<Rows>) -> rusqlite::Result<()> {
    for condition in ["kind <> 'part'", "kind = 'part'"] {
        let mut query =
            database.prepare(&format!("SELECT kind, json FROM record WHERE {condition}"))?;
        let mut rows = query.query([])?;
        let mut batch = Rows::default();
        while let Some(row) = rows.next()? {
            batch.push(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            if batch.ends.len() == BATCH && sender.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
        if sender.send(batch).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a name has the form that this module gives to bodies: 32 lower-case hexadecimal digits,
/// followed by `.tmp` while the body is being written.
fn is_own_name(name: &str) -> bool {
    let digits = name.strip_suffix(".tmp").unwrap_or(name);
    digits.len() == NAME_DIGITS
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Opens the database and keeps it locked. So no other simulator can open it, even if the lock file
/// was deleted.
fn open_database(path: &Path) -> rusqlite::Result<Connection> {
    // Made before SQLite sees it, so that its journals inherit the mode. A file that is there is not
    // opened here: closing it would release the lock of another simulator of this process.
    let _ = new_private_file(path);
    let database = Connection::open(path)?;
    database.busy_timeout(Duration::ZERO)?;
    database.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         BEGIN EXCLUSIVE;
         CREATE TABLE IF NOT EXISTS record (
             kind TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL,
             PRIMARY KEY (kind, key)
         ) WITHOUT ROWID;
         COMMIT;",
    )?;
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
                    put.execute((record.kind().name(), record.key(), to_json(record)?))?
                }
                Change::Remove(kind, key) => remove.execute((kind.name(), key))?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Opens a file that only its owner may read, creating it if need be.
fn private_file(path: &Path) -> io::Result<File> {
    private().create(true).truncate(false).open(path)
}

/// Creates a file that only its owner may read.
fn new_private_file(path: &Path) -> io::Result<File> {
    private().create_new(true).open(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::simulator::account::encryption::Encryption;
    use crate::simulator::account::records::{Account, Chunk, Kind, Part};

    fn part(blob: &Arc<dyn Blob>) -> Change {
        Change::Put(Record::Part(Arc::new(Part {
            file_id: "large".to_owned(),
            number: 1,
            length: 4,
            sha1: String::new(),
            md5: String::new(),
            encryption: Encryption::NONE,
            uploaded: 0,
            content: Box::new([Chunk::whole(Arc::clone(blob), 4)]),
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
        let account = Change::Put(Record::Account(Account {
            id: "0123456789ab".to_owned(),
            keys_made: 0,
            port: None,
        }));
        let key = "large/00001".to_owned();
        storage
            .commit(&[account, part(&blob), Change::Remove(Kind::Part, key)])
            .unwrap();
        let records = storage.load().unwrap().records;
        assert!(matches!(&records[..], [Record::Account(_)]), "{records:?}");
    }
}
