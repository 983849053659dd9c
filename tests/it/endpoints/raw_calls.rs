//! Each endpoint through `call_raw`, where one call is one request.

use std::cell::RefCell;
use std::collections::BTreeSet;

use b2sdk::encryption::Encryption;
use b2sdk::lock::LegalHold;
use b2sdk::raw::{Raw, StartLargeFileRequest, UploadBody, UploadFileRequest};
use b2sdk::{FileId, FileInfo, FileVersion, Operation, Result};

use super::{Scene, rows};

/// What the file of [`RawCalls::upload`] is called, and what is in it.
pub(super) const HELLO: (&str, &[u8]) = ("a/hello.txt", b"hello");

/// Calls endpoints in a scene and takes note of which.
pub(crate) struct RawCalls<'a> {
    pub(super) scene: &'a Scene,
    called: RefCell<BTreeSet<Operation>>,
}

impl<'a> RawCalls<'a> {
    fn new(scene: &'a Scene) -> Self {
        Self {
            scene,
            called: RefCell::default(),
        }
    }

    /// One call, which is one request.
    #[track_caller]
    pub(super) fn call<T>(
        &self,
        operation: Operation,
        call: impl FnMut(&Raw<'_>) -> Result<T>,
    ) -> T {
        let world = &self.scene.world;
        let before = world.count(operation);
        let answer = world.api.call_raw(operation, call);
        let answer = answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        assert_eq!(world.count(operation), before + 1, "{operation}");
        self.called.borrow_mut().insert(operation);
        answer
    }

    /// Uploads `HELLO` with some info.
    pub(super) fn upload(&self) -> FileVersion {
        let (file_name, content) = HELLO;
        let info = FileInfo::new().with("colour", "blue green");
        let url = self.call(Operation::GetUploadUrl, |raw| {
            raw.get_upload_url(&self.scene.bucket.id())
        });
        self.call(Operation::UploadFile, |raw| {
            let mut reader = content;
            let mut body = UploadBody::new(&mut reader, content.len() as u64);
            let request = UploadFileRequest::new(file_name, "text/plain", &info);
            let request = request.legal_hold(&LegalHold::Off);
            raw.upload_file(
                &url.upload_url,
                &url.authorization_token,
                &request,
                &mut body,
            )
        })
    }

    /// Starts a large file under this encryption.
    pub(super) fn start(&self, encryption: &Encryption) -> FileId {
        let info = FileInfo::new();
        let started = self.call(Operation::StartLargeFile, |raw| {
            let id = self.scene.bucket.id();
            let request = StartLargeFileRequest::new(&id, "large", "a/b", &info);
            raw.start_large_file(&request.server_side_encryption(encryption))
        });
        started.file_id
    }
}

#[test]
fn each_endpoint_answers_once() {
    for row in rows() {
        let scene = Scene::new();
        let calls = RawCalls::new(&scene);
        (row.raw)(&calls);
        let called = calls.called.into_inner();
        assert!(called.contains(&row.operation), "{}", row.operation);
    }
}
