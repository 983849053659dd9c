//! A service that has to keep the contract, somebody who is authorized with it, and a bucket that is
//! gone when its test ends.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use b2sdk::simulator::Simulator;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

const PRODUCTION: &str = "https://api.backblazeb2.com";
const ANSWER_LIMIT: u64 = 64 * 1024 * 1024;
/// How often an upload is tried with another URL when a storage pod is busy.
const UPLOAD_TRIES: usize = 5;

/// A service that has to keep the contract.
pub(crate) struct Service {
    pub(crate) realm: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
    pub(crate) agent: Agent,
    _simulator: Option<Simulator>,
}

impl Service {
    pub(crate) fn new(realm: &str, key_id: &str, key: &str, simulator: Option<Simulator>) -> Self {
        let config = Agent::config_builder().http_status_as_error(false);
        Self {
            realm: realm.to_owned(),
            key_id: key_id.to_owned(),
            key: key.to_owned(),
            agent: config.build().into(),
            _simulator: simulator,
        }
    }

    pub(crate) fn simulated() -> Self {
        let simulator = Simulator::start().unwrap();
        let (id, key) = (
            simulator.application_key_id().to_owned(),
            simulator.application_key().to_owned(),
        );
        let realm = simulator.url().to_owned();
        Self::new(&realm, &id, &key, Some(simulator))
    }

    /// The real service, if this run is to use it.
    pub(crate) fn real() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let realm = variable("B2_CONTRACT_REALM").unwrap_or_else(|| PRODUCTION.to_owned());
        match (variable("B2_CONTRACT_KEY_ID"), variable("B2_CONTRACT_KEY")) {
            (Some(id), Some(key)) => Some(Self::new(&realm, &id, &key, None)),
            (None, None) => None,
            _ => panic!("B2_CONTRACT_KEY_ID and B2_CONTRACT_KEY go together"),
        }
    }

    /// Sends a request with a body, or with none.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = sent.unwrap();
        let body = response.body_mut().with_config().limit(ANSWER_LIMIT);
        Answer {
            body: body.read_to_vec().unwrap(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
        }
    }

    pub(crate) fn authorize(&self, version: u8, key_id: &str, key: &str) -> Answer {
        let url = format!("{}/b2api/v{version}/b2_authorize_account", self.realm);
        let pair = BASE64_STANDARD.encode(format!("{key_id}:{key}"));
        let basic = format!("Basic {pair}");
        self.send("GET", &url, &[("Authorization", &basic)], None)
    }

    pub(crate) fn session(&self) -> Session<'_> {
        self.session_of(&self.key_id, &self.key)
    }

    pub(crate) fn session_of(&self, key_id: &str, key: &str) -> Session<'_> {
        let answer = self.authorize(4, key_id, key).ok();
        let api = &answer["apiInfo"]["storageApi"];
        Session {
            service: self,
            account_id: text(&answer, "accountId"),
            token: text(&answer, "authorizationToken"),
            api_url: text(api, "apiUrl"),
            download_url: text(api, "downloadUrl"),
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Refused with this status and one of these codes, in the form of all errors.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, codes: &[&str]) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        let body = self.json();
        assert_eq!(body["status"], status, "{text}");
        assert!(body["message"].is_string(), "{text}");
        assert!(codes.contains(&body["code"].as_str().unwrap()), "{text}");
    }
}

#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    let found = value[field].as_str();
    found
        .unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}

pub(crate) fn sha1_of(data: &[u8]) -> String {
    hex::encode(Sha1::digest(data))
}

pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Bytes that differ from one another and from those of other seeds.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(byte).collect()
}

/// Somebody who is authorized.
pub(crate) struct Session<'s> {
    pub(crate) service: &'s Service,
    pub(crate) account_id: String,
    pub(crate) token: String,
    pub(crate) api_url: String,
    pub(crate) download_url: String,
}

