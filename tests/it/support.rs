//! A world to test in: a simulator, an authorized `B2Api` whose clock the test moves, a bucket.

pub(crate) mod settings;
pub(crate) mod tls;
mod watchdog;

use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex};

use b2sdk::keys::Capability;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::testing::Clock;
use b2sdk::{B2Api, B2ApiBuilder, Bucket, BucketType, InMemoryAccountInfo, Operation};

pub(crate) use self::watchdog::in_time;

/// The name of the bucket in every world.
pub(crate) const BUCKET: &str = "example-mybucket-b2-1";

/// A simulator, an account and a bucket. The log is empty when the test begins.
pub(crate) struct World {
    pub(crate) service: Simulator,
    pub(crate) clock: Clock,
    pub(crate) api: B2Api,
    pub(crate) bucket: Bucket,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A world whose `B2Api` is built with other settings.
    pub(crate) fn with(settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder) -> Self {
        Self::of(Simulator::start().unwrap(), settings)
    }

    /// A world whose parts are small, so that large files fit into a test.
    pub(crate) fn of_small_parts(minimum: u64, recommended: u64) -> Self {
        let service = Simulator::builder()
            .minimum_part_size(minimum)
            .recommended_part_size(recommended)
            .start()
            .unwrap();
        Self::of(service, |builder| builder)
    }

    pub(crate) fn of(
        service: Simulator,
        settings: impl FnOnce(B2ApiBuilder) -> B2ApiBuilder,
    ) -> Self {
        let clock = Clock::manual();
        let builder = B2Api::builder(InMemoryAccountInfo::with_clock(clock.clone())).clock(&clock);
        let api = settings(builder).build().unwrap();
        authorize(&api, &service);
        let bucket = api.create_bucket(BUCKET, BucketType::AllPrivate).unwrap();
        service.log().clear();
        Self {
            service,
            clock,
            api,
            bucket,
        }
    }

    /// How many requests of that kind the service has seen since the test began.
    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.service.log().count(operation)
    }

    /// How many requests the service has seen since the test began.
    pub(crate) fn total(&self) -> usize {
        self.service.log().total()
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.service.faults().inject(fault);
    }

    /// Another `B2Api` with a key that may do only this.
    pub(crate) fn restricted(&self, key: b2sdk::simulator::KeyRequest) -> B2Api {
        let key = self.service.create_key(key).unwrap();
        let api = B2Api::builder(InMemoryAccountInfo::new())
            .clock(&self.clock)
            .build()
            .unwrap();
        api.authorize_account(
            self.service.url(),
            key.application_key_id(),
            key.application_key(),
        )
        .unwrap();
        self.service.log().clear();
        api
    }

    /// The same, but it believes that its key may do everything in its buckets: what it would refuse
    /// itself is sent, and the service has its say.
    pub(crate) fn overestimated(&self, key: b2sdk::simulator::KeyRequest) -> B2Api {
        let all: Vec<_> = Capability::KNOWN.iter().map(Capability::as_str).collect();
        self.inject(
            Fault::on(Operation::AuthorizeAccount).edit_json(move |json| {
                let allowed = &mut json["apiInfo"]["storageApi"]["allowed"];
                allowed["capabilities"] = all.clone().into();
                allowed["namePrefix"] = serde_json::Value::Null;
            }),
        );
        self.restricted(key)
    }

    /// The content of a file.
    pub(crate) fn content(&self, file_name: &str) -> Vec<u8> {
        self.bucket
            .download_file_by_name(file_name)
            .unwrap()
            .read_to_vec()
            .unwrap()
    }

    /// The stored versions of a file, newest first.
    pub(crate) fn versions(&self, file_name: &str) -> Vec<b2sdk::FileVersion> {
        self.bucket
            .list_file_versions(file_name)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }
}

/// Authorizes the service's master key.
pub(crate) fn authorize(api: &B2Api, service: &Simulator) {
    api.authorize_account(
        service.url(),
        service.application_key_id(),
        service.application_key(),
    )
    .unwrap();
}

/// Bytes that no compression and no off-by-one gets past.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// As many bytes as `noise`, each of them another one.
pub(crate) fn other_noise(length: usize) -> Vec<u8> {
    noise(length).iter().map(|byte| !byte).collect()
}

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

/// Collects everything that is logged on this thread.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<String>>);

impl Default for Lines {
    /// While a process has one subscriber only, `tracing` asks the thread that comes to a place first
    /// whether it listens, and takes its no for all threads. So two others are kept.
    fn default() -> Self {
        static OTHERS: LazyLock<[tracing::Dispatch; 2]> =
            LazyLock::new(|| [(); 2].map(|()| tracing::Dispatch::new(Lines(Arc::default()))));
        LazyLock::force(&OTHERS);
        Self(Arc::default())
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut lines = self.0.lock().unwrap();
        lines.push_str("span ");
        span.record(&mut Fields(&mut lines));
        lines.push('\n');
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        event.record(&mut Fields(&mut lines));
        lines.push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl Lines {
    pub(crate) fn told(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}
