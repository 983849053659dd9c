//! The methods of the store.
//!
//! All but `put_upload_url` may be sent twice, for the reasons that `redis/store.rs` gives. Here
//! the row of the account is what orders callers: a transaction that changes anything of an
//! identity begins by locking it, and single statements take what they need with `SKIP LOCKED`, so
//! that nobody waits for an upload URL.
//!
//! What is kept in this process is only the authorization that was read last, to save sending it
//! again: `AUTH` tells whether the row still has its generation. The memory that answers without
//! asking is in front of this store (`cached`).
//!
//! | method | if its answer is lost | the second time |
//! | --- | --- | --- |
//! | `begin_refresh` | asked again | finds a lease with its own number |
//! | `save_auth` | saved again | finds its own identity and generation |
//! | `take_upload_url` | asked again | takes another URL; the first one is lost |
//! | `put_upload_url` | an error: the caller drops the URL | |
//! | `renew_lease`, `abandon_refresh` | sent again | do nothing to a lease of another number |
//! | `clear`, the methods about buckets, `drop_upload_urls` | sent again | write what is already there |
//!
//! A URL that is put and a token that is read are the secrets here. They are sealed before they are
//! sent (`sealing`) and opened after they were read; a row that cannot be opened is an error of the
//! store.
//!
//! Times of leases are the server's, so that the clocks of the machines of a fleet do not matter.
//! The ages of upload URLs are compared by this machine's clock, with five minutes to spare.
//!
//! What each method gets back from its statement, and how it reads that:
//!
//! | method | rows | meaning |
//! | --- | --- | --- |
//! | `auth` | none, or one that holds nothing | nobody is logged in |
//! | | one with the known generation | what was read last is still right |
//! | | one with text | a newer authorization |
//! | `begin_refresh` | one that is given | the lease, and the identity that is held |
//! | | one with text | a newer authorization |
//! | | one without, or none | somebody else holds the lease |
//! | bucket lookups | none | another identity is held |
//! | | one with null | the store does not know the bucket |
//! | `buckets` | one with nulls | the map is empty |
//! | `take_upload_url` | one with nulls | the pool is empty |
//! | `put_upload_url`, `drop_upload_urls` | one | it was done; none means another identity |
//!
//! A method that stores something for an identity fails with `superseded` and changes nothing if
//! the row of the account is another identity's, or does not exist.
//!
//! Locks of this process: only that of `last`, which is never held while the server is asked. Two
//! threads that read at the same time may therefore both receive the text, which does no harm.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use super::columns::{bytes, columns, get, key, millis, signed};
use super::request::{Repeat, Request, Statement};
use super::server::Server;
use super::statements as sql;
use crate::account_info::fleet::random;
use crate::account_info::sealing::Sealing;
use crate::account_info::{
    AccountInfo, AuthSnapshot, Generation, Refresh, RefreshTicket, UploadTarget, UploadUrl,
};
use crate::control::clock::Clock;
use crate::error::StoreError;
use crate::model::auth::{AccountAuth, Identity};
use crate::model::id::BucketId;
use crate::model::time::Timestamp;

/// The store behind the memory: it asks the server at each call.
#[derive(Debug)]
pub(super) struct PostgresStore {
    /// Carries requests out.
    server: Server,
    /// The name of the account info.
    account: String,
    /// Writes and reads what is secret.
    sealing: Sealing,
    /// How many upload URLs one target keeps. It is never zero.
    pool_size: usize,
    /// By which upload URLs age. Tests move it, and with it the time of leases.
    clock: Clock,
    /// What was read last: as long as the server holds that, it sends nothing.
    last: Mutex<Option<Arc<AuthSnapshot>>>,
}