impl Session<'_> {
    pub(crate) fn call_version(&self, version: u8, name: &str, body: &Value) -> Answer {
        let url = format!("{}/b2api/v{version}/{name}", self.api_url);
        let body = body.to_string();
        let headers = [
            ("Authorization", self.token.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.service
            .send("POST", &url, &headers, Some(body.as_bytes()))
    }

    pub(crate) fn call(&self, name: &str, body: &Value) -> Answer {
        self.call_version(4, name, body)
    }

    pub(crate) fn account_call(&self, name: &str, mut body: Value) -> Answer {
        body["accountId"] = json!(self.account_id);
        self.call(name, &body)
    }

    pub(crate) fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", url, headers)
    }

    pub(crate) fn request(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("Authorization", self.token.as_str())];
        all.extend_from_slice(headers);
        self.service.send(method, url, &all, None)
    }

    pub(crate) fn by_id(&self, file: &Value) -> String {
        let id = text(file, "fileId");
        format!(
            "{}/b2api/v4/b2_download_file_by_id?fileId={id}",
            self.download_url
        )
    }
}

/// A bucket for one test, which is gone when the test ends.
pub(crate) struct Scratch<'s> {
    pub(crate) session: &'s Session<'s>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) keys: RefCell<Vec<String>>,
}

impl<'s> Scratch<'s> {
    pub(crate) fn new(session: &'s Session<'s>) -> Self {
        Self::with(session, json!({}))
    }

    /// One that is made with more than its name.
    pub(crate) fn with(session: &'s Session<'s>, mut body: Value) -> Self {
        let name = format!("b2sdk-contract-{:016x}", random());
        body["bucketName"] = json!(name);
        body["bucketType"] = json!("allPrivate");
        let bucket = session.account_call("b2_create_bucket", body).ok();
        Self {
            session,
            id: text(&bucket, "bucketId"),
            name,
            keys: RefCell::default(),
        }
    }

    /// A call about this bucket.
    pub(crate) fn call(&self, name: &str, body: Value) -> Answer {
        self.call_version(4, name, body)
    }

    pub(crate) fn call_version(&self, version: u8, name: &str, mut body: Value) -> Answer {
        body["bucketId"] = json!(self.id);
        self.session.call_version(version, name, &body)
    }

    pub(crate) fn update(&self, mut body: Value) -> Answer {
        body["bucketId"] = json!(self.id);
        self.session.account_call("b2_update_bucket", body)
    }

    pub(crate) fn hide(&self, name: &str) -> Answer {
        self.call("b2_hide_file", json!({ "fileName": name }))
    }

    /// A file with an encoded name, these bytes and these headers, which may replace the checksum.
    pub(crate) fn try_upload(&self, name: &str, data: &[u8], more: &[(&str, &str)]) -> Answer {
        let sha1 = sha1_of(data);
        let mut headers = vec![("X-Bz-File-Name", name), ("Content-Type", "text/plain")];
        if !more.iter().any(|(name, _)| *name == "X-Bz-Content-Sha1") {
            headers.push(("X-Bz-Content-Sha1", &sha1));
        }
        headers.extend_from_slice(more);
        self.post_content(
            &|| self.call("b2_get_upload_url", json!({})),
            &headers,
            data,
        )
    }

    pub(crate) fn upload(&self, name: &str, data: &[u8]) -> Value {
        self.try_upload(name, data, &[]).ok()
    }

    pub(crate) fn upload_part(&self, large_file: &Value, number: u32, data: &[u8]) -> Answer {
        let body = json!({ "fileId": large_file["fileId"] });
        let (number, sha1) = (number.to_string(), sha1_of(data));
        let headers = [
            ("X-Bz-Part-Number", number.as_str()),
            ("X-Bz-Content-Sha1", &sha1),
        ];
        let url = || self.session.call("b2_get_upload_part_url", &body);
        self.post_content(&url, &headers, data)
    }

    /// Posts to a URL that is asked for, and to another while the pod behind it is busy.
    pub(crate) fn post_content(
        &self,
        url: &dyn Fn() -> Answer,
        headers: &[(&str, &str)],
        data: &[u8],
    ) -> Answer {
        for _ in 1..UPLOAD_TRIES {
            let answer = self.post_once(&url().ok(), headers, data);
            if answer.status != 503 {
                return answer;
            }
        }
        self.post_once(&url().ok(), headers, data)
    }

    pub(crate) fn post_once(&self, url: &Value, headers: &[(&str, &str)], data: &[u8]) -> Answer {
        let token = text(url, "authorizationToken");
        let mut all = vec![("Authorization", token.as_str())];
        all.extend_from_slice(headers);
        let url = text(url, "uploadUrl");
        self.session.service.send("POST", &url, &all, Some(data))
    }

