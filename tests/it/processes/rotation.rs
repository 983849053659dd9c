//! A key that is revoked and replaced while several processes run on one account info. Each of them
//! reads the key that it is to use from a file, as from a mounted secret.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use b2sdk::account_info::AccountInfo as _;
use b2sdk::simulator::{Fault, KeyRequest, NewKey, Simulator};
use b2sdk::{
    ApplicationKeyId, B2Api, BucketType, InMemoryAccountInfo, Operation, SqliteAccountInfo,
};
use tempfile::TempDir;

use super::children::{Children, Worker};
use super::directory;
use crate::support::{BUCKET, authorize};

const CAPABILITIES: [&str; 4] = ["listBuckets", "listFiles", "readFiles", "writeFiles"];

/// A service, an account info that the processes share, and a file that names the key.
struct Site {
    service: Simulator,
    /// Has the master key, and an account info of its own.
    owner: B2Api,
    _directory: TempDir,
    path: PathBuf,
}

impl Site {
    /// A site whose file names the key that is returned.
    fn new() -> (Self, NewKey) {
        let service = Simulator::start().unwrap();
        let owner = B2Api::new(InMemoryAccountInfo::new());
        authorize(&owner, &service);
        let bucket = owner.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        bucket.upload_bytes(b"warm", "warm").unwrap();
        let (directory, path) = directory();
        let site = Self {
            service,
            owner,
            _directory: directory,
            path,
        };
        let key = site.new_key();
        site.name(&key);
        (site, key)
    }

    fn new_key(&self) -> NewKey {
        self.service
            .create_key(KeyRequest::new(CAPABILITIES))
            .unwrap()
    }

    fn key_file(&self) -> PathBuf {
        self.path.with_file_name("key")
    }

    /// From now on this is the key to use. Nobody ever sees half of a name.
    fn name(&self, key: &NewKey) {
        let secret = format!("{} {}", key.application_key_id(), key.application_key());
        let written = self.path.with_file_name("key-new");
        fs::write(&written, secret).unwrap();
        fs::rename(written, self.key_file()).unwrap();
    }

    /// Deletes a key, and empties the log.
    fn revoke(&self, key: &NewKey) {
        let id = ApplicationKeyId::from(key.application_key_id());
        self.owner.delete_key(&id).unwrap();
        self.service.log().clear();
    }

    /// What a process is told whose clock is so far ahead.
    fn environment(&self, ahead: Duration) -> Vec<(&'static str, String)> {
        let shown = |path: &Path| path.display().to_string();
        vec![
            ("PATH", shown(&self.path)),
            ("FILE", shown(&self.key_file())),
            ("REALM", self.service.url().to_owned()),
            ("AHEAD", ahead.as_secs().to_string()),
        ]
    }

    fn daemons(&self, size: usize, ahead: Duration) -> Children {
        let daemons = Children::of(size, "daemon", |_| self.environment(ahead));
        daemons.wait_until_ready();
        daemons
    }

    fn authorizations(&self) -> usize {
        self.service.log().count(Operation::AuthorizeAccount)
    }

    /// Requests that were refused for their token.
    fn refused(&self) -> usize {
        let entries = self.service.log().entries();
        let is_refused = |status: &Option<u16>| *status == Some(401);
        entries
            .iter()
            .filter(|entry| is_refused(&entry.status))
            .count()
    }

    fn stored_key(&self) -> String {
        let store = SqliteAccountInfo::open(&self.path).unwrap();
        let snapshot = store.auth().unwrap().unwrap();
        snapshot.auth().application_key_id.to_string()
    }
}

/// Tells all to do the same at once, and hears what came of it.
fn do_at_once(daemons: &mut Children, order: &str, outcome: &str) {
    daemons.say(order);
    for heard in daemons.hear_all() {
        assert_eq!(heard, outcome, "{order}");
    }
}

#[test]
fn several_processes_go_on_under_the_new_key_with_one_authorization_and_nothing_of_the_old_one() {
    const PROCESSES: usize = 4;
    for first in ["list", "upload x", "download warm"] {
        let (site, old) = Site::new();
        let mut daemons = site.daemons(PROCESSES, Duration::ZERO);
        // So many that each process keeps an upload URL in its memory.
        for _ in 0..20 {
            do_at_once(&mut daemons, "upload warm", "done");
        }
        let new = site.new_key();
        site.name(&new);
        site.revoke(&old);
        do_at_once(&mut daemons, first, "done");
        assert_eq!(site.authorizations(), 1, "{first}");
        // One each; of an upload also the request for another URL.
        assert!(site.refused() <= 2 * PROCESSES, "{first}");
        assert_eq!(site.stored_key(), new.application_key_id());

        site.service.log().clear();
        for order in ["list", "upload y", "download y", "upload z", "list"] {
            do_at_once(&mut daemons, order, "done");
        }
        assert_eq!((site.refused(), site.authorizations()), (0, 0), "{first}");
        let urls = site.service.log().count(Operation::GetUploadUrl);
        assert!(urls <= PROCESSES, "{urls}");

        site.service.log().clear();
        let restarted = site.daemons(1, Duration::ZERO);
        assert_eq!(site.authorizations(), 0, "a restart uses what is stored");
        restarted.finish(|| {});
        daemons.finish(|| {});
    }
}

#[test]
fn a_key_that_is_revoked_and_not_replaced_yet_is_sent_once_by_each_process() {
    let (site, old) = Site::new();
    let mut daemons = site.daemons(3, Duration::ZERO);
    site.revoke(&old);
    for order in ["list", "upload x", "list"] {
        do_at_once(&mut daemons, order, "InvalidCredentials");
    }
    assert_eq!(site.authorizations(), 3);
    site.name(&site.new_key());
    do_at_once(&mut daemons, "list", "done");
    do_at_once(&mut daemons, "upload x", "done");
    assert_eq!(site.authorizations(), 4, "the new one once");
    daemons.finish(|| {});
}

#[test]
fn a_process_that_is_killed_while_it_authorizes_the_new_key_leaves_it_to_one_other() {
    let (site, old) = Site::new();
    // For these the lease of the one that is killed is over.
    let mut daemons = site.daemons(3, Duration::from_secs(31));
    let mut killed = Worker::start("daemon", site.environment(Duration::ZERO));
    assert_eq!(killed.hear(), "ready");
    let new = site.new_key();
    site.name(&new);
    site.revoke(&old);
    let stall = Fault::on(Operation::AuthorizeAccount).stall();
    site.service.faults().inject(stall);
    killed.say("list");
    killed.wait_until(|| site.authorizations() == 1);
    killed.kill();
    assert_eq!(site.stored_key(), old.application_key_id());
    do_at_once(&mut daemons, "list", "done");
    assert_eq!(site.authorizations(), 2);
    assert_eq!(site.stored_key(), new.application_key_id());
    daemons.finish(|| {});
}
