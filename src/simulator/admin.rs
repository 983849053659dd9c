//! The admin endpoint, with which a test in another language, or a person with curl, controls a
//! running simulator. `docs/simulator.md` has the table of its paths.
//!
//! Its paths begin with `/.simulator`, unlike all paths of the service. Only clients on this
//! machine may use it. A foreign web page can make a browser on this machine send requests here.
//! Therefore requests with `Origin` or `Sec-Fetch-Site`, and requests for a host that is not a
//! loopback name, are refused.
//!
//! Bodies are plain text: faults in words, one on each line, JSON for buckets and files, and
//! otherwise `name=value`, separated by spaces or `&`. Answers are JSON. Admin calls are not
//! requests to the service: faults do not apply to them, and the log has no entry for them.

mod parameters;
mod show;
pub(crate) mod status_page;

use std::io::{self, Read};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::simulator::account::world::World;
use crate::simulator::faults::{Fault, Faults};
use crate::simulator::log::RequestLog;
use crate::simulator::maintenance::{lifecycle, planting, replication};
use crate::simulator::protocol::decode;
use crate::simulator::protocol::host;
use crate::simulator::protocol::message::{Reply, Request};
use crate::simulator::protocol::reply::{self, Refusal};
use parameters::Parameters;

const PREFIX: &str = "/.simulator";
/// A body of this size has room for more than a hundred faults.
const MAX_BODY: u64 = 64 * 1024;

/// Whether a path is one of these.
pub(super) fn owns(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What there is to administer.
pub(super) struct Admin<'a> {
    pub(super) world: &'a World,
    pub(super) log: &'a RequestLog,
    pub(super) faults: &'a Faults,
}

