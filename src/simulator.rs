//! A local B2 service for tests and development.
//!
//! A [`Simulator`] answers the native API on a port of the loopback interface. It behaves like the
//! service, down to the texts of its errors. Unlike the service, it can [inject
//! faults](Simulator::faults), show [the requests that it received](Simulator::log), and [move its
//! clock forward](Simulator::advance_clock). Dropping the value closes all connections, ends its
//! threads and frees the port.
//!
//! ```
//! use b2sdk::Operation;
//! use b2sdk::simulator::{Fault, Simulator};
//!
//! let simulator = Simulator::start()?;
//! println!("realm {}, key id {}", simulator.url(), simulator.application_key_id());
//! simulator.faults().inject(Fault::on(Operation::UploadFile).status(503, "service_unavailable", ""));
//! // ... run what is to be tested, then look at what arrived:
//! assert_eq!(simulator.log().count(Operation::AuthorizeAccount), 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Requests go through `front` (sockets, faults, log) to `route` (B2). Client and simulator share
//! no code except the names of the operations, so an error in one of them cannot hide an error in
//! the other.

mod account;
mod admin;
mod api;
mod builder;
mod clock;
mod faults;
mod front;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod key_request;
mod log;
mod maintenance;
mod protocol;
mod random;
mod tls;

use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

pub use account::caps::{Caps, Usage};
pub use builder::SimulatorBuilder;

pub use faults::{Fault, FaultId, FaultSyntaxError, Faults, Shaping};
pub use key_request::{KeyRequest, NewKey};
pub use log::{LogEntry, RequestLog};
pub use tls::Tls;

use crate::model::operation::Operation;
use account::world::World;
use admin::status_page;
use api::route;
use maintenance::{lifecycle, planting, replication};
use protocol::decode;
use protocol::message::{Reply, Request};
use protocol::reply::Refusal;

/// A running simulator with one account and its master key. It stops when it is dropped.
pub struct Simulator {
    // Declared before `world`, so that the service's threads have ended when the world closes its
    // storage.
    server: front::Server,
    world: Arc<World>,
    faults: Faults,
    log: RequestLog,
    url: String,
    address: SocketAddr,
    ca_certificate: Option<String>,
    key_id: String,
    key: String,
}

