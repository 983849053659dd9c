//! The program is killed while several writers are at work, again and again, over one directory.
//!
//! Each writer keeps an [`Account`] of what was acknowledged, by label: what a file of that name, a
//! key, a bucket is. After each kill the same is read from the service that came back. Both must be
//! equal but for the one label that a writer was changing when its answer did not come: there either
//! is true, but nothing is half there, since the content of every file follows from its name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use super::program::{Program, User};
use crate::support::noise;

const ROUNDS: usize = 6;
const WRITERS: usize = 5;
const BUCKET: &str = "durable-bucket";

/// What is known of each label.
type Account = BTreeMap<String, String>;

/// What a file of this name holds: some are empty, some large enough to be cut.
fn content(name: &str) -> Vec<u8> {
    let length = match name.len() % 4 {
        0 => 0,
        1 => 1_500_000,
        _ => name.bytes().map(usize::from).sum::<usize>() * 7,
    };
    let mut content = name.as_bytes().to_vec();
    content.extend(noise(length));
    content
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap()
}

struct Writer<'a> {
    user: &'a User,
    bucket: &'a str,
    /// Part of the names that it makes.
    tag: String,
    known: Account,
    /// What it is changing.
    touched: String,
    acknowledged: mpsc::Sender<()>,
}

impl Writer<'_> {
    /// Works until the service is gone.
    fn work(mut self) -> (Account, String) {
        for turn in 0.. {
            if self.turn(turn).is_err() {
                break;
            }
        }
        (self.known, self.touched)
    }

    /// Asks for something and, when it is acknowledged, takes note of it.
    fn put(
        &mut self,
        label: &str,
        ask: impl FnOnce(&User) -> io::Result<Value>,
        note: impl FnOnce(&Value, Option<String>) -> Option<String>,
    ) -> io::Result<Value> {
        label.clone_into(&mut self.touched);
        let answer = ask(self.user)?;
        let before = self.known.remove(label);
        if let Some(known) = note(&answer, before) {
            self.known.insert(label.to_owned(), known);
        }
        self.touched.clear();
        // Nobody listens any more once the service is to be killed.
        let _ = self.acknowledged.send(());
        Ok(answer)
    }

    fn turn(&mut self, turn: usize) -> io::Result<()> {
        let bucket = self.bucket.to_owned();
        let name = format!("{}/{turn}", self.tag);
        let file = self.upload(&name)?;
        match turn % 6 {
            0 => self.hide(&name)?,
            1 => {
                let body = json!({ "fileName": name, "fileId": file });
                let delete = |user: &User| user.call("b2_delete_file_version", body);
                self.put(&label("file", &name), delete, |_, _| None)?;
            }
            2 => {
                let copy = format!("{name}/copy-of-it");
                let body = json!({ "sourceFileId": file, "fileName": name, "destinationBucketId": bucket });
                let copied = |user: &User| user.call("b2_copy_file", body);
                self.put(&label("file", &name), copied, newer("upload"))?;
                self.upload(&copy)?;
            }
            3 => self.large(&name, true)?,
            4 => self.large(&format!("{name}/unfinished"), false)?,
            _ => self.bucket_and_key(&format!("{}-{turn}", self.tag))?,
        }
        Ok(())
    }

    fn upload(&mut self, name: &str) -> io::Result<String> {
        let bucket = self.bucket.to_owned();
        let upload = |user: &User| user.upload(&bucket, name, &content(name));
        let file = self.put(&label("file", name), upload, newer("upload"))?;
        Ok(text(&file, "fileId").to_owned())
    }

    fn hide(&mut self, name: &str) -> io::Result<()> {
        let body = json!({ "bucketId": self.bucket, "fileName": name });
        let hide = |user: &User| user.call("b2_hide_file", body);
        self.put(&label("file", name), hide, newer("hide"))?;
        Ok(())
    }

    /// A large file over the one of that name, in two parts.
    fn large(&mut self, name: &str, finish: bool) -> io::Result<()> {
        let label = label("file", name);
        let body =
            json!({ "bucketId": self.bucket, "fileName": name, "contentType": "text/plain" });
        let start = |user: &User| user.call("b2_start_large_file", body);
        let id = self.put(&label, start, newer("start"))?;
        let id = text(&id, "fileId").to_owned();
        let content = content(name);
        let middle = content.len() / 2;
        let mut sums = Vec::new();
        for (number, data) in [(1, &content[..middle]), (2, &content[middle..])] {
            let send = |user: &User| user.upload_part(&id, number, data);
            let note = |part: &Value, before: Option<String>| {
                let sum = text(part, "contentSha1");
                before.map(|known| known.replacen(&id, &format!("{id} {number}:{sum}"), 1))
            };
            let part = self.put(&label, send, note)?;
            sums.push(part["contentSha1"].clone());
        }
        if finish {
            let body = json!({ "fileId": id, "partSha1Array": sums });
            let finish = |user: &User| user.call("b2_finish_large_file", body);
            let note = |_: &Value, before: Option<String>| {
                let older = before
                    .and_then(|known| known.split_once(", ").map(|(_, older)| older.to_owned()));
                newer("upload")(&json!({ "fileId": id }), older)
            };
            self.put(&label, finish, note)?;
        }
        Ok(())
    }

    fn bucket_and_key(&mut self, name: &str) -> io::Result<()> {
        let account = self.user.account_id.clone();
        let body =
            json!({ "accountId": account, "keyName": name, "capabilities": ["listBuckets"] });
        let create = |user: &User| user.call("b2_create_key", body);
        let id = |answer: &Value, _| Some(text(answer, "applicationKeyId").to_owned());
        let key = self.put(&label("key", name), create, id)?;

        let body = json!({ "accountId": account, "bucketName": name, "bucketType": "allPrivate" });
        let create = |user: &User| user.call("b2_create_bucket", body);
        let bucket = self.put(&label("bucket", name), create, settings)?;
        let body = json!({ "accountId": account, "bucketId": bucket["bucketId"], "bucketInfo": { "a": "b" } });
        let update = |user: &User| user.call("b2_update_bucket", body);
        self.put(&label("bucket", name), update, settings)?;

        let body = json!({ "applicationKeyId": key["applicationKeyId"] });
        let delete = |user: &User| user.call("b2_delete_key", body);
        self.put(&label("key", name), delete, |_, _| None)?;
        let body = json!({ "accountId": account, "bucketId": bucket["bucketId"] });
        let delete = |user: &User| user.call("b2_delete_bucket", body);
        self.put(&label("bucket", name), delete, |_, _| None)?;
        Ok(())
    }
}