impl Admin<'_> {
    pub(super) fn answer(&self, request: &Request, body: &mut dyn Read) -> Reply {
        refuse_browsers(request)
            .and_then(|()| self.run(request, body))
            .map_or_else(Refusal::into_reply, |value| reply::ok(&value))
    }

    fn run(&self, request: &Request, body: &mut dyn Read) -> Result<Value, Refusal> {
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let method = match request.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let text = read(body)?;
        match (method, &*path) {
            ("GET", []) => Ok(self.overview()),
            ("GET", ["faults"]) => Ok(show::faults(self.faults)),
            ("POST", ["faults"]) => self.add_faults(&text),
            ("DELETE", ["faults"]) => {
                self.faults.clear();
                Ok(show::faults(self.faults))
            }
            ("DELETE", ["faults", id]) => self.remove_fault(id),
            ("POST", ["chaos"]) => self.start_chaos(&text),
            ("GET", ["shaping"]) => Ok(show::shaping(&self.faults.shaping())),
            ("POST", ["shaping"]) => self.shape(&text),
            ("GET", ["clock"]) => Ok(show::clock(self.world.clock())),
            ("POST", ["clock"]) => self.move_clock(&text),
            ("POST", ["tokens", "expire"]) => done(self.world.expire_tokens()),
            ("POST", ["tokens", "revoke"]) => done(self.world.revoke_tokens()),
            ("POST", ["upload-urls", "expire"]) => done(self.world.drop_upload_urls()),
            ("GET", ["keys"]) => Ok(show::keys(self.world)),
            ("POST", ["keys", id, "expire"]) => done(self.world.expire_key(id)),
            ("DELETE", ["keys", id]) => done(self.world.delete_key(id)),
            ("POST", ["lifecycle"]) => done(lifecycle::run(self.world)),
            ("POST", ["replication"]) => done(replication::run(self.world)),
            ("GET", ["caps"]) => Ok(show::caps(self.world)),
            ("POST", ["caps"]) => self.set_caps(&text),
            ("GET", ["settings"]) => Ok(show::settings(self.world.settings())),
            ("POST", ["settings"]) => self.set_settings(&text),
            ("POST", ["buckets", name]) => {
                planting::bucket(self.world, name, &members(&text)?)?;
                Ok(json!({}))
            }
            ("POST", ["buckets", name, "files"]) => {
                let id = planting::file(self.world, name, &members(&text)?)?;
                Ok(json!({ "fileId": id }))
            }
            ("GET", ["log"]) => self.show_log(request),
            ("DELETE", ["log"]) => {
                self.log.clear();
                Ok(json!({}))
            }
            (_, path) => Err(unknown(method, path)),
        }
    }

    fn overview(&self) -> Value {
        json!({
            "caps": show::caps(self.world),
            "clock": show::clock(self.world.clock()),
            "faults": show::faults(self.faults)["faults"],
            "settings": show::settings(self.world.settings()),
            "requests": self.log.counts(),
            "shaping": show::shaping(&self.faults.shaping()),
        })
    }

    /// Adds all of these faults, or none if one of them is not understood.
    fn add_faults(&self, text: &str) -> Result<Value, Refusal> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let faults = lines.map(|line| {
            line.parse()
                .map_err(|wrong| Refusal::bad_request(format!("{line:?}: {wrong}")))
        });
        let faults: Vec<Fault> = faults.collect::<Result<_, _>>()?;
        if faults.is_empty() {
            return Err(Refusal::bad_request("there is no fault in the body"));
        }
        let ids = faults.into_iter().map(|fault| self.faults.inject(fault));
        let ids: Vec<u64> = ids.map(|id| id.number()).collect();
        Ok(json!({ "ids": ids }))
    }

    fn remove_fault(&self, id: &str) -> Result<Value, Refusal> {
        let is_removed = decode::decimal(id).is_some_and(|id| self.faults.remove_number(id));
        if !is_removed {
            return Err(Refusal::not_found(format!("there is no fault {id}")));
        }
        Ok(show::faults(self.faults))
    }

    fn start_chaos(&self, text: &str) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(text)?;
        let seed = parameters.number("seed")?.unwrap_or(0);
        let corruption = parameters.boolean("corruption")?;
        parameters.end()?;
        if corruption == Some(false) {
            self.faults.chaos_without_corruption(seed);
        } else {
            self.faults.chaos(seed);
        }
        Ok(show::faults(self.faults))
    }

    fn shape(&self, text: &str) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(text)?;
        let mut shaping = self.faults.shaping();
        if let Some(latency) = parameters.optional("latency")? {
            shaping.latency = Duration::from_millis(latency.unwrap_or(0));
        }
        parameters.change("upload-rate", &mut shaping.upload_rate)?;
        parameters.change("download-rate", &mut shaping.download_rate)?;
        parameters.end()?;
        self.faults.shape(shaping);
        Ok(show::shaping(&self.faults.shaping()))
    }

    fn move_clock(&self, text: &str) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(text)?;
        let seconds = parameters.number("advance")?;
        let to = parameters.text("to");
        parameters.end()?;
        match (seconds, to) {
            (Some(seconds), None) => self.world.advance_clock(Duration::from_secs(seconds))?,
            (None, Some("system")) => self.world.catch_up_clock()?,
            (None, Some(to)) => {
                let to = decode::decimal(to).ok_or_else(clock_usage)?;
                let ahead = to.checked_sub(self.world.clock().now_millis());
                let back = || Refusal::bad_request("the clock moves forward only");
                let ahead = Duration::from_millis(ahead.ok_or_else(back)?);
                self.world.advance_clock(ahead)?;
            }
            _ => return Err(clock_usage()),
        }
        Ok(show::clock(self.world.clock()))
    }

    fn set_caps(&self, text: &str) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(text)?;
        let mut caps = self.world.caps();
        parameters.change("storage", &mut caps.storage)?;
        parameters.change("download", &mut caps.download)?;
        parameters.change("class-b", &mut caps.class_b)?;
        parameters.change("class-c", &mut caps.class_c)?;
        parameters.end()?;
        self.world.set_caps(caps);
        Ok(show::caps(self.world))
    }

    /// Changes what [`SimulatorBuilder`](crate::simulator::SimulatorBuilder) sets under the same names.
    fn set_settings(&self, text: &str) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(text)?;
        let minimum = parameters.number("minimum-part-size")?;
        let recommended = parameters.number("recommended-part-size")?;
        let single = parameters.number("max-single-file")?;
        let encrypt = parameters.boolean("encrypt-by-default")?;
        let timestamps = parameters.boolean("custom-timestamps")?;
        let buckets = parameters.number("max-buckets")?;
        let scanned = parameters.number("listing-scan-limit")?;
        let rows: Option<usize> = parameters.number("max-rows")?;
        let seed = parameters.number("test-mode-seed")?;
        parameters.end()?;
        self.world.change_settings(|settings| {
            set(&mut settings.absolute_minimum_part_size, minimum);
            set(&mut settings.recommended_part_size, recommended);
            set(&mut settings.max_single_file, single);
            set(&mut settings.encrypt_by_default, encrypt);
            set(&mut settings.custom_timestamps, timestamps);
            set(&mut settings.max_buckets, buckets);
            set(&mut settings.listing_scan_limit, scanned);
            set(&mut settings.max_rows, rows.map(|rows| rows.max(1)));
            set(&mut settings.test_mode_seed, seed);
        });
        if let Some(seed) = seed {
            self.world.test_modes().restart(seed);
        }
        Ok(show::settings(self.world.settings()))
    }

    fn show_log(&self, request: &Request) -> Result<Value, Refusal> {
        let mut parameters = Parameters::of(request.query.as_deref().unwrap_or_default())?;
        let last = parameters.number("last")?;
        parameters.end()?;
        Ok(show::log(self.log, last.unwrap_or(usize::MAX)))
    }
}

/// The members of a JSON object.
fn members(text: &str) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_str(text)
        .map_err(|wrong| Refusal::bad_request(format!("the body is no JSON object: {wrong}")))
}

fn clock_usage() -> Refusal {
    Refusal::bad_request("one of advance=SECONDS, to=MILLISECONDS since 1970, to=system")
}

fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

/// A foreign web page must not send admin calls through a browser on this machine, nor read answers
/// under a host name that resolves to this machine.
fn refuse_browsers(request: &Request) -> Result<(), Refusal> {
    let has = |name: &str| request.headers.iter().any(|(n, _)| n == name);
    let why = if has("origin") || has("sec-fetch-site") {
        "requests of browsers are not served here"
    } else if !host::is_loopback(request.header("host").unwrap_or_default()) {
        "name this machine as localhost or by a loopback address"
    } else {
        return Ok(());
    };
    Err(Refusal::new(403, "forbidden", why))
}

fn read(body: &mut dyn Read) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    body.take(MAX_BODY + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| Refusal::bad_request("the request ended early"))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(Refusal::bad_request(format!(
            "the body has more than {MAX_BODY} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|_| Refusal::bad_request("the body is not UTF-8"))
}

fn done(outcome: io::Result<()>) -> Result<Value, Refusal> {
    match outcome {
        Ok(()) => Ok(json!({})),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Refusal::not_found(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn unknown(method: &str, path: &[&str]) -> Refusal {
    let path = path.join("/");
    Refusal::not_found(format!(
        "{method} {PREFIX}/{path} is nothing that can be done here"
    ))
}