impl Simulator {
    /// Starts a simulator that keeps everything in memory, on a port that the system chooses.
    ///
    /// # Errors
    /// The system has no port, thread or file descriptor left.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Returns a builder for a simulator with a port, a directory or limits of your choice.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// Returns the realm to authorize with: `http://127.0.0.1:PORT`, `https` with
    /// [TLS](SimulatorBuilder::tls), or the [public URL](SimulatorBuilder::public_url).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address and port that the simulator listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate of the authority that signed the simulator's certificate, in PEM
    /// form. Clients have to trust it. Returns `None` without TLS, and with a certificate [of your
    /// own](Tls::from_pem).
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// Returns the id of the account.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.world.account_id()
    }

    /// Returns the id of the master key.
    #[must_use]
    pub fn application_key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the master key.
    #[must_use]
    pub fn application_key(&self) -> &str {
        &self.key
    }

    /// Returns the problems that were found in the [data directory](SimulatorBuilder::data_dir) at
    /// the start, one sentence for each file whose content is missing or too short. Requests for
    /// that content are answered with status 500.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.world.warnings()
    }

    /// Creates an application key without a request, so the request log does not change.
    ///
    /// ```
    /// use b2sdk::simulator::{KeyRequest, Simulator};
    ///
    /// let simulator = Simulator::start()?;
    /// let key = simulator.create_key(KeyRequest::new(["listBuckets"]).name_prefix("photos/"))?;
    /// assert_ne!(key.application_key_id(), simulator.application_key_id());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` if a bucket does not exist; otherwise the directory cannot be written.
    pub fn create_key(&self, key: KeyRequest) -> io::Result<NewKey> {
        key.create(&self.world)
    }

    /// Returns the log of the requests that the simulator has received since it started, or since the log
    /// was cleared. What is returned is the log itself and not a copy: it also shows later requests.
    /// Calls of the admin endpoint are not in it.
    #[must_use]
    pub fn log(&self) -> RequestLog {
        self.log.clone()
    }

    /// Returns the faults that the simulator injects, to add some or to remove them.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Moves the service's clock forward. Tokens, keys and retention expire by this clock, new
    /// uploads get its time, and `Date` shows it.
    pub fn advance_clock(&self, by: Duration) {
        // This fails only if the directory cannot be written; stale tokens then stay for longer.
        let _ = self.world.advance_clock(by);
    }

    /// Moves the service's clock forward to the machine's own, if it
    /// [began](SimulatorBuilder::start_time) in the past and is still behind. Otherwise the clock
    /// does not change.
    pub fn catch_up_clock(&self) {
        let _ = self.world.catch_up_clock();
    }

    /// Applies the lifecycle rules of all buckets once, at the simulated time. The service does
    /// this about once a day.
    ///
    /// ```
    /// use std::time::Duration;
    /// use b2sdk::simulator::Simulator;
    ///
    /// let simulator = Simulator::start()?;
    /// simulator.advance_clock(Duration::from_secs(8 * 24 * 60 * 60));
    /// simulator.run_lifecycle_rules()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn run_lifecycle_rules(&self) -> io::Result<()> {
        lifecycle::run(&self.world)
    }

    /// Makes one round of replication. It replicates the files that are pending, those that failed
    /// in an earlier round, and existing files of rules that include them. The service replicates
    /// new files within minutes and the others about once a day. Here `replicationStatus` stays
    /// `PENDING` until this method is called. Destinations are other buckets of this account and of
    /// accounts that it is [joined](Self::join) with.
    ///
    /// ```
    /// use b2sdk::simulator::Simulator;
    ///
    /// let simulator = Simulator::start()?;
    /// simulator.run_replication()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// A directory cannot be read or written.
    pub fn run_replication(&self) -> io::Result<()> {
        replication::run(&self.world)
    }

    /// Changes the bucket of this name in ways that the native API refuses, and creates the bucket
    /// if it does not exist. The service may hold such buckets: with rules whose prefixes overlap,
    /// which the S3 API accepts, with rules from before today's limits, or with dots in their
    /// names. `members` is an object with any of `bucketType`, `bucketInfo`, `corsRules`,
    /// `lifecycleRules`, `eventNotificationRules` and `replicationConfiguration`, in the form of
    /// answers. The values are not checked.
    ///
    /// ```
    /// use b2sdk::simulator::Simulator;
    /// use serde_json::json;
    ///
    /// let simulator = Simulator::start()?;
    /// simulator.plant_bucket("animals", &json!({ "lifecycleRules": [
    ///     { "fileNamePrefix": "animals/", "daysFromUploadingToHiding": 7 },
    ///     { "fileNamePrefix": "animals/cows/", "daysFromUploadingToHiding": 30 },
    /// ] }))?;
    /// simulator.plant_file("animals", &json!({ "fileName": "//cow\\1", "content": "moo" }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if `members` is not an object, or has an unknown member or a member of the
    /// wrong type; otherwise, the directory cannot be written.
    pub fn plant_bucket(&self, name: &str, members: &Value) -> io::Result<()> {
        planting::bucket(&self.world, name, object(members)?).map_err(planting_error)
    }

    /// Creates a file without checking its name and info, and returns its file id. `members` is an
    /// object with `fileName` and any of `content` (text), `contentType`, `fileInfo`,
    /// `uploadTimestamp` (milliseconds since 1970), and `"action": "hide"` for a hide marker.
    ///
    /// # Errors
    /// `NotFound` if there is no such bucket; `InvalidInput` if `members` is not an object, or has an unknown
    /// member or a member of the wrong type; otherwise, the directory cannot be written.
    pub fn plant_file(&self, bucket_name: &str, members: &Value) -> io::Result<String> {
        planting::file(&self.world, bucket_name, object(members)?).map_err(planting_error)
    }

    /// Joins the accounts of two simulators into one service, like accounts in two of its regions.
    /// Each can then replicate into the other's buckets, and bucket names are unique among both.
    /// This lasts while both simulators exist.
    ///
    /// ```
    /// use b2sdk::simulator::Simulator;
    ///
    /// let (west, east) = (Simulator::start()?, Simulator::start()?);
    /// west.join(&east);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join(&self, other: &Self) {
        self.world.join(&other.world);
    }

    /// Expires every account token issued so far: requests with them are answered with 401
    /// `expired_auth_token`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn expire_tokens(&self) -> io::Result<()> {
        self.world.expire_tokens()
    }

    /// Revokes every account token issued so far: requests with them are answered with 401
    /// `bad_auth_token`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn revoke_tokens(&self) -> io::Result<()> {
        self.world.revoke_tokens()
    }

    /// Invalidates every upload URL handed out so far.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn drop_upload_urls(&self) -> io::Result<()> {
        self.world.drop_upload_urls()
    }

    /// Expires an application key and its tokens.
    ///
    /// # Errors
    /// `NotFound` if there is no such key, or it is the master key; otherwise, the directory cannot
    /// be written.
    pub fn expire_key(&self, application_key_id: &str) -> io::Result<()> {
        self.world.expire_key(application_key_id)
    }

    /// Deletes an application key without a request.
    ///
    /// # Errors
    /// `NotFound` if there is no such key, or it is the master key; otherwise, the directory cannot
    /// be written.
    pub fn delete_key(&self, application_key_id: &str) -> io::Result<()> {
        self.world.delete_key(application_key_id)
    }

    /// Returns the service's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.world.clock().now()
    }

    /// Sets caps for what the account may store, download and call. They apply from the next
    /// request on.
    pub fn set_caps(&self, caps: Caps) {
        self.world.set_caps(caps);
    }

    /// Returns the caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.world.caps()
    }

    /// Returns what the account has used. The simulator counts it whether or not there is a cap.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.world.usage()
    }

    /// Changes [`minimum_part_size`](SimulatorBuilder::minimum_part_size) and
    /// [`recommended_part_size`](SimulatorBuilder::recommended_part_size). Clients see the new
    /// values when they authorize.
    pub fn set_part_sizes(&self, minimum: u64, recommended: u64) {
        self.world.change_settings(|settings| {
            settings.absolute_minimum_part_size = minimum;
            settings.recommended_part_size = recommended;
        });
    }

    /// Stops the simulator, as dropping it does. When this returns, its connections are closed and
    /// the port is free.
    pub fn stop(self) {
        drop(self.server);
    }
}

