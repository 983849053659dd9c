//! A local B2 service, to test and develop against.
//!
//! A [`Simulator`] answers the native API on a port of the loopback interface. It behaves like the
//! service, down to the texts of its errors, and unlike the service it can be told to
//! [misbehave](Simulator::faults), asked [what it was sent](Simulator::log), and sent
//! [into the future](Simulator::advance_clock). It lives as long as its value: dropping it closes
//! connections, ends threads and frees the port.
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
//! Requests go through `front` (sockets, faults, log) to `route` (B2). Client and simulator share no
//! code but the names of the operations, so that two bugs cannot cancel out.

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
    // Before `world`: the service's threads have ended when the world's storage is closed.
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

    /// A simulator with a port, a directory or limits of your choice.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// The realm to authorize with: `http://127.0.0.1:PORT`, `https` with
    /// [TLS](SimulatorBuilder::tls), or the [public URL](SimulatorBuilder::public_url).
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address and port that the simulator listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that signed the simulator's own, in PEM form: what clients
    /// have to trust. `None` without TLS, and with a certificate that was
    /// [brought along](Tls::from_pem).
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// The account.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.world.account_id()
    }

    /// The id of the master key.
    #[must_use]
    pub fn application_key_id(&self) -> &str {
        &self.key_id
    }

    /// The master key.
    #[must_use]
    pub fn application_key(&self) -> &str {
        &self.key
    }

    /// What was found wrong with the [data directory](SimulatorBuilder::data_dir) at the start, one
    /// sentence each: files whose content is missing or too short, which are answered with status 500.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.world.warnings()
    }

    /// Makes an application key without a request, so that the log stays as it is.
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

    /// What arrived.
    #[must_use]
    pub fn log(&self) -> RequestLog {
        self.log.clone()
    }

    /// What is to go wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Moves the service's time forward: tokens and keys age, uploads are younger, `Date` differs.
    pub fn advance_clock(&self, by: Duration) {
        // Only a directory that cannot be written fails here: it then keeps tokens for longer.
        let _ = self.world.advance_clock(by);
    }

    /// Moves the service's time forward to the machine's own, if it
    /// [began](SimulatorBuilder::start_time) in the past and is still behind.
    pub fn catch_up_clock(&self) {
        let _ = self.world.catch_up_clock();
    }

    /// Applies the lifecycle rules of all buckets once, as the service does about once a day; each
    /// call is such a day's round, at the simulated time.
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

    /// Makes one round of replication: every file that waits for it, that failed before, or that was
    /// there before a rule which includes existing files. The service does so within minutes for new
    /// files and about once a day for the others; here `replicationStatus` stays `PENDING` until this
    /// is called. Files go into other buckets of this account and of those that it was
    /// [joined](Self::join) with.
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

    /// Puts into the bucket of this name, which is created if there is none, what the native API would
    /// refuse and a service may hold all the same: rules with overlapping prefixes that were made by the
    /// S3 API, rules from before today's limits, names with dots. `members` is an object with any of
    /// `bucketType`, `bucketInfo`, `corsRules`, `lifecycleRules`, `eventNotificationRules` and
    /// `replicationConfiguration`, as answers show them; nothing in them is checked.
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
    /// `InvalidInput` if `members` is no object, has other members, or one of another type; otherwise
    /// the directory cannot be written.
    pub fn plant_bucket(&self, name: &str, members: &Value) -> io::Result<()> {
        planting::bucket(&self.world, name, object(members)?).map_err(planting_error)
    }

    /// Puts a file into a bucket without any check of its name or info. `members` is an object with
    /// `fileName` and any of `content` (text), `contentType`, `fileInfo`, `uploadTimestamp`
    /// (milliseconds since 1970), and `"action": "hide"` for a hide marker. Returns the file id.
    ///
    /// # Errors
    /// `NotFound` if there is no such bucket; otherwise as for [`plant_bucket`](Self::plant_bucket).
    pub fn plant_file(&self, bucket_name: &str, members: &Value) -> io::Result<String> {
        planting::file(&self.world, bucket_name, object(members)?).map_err(planting_error)
    }

    /// Makes this account and the other's two accounts of the same service, as they are in two of its
    /// regions: each can replicate into the other's buckets, and neither can take the name of one. It
    /// lasts as long as both live.
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

    /// Lets every account token issued so far answer 401 `expired_auth_token`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn expire_tokens(&self) -> io::Result<()> {
        self.world.expire_tokens()
    }

    /// Lets every account token issued so far answer 401 `bad_auth_token`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn revoke_tokens(&self) -> io::Result<()> {
        self.world.revoke_tokens()
    }

    /// Refuses every upload URL handed out so far.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn drop_upload_urls(&self) -> io::Result<()> {
        self.world.drop_upload_urls()
    }

    /// Lets an application key expire, and its tokens with it.
    ///
    /// # Errors
    /// `NotFound` if there is no such key, or it is the master key; otherwise the directory cannot
    /// be written.
    pub fn expire_key(&self, application_key_id: &str) -> io::Result<()> {
        self.world.expire_key(application_key_id)
    }

    /// Deletes an application key without a request.
    ///
    /// # Errors
    /// As for [`expire_key`](Self::expire_key).
    pub fn delete_key(&self, application_key_id: &str) -> io::Result<()> {
        self.world.delete_key(application_key_id)
    }

    /// The service's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.world.clock().now()
    }

    /// Caps what the account may store, download and call, from the next request on.
    pub fn set_caps(&self, caps: Caps) {
        self.world.set_caps(caps);
    }

    /// The caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.world.caps()
    }

    /// What the caps are held against. It is counted whether or not there is a cap.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.world.usage()
    }

    /// Changes the sizes of parts: see
    /// [`minimum_part_size`](SimulatorBuilder::minimum_part_size) and
    /// [`recommended_part_size`](SimulatorBuilder::recommended_part_size). Clients learn of it when
    /// they authorize.
    pub fn set_part_sizes(&self, minimum: u64, recommended: u64) {
        self.world.change_settings(|settings| {
            settings.absolute_minimum_part_size = minimum;
            settings.recommended_part_size = recommended;
        });
    }

    /// Stops, as dropping does: when this returns, connections are closed and the port is free.
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
