//! Every operation of the API, called through the public calls and raw: the outcome when all goes well,
//! when it is refused, when the token is too old, when the service is busy, when its answer is lost or
//! cannot be read. An operation without a row fails.

mod answers;
mod failures;
mod permissions;
mod raw_calls;
mod rows;

use std::cell::Cell;
use std::collections::BTreeMap;

use b2sdk::keys::Capability;
use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    ApplicationKeyId, B2Api, Bucket, BucketType, CreateBucketOptions, Error, FileId, Filtered,
    InMemoryAccountInfo, Operation, UploadOptions,
};

use self::raw_calls::RawCalls;
use self::rows::rows;
use crate::support::{World, authorize, noise};

/// How one operation is called.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) operation: Operation,
    /// The capabilities that it takes (reference, the headings of section 2).
    pub(super) needs: &'static [&'static str],
    /// Makes the call, and checks what it answers.
    pub(super) call: fn(&Scene, &B2Api) -> Result<(), Error>,
    /// The same about something that does not exist, and the variant of the error.
    pub(super) absent: Option<(Call, &'static str)>,
    /// What becomes of it when its answer is lost.
    pub(super) lost: Lost,
    /// Calls the endpoint itself, perhaps among others, and checks what it answers.
    pub(super) raw: fn(&RawCalls<'_>),
}

type Call = fn(&Scene, &B2Api) -> Result<(), Error>;

/// What becomes of a call whose first answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is sent again, and that is all.
    Again,
    /// The service is asked whether it took effect, and it is not sent again.
    Found,
    /// It is not sent again, and the error says that it may have taken effect.
    Told,
    /// It is sent again, and the error says that the first may have taken effect.
    ToldAgain,
}

/// A world with a lockable bucket and one of each thing that calls are about.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) bucket: Bucket,
    pub(super) empty: Bucket,
    pub(super) file: FileId,
    pub(super) retained: FileId,
    pub(super) unfinished: FileId,
    pub(super) key: ApplicationKeyId,
    /// Makes the names of what is made.
    pub(super) round: Cell<u32>,
}

pub(super) const LOCKABLE: &str = "example-lockable-b2-1";
pub(super) const FILE: &str = "mine/file";
pub(super) const RETAINED: &str = "mine/retained";

impl Scene {
    pub(super) fn new() -> Self {
        let service = Simulator::builder()
            .minimum_part_size(100)
            .recommended_part_size(1000)
            .max_buckets(1000)
            .start()
            .unwrap();
        let world = World::of(service, |builder| builder.workers(1));
        // Its upload URLs are not those of the calls that are looked at.
        let maker = B2Api::builder(InMemoryAccountInfo::new()).workers(1);
        let maker = maker.clock(&world.clock).build().unwrap();
        authorize(&maker, &world.service);
        let options = CreateBucketOptions::new().file_lock(true);
        let bucket = maker
            .create_bucket_with(LOCKABLE, BucketType::AllPrivate, &options)
            .unwrap();
        let mut scene = Self {
            empty: bucket.clone(),
            bucket,
            file: "".into(),
            retained: "".into(),
            unfinished: "".into(),
            key: "".into(),
            round: Cell::default(),
            world,
        };
        scene.renew();
        scene
    }

    /// Puts back what calls take away.
    pub(super) fn renew(&mut self) {
        let (world, bucket) = (&self.world, &self.bucket);
        self.round.set(self.round.get() + 1);
        let round = self.round.get();
        let upload = |name: &str, options: &UploadOptions| {
            let uploaded = bucket.upload_bytes_with(&noise(2500), name, options);
            uploaded.unwrap().into_version().file_id
        };
        let small = UploadOptions::new().part_size(5000);
        self.file = upload(FILE, &small);
        self.retained = upload(RETAINED, &small.clone().retention(rows::retention(world)));
        world.inject(Fault::on(Operation::FinishLargeFile).status(400, "bad_request", ""));
        let resumed = UploadOptions::new().resume(b2sdk::Resume::Matching);
        bucket
            .upload_bytes_with(&noise(2500), &format!("mine/unfinished-{round}"), &resumed)
            .unwrap_err();
        let mut unfinished = bucket.list_unfinished_large_files("").unwrap();
        self.unfinished = unfinished.next().unwrap().unwrap().file_id;
        let key = world.api.create_key("old", [Capability::ListFiles]);
        self.key = key.unwrap().details.application_key_id;
        self.empty = world
            .api
            .create_bucket(&format!("example-empty-{round}"), BucketType::AllPrivate)
            .unwrap();
        world.service.log().clear();
    }

    /// A name that is not used yet.
    pub(super) fn name(&self) -> String {
        format!("mine/new-{}", self.round.get())
    }

    /// A bucket name that is not used yet.
    pub(super) fn bucket_name(&self) -> String {
        format!("example-new-{}", self.round.get())
    }

    /// Everything there is, but for ids and times: what a call did, or did not do, shows here.
    pub(super) fn state(&self) -> BTreeMap<String, String> {
        let api = &self.world.api;
        let mut state = BTreeMap::new();
        for bucket in api.list_buckets().unwrap() {
            let details = bucket.details().unwrap();
            let kind = (details.bucket_type, details.bucket_info);
            state.insert(bucket.name().to_owned(), format!("{kind:?}"));
            let rules = bucket.get_notification_rules().unwrap();
            state.insert(format!("{} rules", bucket.name()), format!("{rules:?}"));
            let options = b2sdk::LsOptions::new()
                .recursive(true)
                .versions(b2sdk::Versions::All);
            for (n, entry) in bucket.ls_with("", &options).unwrap().enumerate() {
                let b2sdk::FileVersion {
                    file_name,
                    action,
                    content_length,
                    file_retention,
                    legal_hold,
                    ..
                } = entry.unwrap().version;
                let is_retained = matches!(file_retention, Filtered::Readable(_));
                let version = (action, content_length, is_retained, legal_hold);
                state.insert(format!("{n} {file_name}"), format!("{version:?}"));
            }
        }
        for (n, key) in api.list_keys().unwrap().enumerate() {
            state.insert(format!("key {n}"), key.unwrap().key_name);
        }
        state
    }
}

/// The name of the error's variant.
pub(super) fn variant(error: &Error) -> String {
    let shown = format!("{error:?}");
    let end = shown.find(|c: char| !c.is_alphanumeric());
    shown[..end.unwrap_or(shown.len())].to_owned()
}

#[test]
fn every_operation_has_one_row() {
    for operation in Operation::ALL {
        let rows = rows().filter(|row| row.operation == *operation);
        assert_eq!(rows.count(), 1, "{operation}");
    }
}
