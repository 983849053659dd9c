//! The shared file while it is open: its connection, and the last check of the authorization in it.

use std::path::Path;
use std::sync::Arc;

use super::connection::{BUSY_TIMEOUT, Database, Options, create_private, data_version};
use super::failure::{Failure, corrupt, hint, hint_of_new_file};
use super::file_stamp::{FileId, StampAge};
use super::journal::has_log;
use super::legacy;
use super::rows::account;
use super::schema::{self, Tables};
use crate::account_info::AuthSnapshot;
use crate::error::{Error, Result};

/// The number of attempts to open a file that is replaced again and again.
const OPEN_ATTEMPTS: usize = 10;

/// The file while it is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// The connection.
    pub(super) database: Database,
    /// The identity of the file, to notice when it is replaced.
    pub(super) file: Option<FileId>,
    /// Whether the tables are known here.
    pub(super) tables: Tables,
    /// The result of the last check, if nothing was written here since.
    pub(super) known: Option<LastCheck>,
    /// Since when the file has its stamp.
    pub(super) stamp_age: StampAge,
}

/// What was read last, the `data_version` that it was read at, and the last check that confirmed
/// it. It is dropped by every write of this connection, because its own commits do not change its
/// `data_version`.
#[derive(Debug)]
pub(super) struct LastCheck {
    /// SQLite's `data_version` at that time.
    pub(super) version: i64,
    /// The number of the last check that confirmed it.
    pub(super) look: u64,
    /// Whether another program uses a write-ahead log, which leaves the file's stamp unchanged.
    pub(super) has_log: bool,
    /// Whether nobody had logged in since the file was created.
    pub(super) is_unused: bool,
    /// What the row held; `None` if there was no account.
    pub(super) auth: Option<Arc<AuthSnapshot>>,
}

impl OpenFile {
    /// Opens the file that is at the path, and creates it if there is none. Tries again if it is
    /// replaced at the same time.
    pub(super) fn at(path: &Path, options: &Options) -> Result<Self> {
        let mut open = Self::once(path, options)?;
        for _ in 0..OPEN_ATTEMPTS {
            if open.file.is_some() && open.file == FileId::at(path).unwrap_or(None) {
                break;
            }
            open = Self::once(path, options)?;
        }
        Ok(open)
    }

    /// Opens the file once.
    ///
    /// The file may be replaced between being created and being opened, which the caller checks
    /// afterwards.
    #[cfg_attr(
        not(test),
        expect(unused_variables, reason = "only tests limit the size")
    )]
    fn once(path: &Path, options: &Options) -> Result<Self> {
        let is_new = create_private(path, None)?;
        let file = FileId::at(path).unwrap_or(None);
        let opened = Database::open(path, BUSY_TIMEOUT).and_then(|mut database| {
            #[cfg(test)]
            if let Some(pages) = options.max_pages {
                let limit = format!("PRAGMA max_page_count = {pages}");
                database.connection()?.query_row(&limit, [], |_| Ok(()))?;
            }
            let tables = schema::prepare(&mut database, path)?;
            Ok((database, tables))
        });
        let (database, tables) = opened.map_err(|failure| {
            if failure.is_damage() && legacy::looks_like_json(path) {
                return corrupt(
                    path,
                    "it is a JSON file, but not the whole account info of a very old b2 tool",
                );
            }
            let hint = if is_new { hint_of_new_file } else { hint };
            failure.explain_with(hint, "open", path)
        })?;
        Ok(Self {
            database,
            file,
            tables,
            known: None,
            stamp_age: StampAge::default(),
        })
    }

    /// The authorization, as this check finds it.
    ///
    /// The `data_version` is asked first; only if it is another one is the row read, in the same
    /// transaction as the new `data_version`.
    pub(super) fn auth(
        &mut self,
        look: u64,
        path: &Path,
    ) -> Result<Option<Arc<AuthSnapshot>>, Failure> {
        let version = data_version(self.database.connection()?)?;
        if let Some(known) = &mut self.known
            && known.version == version
        {
            known.look = look;
            return Ok(known.auth.clone());
        }
        self.known = None;
        // Both are read in one transaction, because a commit in between would never be noticed.
        let known = self.database.read(|now| {
            Ok(LastCheck {
                version: data_version(now)?,
                look,
                has_log: has_log(now)?,
                is_unused: schema::is_unused(now)?,
                auth: account(now, path)?.map(|auth| Arc::new(AuthSnapshot::new(auth))),
            })
        })?;
        if known.is_unused && known.auth.is_some() {
            // Another program has authorized, so its logout must be recognized later. If the file
            // cannot be written, nobody can log out either.
            let _ = self.database.write(|now| Ok(schema::mark_as_used(now)?));
        }
        let auth = known.auth.clone();
        self.known = Some(known);
        Ok(auth)
    }

    /// The error of a failed statement, which may be due to tables of a newer program.
    ///
    /// Tables of a newer program are the more likely reason for an unknown column than damage.
    pub(super) fn explain(&self, action: &'static str, failure: Failure, path: &Path) -> Error {
        match failure {
            Failure::Sqlite(error) if self.tables == Tables::Newer => {
                schema::too_new(path, error).explain(action, path)
            }
            failure => failure.explain(action, path),
        }
    }
}