/// What the methods of the trait have in common.
impl PostgresStore {
    /// Nothing is sent and no thread is started. The caller has checked the name and the size of
    /// the pool.
    pub(super) fn new(
        server: Server,
        account: String,
        sealing: Sealing,
        pool_size: usize,
        clock: Clock,
    ) -> Self {
        Self {
            server,
            account,
            sealing,
            pool_size,
            clock,
            last: Mutex::default(),
        }
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The first argument of every statement: the name of the account info.
    ///
    /// A clone for each statement, because a request owns its arguments.
    fn name(&self) -> super::request::Argument {
        self.account.as_str().into()
    }

    /// Makes one request, and returns the rows of its last statement.
    ///
    /// The caller is blocked for the time-out at the most.
    fn run(&self, request: impl Into<Request>) -> Result<Vec<Row>, StoreError> {
        self.server.request(request.into())
    }

    /// Runs a transaction on behalf of an identity. It begins by locking the account's row, so a
    /// login waits for its end, and fails with `superseded` if that row is another identity's.
    ///
    /// Used where several rows change together. Single statements check the owner themselves.
    fn run_of(&self, owner: &Identity, work: Vec<Statement>) -> Result<(), StoreError> {
        let own = Statement::check(sql::OWN, [self.name(), owner.to_string().into()]);
        let mut statements = vec![own];
        statements.extend(work);
        self.run(statements).map(drop)
    }

    /// The statements that store buckets, in place of older ones with their names or ids.
    ///
    /// Two statements, or none if there is nothing to store. They belong into a transaction that
    /// has locked the account's row.
    fn name_buckets(&self, buckets: &[(String, BucketId)]) -> Vec<Statement> {
        if buckets.is_empty() {
            return Vec::new();
        }
        let (names, ids) = columns(buckets);
        let (all_names, all_ids) = buckets
            .iter()
            .map(|(name, id)| (name.clone(), id.to_string()))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        vec![
            Statement::new(
                sql::FORGET_BUCKETS,
                [self.name(), all_names.into(), all_ids.into()],
            ),
            Statement::new(sql::NAME_BUCKETS, [self.name(), names.into(), ids.into()]),
        ]
    }

    /// Opens and reads a stored authorization, and remembers it.
    ///
    /// Fails if the text was sealed under another secret, or is not the JSON of an authorization.
    ///
    /// Remembering it lets the next `auth` do without the text.
    fn snapshot(&self, stored: &str) -> Result<Arc<AuthSnapshot>, StoreError> {
        let json = self.sealing.open("auth", stored)?;
        let snapshot = Arc::new(AuthSnapshot::from_json(&json)?);
        *self.last.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// How far tests have moved the clock, for the server's time.
    ///
    /// Zero outside tests.
    fn moved(&self) -> i64 {
        millis(self.clock.moved())
    }

    /// The name or the id of a bucket, found by the other one. `None` if the store does not know
    /// it, `superseded` if it holds another identity: one statement tells the three apart.
    ///
    /// One round trip. The owner is checked in the same statement.
    fn look_up(
        &self,
        statement: &'static str,
        owner: &Identity,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        let arguments = [self.name(), owner.to_string().into(), key.into()];
        let rows = self.run(Statement::check(statement, arguments))?;
        rows.first().map_or(Ok(None), |row| get(row, 0))
    }
}

/// Each method is one request. None of them waits for another process, except for the row of the
/// account while a transaction has it.
impl AccountInfo for PostgresStore {
    /// One statement. The authorization itself travels only if it is another one than the last.
    fn auth(&self) -> Result<Option<Arc<AuthSnapshot>>, StoreError> {
        let last = self.last.lock().clone();
        let known = last.as_deref().map(AuthSnapshot::generation).map(bytes);
        let rows = self.run(Statement::new(sql::AUTH, [self.name(), known.into()]))?;
        let Some(row) = rows.first() else {
            *self.last.lock() = None;
            return Ok(None);
        };
        if !get::<bool>(row, 0)? {
            *self.last.lock() = None;
            return Ok(None);
        }
        if get::<bool>(row, 1)? {
            return Ok(last);
        }
        self.snapshot(get(row, 2)?).map(Some)
    }

    /// A row that is missing was never there, or was lost with the table: that is no logout.
    fn is_logged_out(&self) -> Result<bool, StoreError> {
        let rows = self.run(Statement::new(sql::LOGGED_OUT, [self.name()]))?;
        rows.first().map_or(Ok(false), |row| get(row, 0))
    }

    /// For all machines together.
    fn pool_size(&self) -> usize {
        self.pool_size
    }

    /// One statement, which draws the lease, or tells what is newer or that somebody holds it. If
    /// several callers send it at the same moment, the server lets one of them have the row first.
    ///
    /// No row at all means that another caller was faster than the last look at the row, and counts
    /// as `Busy`.
    fn begin_refresh(
        &self,
        stale: Option<Generation>,
        lease: Duration,
    ) -> Result<Refresh, StoreError> {
        // Drawn before the first attempt: a second one finds its own lease.
        let number = random();
        let arguments = [
            self.name(),
            stale.map(bytes).into(),
            signed(number).into(),
            millis(lease).into(),
            self.moved().into(),
            signed(random()).into(),
        ];
        let rows = self.run(Statement::new(sql::BEGIN, arguments))?;
        let Some(row) = rows.first() else {
            return Ok(Refresh::Busy);
        };
        if get::<bool>(row, 0)? {
            let identity: Option<&str> = get(row, 1)?;
            let identity = identity.and_then(Identity::from_text);
            return Ok(Refresh::Lease(RefreshTicket::new(number, identity)));
        }
        match get::<Option<&str>>(row, 2)? {
            Some(newer) => Ok(Refresh::Newer(self.snapshot(newer)?)),
            None => Ok(Refresh::Busy),
        }
    }

    /// A lease that another ticket has drawn since is left alone, because its number differs.
    ///
    /// If no lease has this number any more, nothing is changed and nothing is reported.
    fn renew_lease(&self, ticket: &RefreshTicket, lease: Duration) -> Result<(), StoreError> {
        let arguments = [
            self.name(),
            signed(ticket.number()).into(),
            millis(lease).into(),
            self.moved().into(),
        ];
        self.run(Statement::new(sql::RENEW, arguments)).map(drop)
    }

    /// One transaction: the row of the account is made if it does not exist, the authorization is
    /// stored and the lease ended, rows of older epochs and URLs that are too old are removed, and
    /// the buckets of a restricted key are stored.
    ///
    /// Fails with `superseded` if the ticket was drawn for another identity than the one held now,
    /// unless what is held is what was to be saved. Nothing is changed then.
    fn save_auth(
        &self,
        auth: AccountAuth,
        ticket: Option<RefreshTicket>,
    ) -> Result<Arc<AuthSnapshot>, StoreError> {
        let snapshot = Arc::new(AuthSnapshot::new(auth));
        let json = self.sealing.seal("auth", &self.sealing.json(&snapshot)?)?;
        let epoch = signed(random());
        let drawn = ticket.as_ref().and_then(RefreshTicket::identity);
        let oldest = Timestamp::from(self.clock.now()).earlier(UploadUrl::LIFETIME);
        let arguments = [
            self.name(),
            epoch.into(),
            snapshot.identity().to_string().into(),
            bytes(snapshot.generation()).into(),
            json.into(),
            ticket.is_some().into(),
            drawn.map(ToString::to_string).into(),
        ];
        let mut statements = vec![
            Statement::new(sql::ENSURE, [self.name(), epoch.into()]),
            Statement::check(sql::SAVE, arguments),
            Statement::new(sql::COLLECT_BUCKETS, [self.name()]),
            Statement::new(sql::COLLECT_URLS, [self.name(), oldest.as_millis().into()]),
        ];
        let allowed = snapshot.auth().allowed.buckets.iter().flatten();
        let named: Vec<_> = allowed
            .filter_map(|bucket| Some((bucket.name.clone()?, bucket.id.clone())))
            .collect();
        statements.extend(self.name_buckets(&named));
        self.run(statements)?;
        *self.last.lock() = None;
        Ok(snapshot)
    }

    /// The next caller gets the lease at once.
    ///
    /// A lease that was lost in the meantime is not missed: the statement then finds no row.
    fn abandon_refresh(&self, ticket: RefreshTicket) -> Result<(), StoreError> {
        let arguments = [self.name(), signed(ticket.number()).into()];
        self.run(Statement::new(sql::ABANDON, arguments)).map(drop)
    }

    /// One transaction. The epoch changes, so even rows that were written at the same moment are
    /// out of reach.
    fn clear(&self) -> Result<(), StoreError> {
        self.run(vec![
            Statement::new(sql::CLEAR, [self.name(), signed(random()).into()]),
            Statement::new(sql::FORGET_ALL_BUCKETS, [self.name()]),
            Statement::new(sql::FORGET_ALL_URLS, [self.name()]),
        ])?;
        *self.last.lock() = None;
        Ok(())
    }

    /// One statement.
    fn bucket_id(&self, owner: &Identity, name: &str) -> Result<Option<BucketId>, StoreError> {
        Ok(self.look_up(sql::BUCKET_ID, owner, name)?.map(Into::into))
    }

    /// One statement.
    fn bucket_name(&self, owner: &Identity, id: &BucketId) -> Result<Option<String>, StoreError> {
        self.look_up(sql::BUCKET_NAME, owner, id.as_str())
    }

    /// One statement. They are sorted here, by bytes, because the database may sort by the rules of
    /// a language.
    fn buckets(&self, owner: &Identity) -> Result<Vec<(String, BucketId)>, StoreError> {
        let arguments = [self.name(), owner.to_string().into()];
        let rows = self.run(Statement::check(sql::BUCKETS, arguments))?;
        let mut buckets = Vec::with_capacity(rows.len());
        for row in &rows {
            if let (Some(name), Some(id)) = (get(row, 0)?, get::<Option<&str>>(row, 1)?) {
                buckets.push((name, id.into()));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    /// One transaction of three statements.
    ///
    /// Older entries of the name and of the id go in it.
    fn save_bucket(&self, owner: &Identity, name: &str, id: &BucketId) -> Result<(), StoreError> {
        self.run_of(owner, self.name_buckets(&[(name.to_owned(), id.clone())]))
    }

    /// One transaction: the bucket and its upload URLs go together.
    fn remove_bucket(&self, owner: &Identity, id: &BucketId) -> Result<(), StoreError> {
        let pool = key(&UploadTarget::Bucket(id.clone()));
        let owner_text = owner.to_string();
        self.run_of(
            owner,
            vec![
                Statement::new(
                    sql::FORGET_BUCKETS,
                    [
                        self.name(),
                        Vec::<String>::new().into(),
                        vec![id.to_string()].into(),
                    ],
                ),
                Statement::new(
                    sql::DROP_POOL,
                    [self.name(), owner_text.into(), pool.into()],
                ),
            ],
        )
    }

    /// One transaction, so nobody sees a map that is empty in between.
    fn replace_buckets(
        &self,
        owner: &Identity,
        buckets: &[(String, BucketId)],
    ) -> Result<(), StoreError> {
        let mut work = vec![Statement::new(sql::FORGET_ALL_BUCKETS, [self.name()])];
        work.extend(self.name_buckets(buckets));
        self.run_of(owner, work)
    }

    /// One statement. It hands out the URL that was put last among those that are young enough and
    /// not locked by another caller.
    fn take_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
    ) -> Result<Option<UploadUrl>, StoreError> {
        let now = Timestamp::from(self.clock.now());
        let slack = millis(UploadUrl::CLOCK_SLACK);
        let arguments = [
            self.name(),
            owner.to_string().into(),
            key(target).into(),
            now.earlier(UploadUrl::LIFETIME).as_millis().into(),
            now.as_millis().saturating_add(slack).into(),
        ];
        // Whose answer is lost loses a URL, and never hands one out twice.
        let rows = self.run(Statement::check(sql::TAKE, arguments))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Some(url) = get::<Option<String>>(row, 0)? else {
            return Ok(None);
        };
        let token = self.sealing.open(&url, get(row, 1)?)?;
        let received = Timestamp::from_millis(get(row, 2)?);
        Ok(Some(UploadUrl::new(url, token.into(), received)))
    }

    /// One statement, which also removes the oldest URLs beyond the size of the pool. It is not
    /// sent again after a lost answer: the URL may have been taken by another machine by then, and
    /// would be handed out twice.
    fn put_upload_url(
        &self,
        owner: &Identity,
        target: &UploadTarget,
        url: UploadUrl,
    ) -> Result<(), StoreError> {
        let token = self.sealing.seal(&url.url, url.token.expose())?;
        let others = i64::try_from(self.pool_size - 1).unwrap_or(i64::MAX);
        let arguments = [
            self.name(),
            owner.to_string().into(),
            key(target).into(),
            Sha256::digest(&url.url).to_vec().into(),
            url.received.as_millis().into(),
            url.url.into(),
            token.into(),
            others.into(),
        ];
        let request = Request {
            repeat: Repeat::No,
            statements: vec![Statement::check(sql::PUT, arguments)],
        };
        self.run(request).map(drop)
    }

    /// One statement. URLs of older epochs go as well.
    fn drop_upload_urls(&self, owner: &Identity, target: &UploadTarget) -> Result<(), StoreError> {
        let arguments = [self.name(), owner.to_string().into(), key(target).into()];
        self.run(Statement::check(sql::DROP_POOL, arguments))
            .map(drop)
    }
}
