//! Caps and the expiry of keys, in the service's own words.

use std::sync::Barrier;

use super::*;
use crate::simulator::account::caps::Caps;

#[test]
fn the_service_says_which_cap_is_exceeded() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    user.upload(&bucket, "a", b"12345");
    world.set_caps(Caps::new().storage(5).class_b(0).class_c(0));
    let told = user
        .call("b2_get_upload_url", json!({ "bucketId": bucket }))
        .refused(403, "storage_cap_exceeded");
    assert_eq!(told, "Cannot upload or copy files, storage cap exceeded.");
    let told = user
        .account_call("b2_list_buckets", json!({}))
        .refused(403, "transaction_cap_exceeded");
    assert_eq!(
        told,
        "Cannot perform the operation, transaction cap exceeded."
    );
    let url = "/file/bucket-1/a";
    let told =
        get(&world, url, &[("Authorization", &user.token)]).refused(403, "download_cap_exceeded");
    assert!(told.ends_with("See the Caps & Alerts page to increase your cap."));
    // Who may not call learns no more than that.
    get(&world, url, &[("Authorization", "x")]).refused(401, "bad_auth_token");
}

#[test]
fn a_key_that_expires_takes_its_tokens_along() {
    let world = world();
    let (id, secret) = world
        .create_key("k", &["listBuckets"], None, None, None)
        .unwrap();
    let user = User::with_key(&world, &id, &secret);
    user.account_call("b2_list_buckets", json!({})).ok();
    world.expire_key(&id).unwrap();
    user.account_call("b2_list_buckets", json!({}))
        .refused(401, "expired_auth_token");
    world.delete_key(&id).unwrap();
    user.account_call("b2_list_buckets", json!({}))
        .refused(401, "bad_auth_token");
    let master = world.master_key().0;
    for gone in [&*id, &master, "none"] {
        let error = world.expire_key(gone).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

/// Content that arrives when every upload of the barrier has begun to read.
struct Late<'b> {
    everybody: Option<&'b Barrier>,
    content: &'b [u8],
}

impl Read for Late<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(everybody) = self.everybody.take() {
            everybody.wait();
        }
        self.content.read(buffer)
    }
}

const AT_ONCE: usize = 8;
const CONTENT: &[u8] = b"0123456789";

fn late(everybody: &Barrier) -> Late<'_> {
    Late {
        everybody: Some(everybody),
        content: CONTENT,
    }
}

/// How many of the calls succeed that this makes on as many threads; all others are refused because
/// of the storage cap.
fn stored_at_once(call: impl Fn(usize, &Barrier) -> Answer + Sync) -> usize {
    let everybody = Barrier::new(AT_ONCE);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let (call, everybody) = (&call, &everybody);
                scope.spawn(move || call(number, everybody))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    });
    let (stored, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    for answer in refused {
        answer.refused(403, "storage_cap_exceeded");
    }
    stored.len()
}

#[test]
fn parallel_uploads_parts_and_copies_fill_the_storage_cap_and_do_not_exceed_it() {
    let world = World::in_memory(Settings {
        absolute_minimum_part_size: 1,
        ..Settings::default()
    });
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    let source = user.upload(&bucket, "source", CONTENT);
    let start =
        json!({ "bucketId": bucket, "fileName": "large", "contentType": "application/x-tar" });
    let large = user.call("b2_start_large_file", start).ok();
    let urls: Vec<_> = (0..AT_ONCE)
        .map(|_| UploadUrl::get(&user, &bucket))
        .collect();
    let part_urls: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let body = json!({ "fileId": large["fileId"] });
            UploadUrl::of(&world, &user.call("b2_get_upload_part_url", body).ok())
        })
        .collect();
    let room_for_three = || {
        let stored = world.usage().storage;
        world.set_caps(Caps::new().storage(stored + 35));
    };
    let sha1 = ("X-Bz-Content-Sha1", "do_not_verify");

    room_for_three();
    let files = stored_at_once(|number, everybody| {
        let name = format!("file-{number}");
        let headers = [("X-Bz-File-Name", &*name), ("Content-Type", "a/b"), sha1];
        urls[number].send(&headers, 10, &mut late(everybody))
    });
    assert_eq!((files, world.usage().storage), (3, 40));

    room_for_three();
    let parts = stored_at_once(|number, everybody| {
        let number_text = (number + 1).to_string();
        let headers = [("X-Bz-Part-Number", &*number_text), sha1];
        part_urls[number].send(&headers, 10, &mut late(everybody))
    });
    assert_eq!((parts, world.usage().storage), (3, 70));

    room_for_three();
    let copies = stored_at_once(|number, everybody| {
        everybody.wait();
        let name = format!("copy-{number}");
        let body = json!({ "sourceFileId": source["fileId"], "fileName": name });
        user.call("b2_copy_file", body)
    });
    assert_eq!((copies, world.usage().storage), (3, 100));

    room_for_three();
    let copied_parts = stored_at_once(|number, everybody| {
        everybody.wait();
        let body = json!({
            "sourceFileId": source["fileId"],
            "largeFileId": large["fileId"],
            "partNumber": 100 + number,
        });
        user.call("b2_copy_part", body)
    });
    assert_eq!((copied_parts, world.usage().storage), (3, 130));
}

#[test]
fn parallel_downloads_do_not_exceed_their_cap() {
    let world = world();
    let user = User::master(&world);
    let bucket = user.create_bucket("bucket-1");
    user.upload(&bucket, "a", b"0123456789");
    world.set_caps(Caps::new().download(35));
    let served = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| user.get("/file/bucket-1/a").status == 200))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.filter(|is_served| *is_served).count()
    });
    assert_eq!((served, world.usage().download), (3, 30));
}