fn object(members: &Value) -> io::Result<&Map<String, Value>> {
    members.as_object().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "what is planted is no JSON object",
        )
    })
}

fn planting_error(refusal: Refusal) -> io::Error {
    let kind = match refusal.status {
        404 => io::ErrorKind::NotFound,
        400 => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, refusal.message)
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("url", &self.url)
            .field("account_id", &self.account_id())
            .finish_non_exhaustive()
    }
}

impl front::Service for World {
    fn operation_of(&self, request: &Request) -> Option<Operation> {
        route::operation_of(request)
    }

    fn file_name_of(&self, request: &Request) -> Option<String> {
        let in_path = || request.path.strip_prefix("/file/")?.split_once('/');
        match in_path() {
            Some((_bucket, name)) => decode::percent(name),
            None => request.header("x-bz-file-name").and_then(decode::percent),
        }
    }

    fn handle(&self, request: &Request, body: &mut dyn Read) -> Reply {
        route::handle(self, request, body)
    }

    fn is_admin(&self, request: &Request) -> bool {
        admin::owns(&request.path)
    }

    fn administer(
        &self,
        request: &Request,
        body: &mut dyn Read,
        log: &RequestLog,
        faults: &Faults,
    ) -> Reply {
        let world = self;
        admin::Admin { world, log, faults }.answer(request, body)
    }

    fn status_page(&self, request: &Request, log: &RequestLog, faults: &Faults) -> Reply {
        status_page::answer(self, request, log, faults)
    }

    fn now(&self) -> SystemTime {
        self.clock().now()
    }
}

#[cfg(test)]
mod tests;