fn label(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// A version before those that are known.
fn newer(action: &str) -> impl FnOnce(&Value, Option<String>) -> Option<String> {
    move |file, before| {
        let version = format!("{action} {}", text(file, "fileId"));
        Some(match before {
            Some(older) => format!("{version}, {older}"),
            None => version,
        })
    }
}

fn settings(bucket: &Value, _: Option<String>) -> Option<String> {
    Some(format!(
        "{} {}",
        text(bucket, "bucketId"),
        bucket["bucketInfo"]
    ))
}

/// What the service says. Every file in it is read and must be whole.
fn account(user: &User, bucket: &str) -> Account {
    let mut account = Account::new();
    let body = json!({ "bucketId": bucket, "maxFileCount": 10_000 });
    let listed = user.call("b2_list_file_versions", body).unwrap();
    assert_eq!(listed["nextFileName"], Value::Null);
    for file in listed["files"].as_array().unwrap() {
        let (name, action, id) = (
            text(file, "fileName"),
            text(file, "action"),
            text(file, "fileId"),
        );
        let mut version = format!("{action} {id}");
        match action {
            "upload" => {
                let path = format!("/b2api/v4/b2_download_file_by_id?fileId={id}");
                assert!(
                    user.get(&path).unwrap() == content(name),
                    "{name} is not whole"
                );
            }
            "start" => version.push_str(&parts(user, id)),
            _ => {}
        }
        let known = account.entry(label("file", name)).or_default();
        if !known.is_empty() {
            known.push_str(", ");
        }
        known.push_str(&version);
    }
    let of_account = json!({ "accountId": user.account_id });
    for key in user.call("b2_list_keys", of_account.clone()).unwrap()["keys"]
        .as_array()
        .unwrap()
    {
        account.insert(
            label("key", text(key, "keyName")),
            text(key, "applicationKeyId").to_owned(),
        );
    }
    for bucket in user.call("b2_list_buckets", of_account).unwrap()["buckets"]
        .as_array()
        .unwrap()
    {
        if let Some(known) = settings(bucket, None) {
            account.insert(label("bucket", text(bucket, "bucketName")), known);
        }
    }
    account.remove(&label("bucket", BUCKET));
    account
}

/// Newest first, as a writer notes them.
fn parts(user: &User, id: &str) -> String {
    let parts = user.call("b2_list_parts", json!({ "fileId": id })).unwrap();
    let parts = parts["parts"].as_array().unwrap().iter().rev();
    parts
        .map(|part| format!(" {}:{}", part["partNumber"], text(part, "contentSha1")))
        .collect()
}

/// An upload of which the service has begun to store the first half.
fn half_an_upload(program: &Program, user: &User, bucket: &str) -> TcpStream {
    let target = user.upload_target(bucket).unwrap();
    let mut stream = program.connect();
    let head = target.head("half", 1_000_000, "expect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    // "100 Continue": the service reads.
    stream.read_exact(&mut [0; 4]).unwrap();
    stream.write_all(&[b'x'; 500_000]).unwrap();
    stream
}

/// Bodies on disk that are not whole.
fn half_written(data: &Path) -> usize {
    let bodies = fs::read_dir(data.join("bodies")).unwrap();
    let names = bodies.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).count()
}

#[test]
fn what_was_acknowledged_outlives_being_killed_and_nothing_is_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let arguments = [
        "--data-dir",
        data.to_str().unwrap(),
        "--minimum-part-size",
        "1",
    ];
    let mut program = Program::start(&arguments);
    // Its token, and the port it goes to, are among the things that are kept.
    let user = program.authorize();
    let bucket = user.create_bucket(BUCKET);
    let mut known = Account::new();
    for round in 0..ROUNDS {
        let (acknowledged, acknowledgements) = mpsc::channel();
        let outcomes: Vec<(Account, String)> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| {
                    let writer = Writer {
                        user: &user,
                        bucket: &bucket,
                        tag: format!("round-{round}-{number}"),
                        known: Account::new(),
                        touched: String::new(),
                        acknowledged: acknowledged.clone(),
                    };
                    scope.spawn(|| writer.work())
                })
                .collect();
            // A different number in each round, so that the blow falls on other requests.
            let enough = acknowledgements.iter().take(20 + 23 * round).count();
            assert_eq!(enough, 20 + 23 * round);
            let _half = half_an_upload(&program, &user, &bucket);
            program.kill();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        assert!(half_written(&data) > 0);

        program = Program::start(&arguments);
        assert_eq!(half_written(&data), 0);
        let mut found = account(&user, &bucket);
        let mut touched = Vec::new();
        for (account, label) in outcomes {
            known.extend(account);
            touched.push(label);
        }
        let after = found.clone();
        for label in &touched {
            known.remove(label);
            found.remove(label);
        }
        assert_eq!(found, known, "round {round}");
        known = after;
    }
}