    pub(crate) fn start(&self, name: &str) -> Value {
        let body = json!({ "fileName": name, "contentType": "b2/x-auto" });
        self.call("b2_start_large_file", body).ok()
    }

    /// Where a file is, by its encoded name.
    pub(crate) fn by_name(&self, name: &str) -> String {
        format!("{}/file/{}/{name}", self.session.download_url, self.name)
    }

    /// Names and actions of all versions.
    pub(crate) fn versions(&self) -> Vec<(String, String)> {
        let page = self.call("b2_list_file_versions", json!({})).ok();
        let files = page["files"].as_array().unwrap().iter();
        files
            .map(|file| (text(file, "fileName"), text(file, "action")))
            .collect()
    }

    pub(crate) fn names(&self, more: Value) -> Vec<String> {
        let page = self.call("b2_list_file_names", more).ok();
        let files = page["files"].as_array().unwrap().iter();
        files.map(|file| text(file, "fileName")).collect()
    }

    pub(crate) fn key(&self, capabilities: &[&str], prefix: Option<&str>) -> Value {
        let body = json!({ "keyName": "b2sdk-contract", "capabilities": capabilities,
            "bucketIds": [self.id], "namePrefix": prefix, "validDurationInSeconds": 3600 });
        let key = self.session.account_call("b2_create_key", body).ok();
        self.keys.borrow_mut().push(text(&key, "applicationKeyId"));
        key
    }

    /// A call about a version of a file.
    pub(crate) fn about(&self, file: &Value, name: &str, mut body: Value) -> Answer {
        body["fileId"] = file["fileId"].clone();
        body["fileName"] = file["fileName"].clone();
        self.session.call(name, &body)
    }

    /// Deletes everything; what failed is in the answer.
    pub(crate) fn clean_up(&self) -> Result<(), String> {
        for id in self.keys.borrow().iter() {
            let body = json!({ "applicationKeyId": id });
            // The test may have deleted it.
            self.session.call("b2_delete_key", &body);
        }
        loop {
            let page = self.call("b2_list_file_versions", json!({ "maxFileCount": 1000 }));
            let page: Value = serde_json::from_slice(&page.body).map_err(|e| e.to_string())?;
            let files = page["files"].as_array().ok_or_else(|| page.to_string())?;
            if files.is_empty() && page["nextFileName"].is_null() {
                break;
            }
            for file in files {
                self.remove(file)?;
            }
        }
        let body = json!({ "bucketId": self.id });
        succeeded(&self.session.account_call("b2_delete_bucket", body))
    }

    pub(crate) fn remove(&self, file: &Value) -> Result<(), String> {
        let mut body = json!({ "fileId": file["fileId"], "fileName": file["fileName"] });
        if file["action"] == "start" {
            return succeeded(&self.session.call("b2_cancel_large_file", &body));
        }
        let delete = "b2_delete_file_version";
        if self.session.call(delete, &body).status == 200 {
            return Ok(());
        }
        // No test locks anything so that its end could not be had with this.
        let mut hold = body.clone();
        hold["legalHold"] = json!("off");
        self.session.call("b2_update_file_legal_hold", &hold);
        body["bypassGovernance"] = json!(true);
        succeeded(&self.session.call(delete, &body))
    }
}

pub(crate) fn succeeded(answer: &Answer) -> Result<(), String> {
    match answer.status {
        200 => Ok(()),
        _ => Err(String::from_utf8_lossy(&answer.body).into_owned()),
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let outcome = self.clean_up();
        if let Err(reason) = &outcome {
            eprintln!("bucket {} is left behind: {reason}", self.name);
        }
        if !std::thread::panicking() {
            outcome.unwrap();
        }
    }
}

/// Runs the test against each service that is to keep the contract.
pub(crate) fn each_service(test: impl Fn(&Service)) {
    for service in [Some(Service::simulated()), Service::real()]
        .into_iter()
        .flatten()
    {
        println!("against {}", service.realm);
        test(&service);
    }
}

pub(crate) fn in_a_bucket(test: impl Fn(&Scratch<'_>)) {
    each_service(|service| {
        let session = service.session();
        test(&Scratch::new(&session));
    });
}
