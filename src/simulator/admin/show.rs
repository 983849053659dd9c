//! The simulator's settings and requests as JSON. It contains no secret.

use serde_json::{Value, json};

use crate::model::operation::Operation;
use crate::simulator::account::settings::Settings;
use crate::simulator::account::world::World;
use crate::simulator::clock::Clock;
use crate::simulator::faults::{Faults, Shaping};
use crate::simulator::log::{LogEntry, RequestLog};

pub(super) fn faults(faults: &Faults) -> Value {
    let list = faults
        .list()
        .into_iter()
        .map(|(id, fault)| json!({ "fault": fault.to_string(), "id": id.number() }));
    json!({ "faults": list.collect::<Vec<Value>>() })
}

pub(super) fn shaping(shaping: &Shaping) -> Value {
    json!({
        "downloadRate": shaping.download_rate,
        "latencyMillis": millis(shaping.latency),
        "uploadRate": shaping.upload_rate,
    })
}

pub(super) fn clock(clock: &Clock) -> Value {
    json!({
        "aheadMillis": clock.ahead_millis(),
        "date": httpdate::fmt_http_date(clock.now()),
        "millis": clock.now_millis(),
    })
}

pub(super) fn keys(world: &World) -> Value {
    let state = world.state();
    let keys = state.keys.values().map(|key| {
        json!({
            "applicationKeyId": key.id,
            "bucketIds": key.bucket_ids,
            "capabilities": key.capabilities,
            "expirationTimestamp": key.expires,
            "isMaster": key.is_master,
            "keyName": key.name,
            "namePrefix": key.name_prefix,
        })
    });
    json!({ "keys": keys.collect::<Vec<Value>>() })
}

pub(super) fn caps(world: &World) -> Value {
    let (caps, used) = (world.caps(), world.usage());
    let pair = |cap: Option<u64>, used: u64| json!({ "cap": cap, "used": used });
    json!({
        "classB": pair(caps.class_b, used.class_b),
        "classC": pair(caps.class_c, used.class_c),
        "download": pair(caps.download, used.download),
        "storage": pair(caps.storage, used.storage),
    })
}

/// What can be set while it runs: see `Admin::set_settings`.
pub(super) fn settings(settings: Settings) -> Value {
    let Settings {
        absolute_minimum_part_size,
        recommended_part_size,
        max_single_file,
        encrypt_by_default,
        custom_timestamps,
        max_buckets,
        listing_scan_limit,
        max_rows,
        test_mode_seed,
    } = settings;
    json!({
        "customTimestamps": custom_timestamps,
        "encryptByDefault": encrypt_by_default,
        "listingScanLimit": listing_scan_limit,
        "maxBuckets": max_buckets,
        "maxRows": max_rows,
        "maxSingleFile": max_single_file,
        "minimumPartSize": absolute_minimum_part_size,
        "recommendedPartSize": recommended_part_size,
        "testModeSeed": test_mode_seed,
    })
}

/// The last requests, oldest first, and how many there were of each kind.
pub(super) fn log(log: &RequestLog, last: usize) -> Value {
    let entries = log.entries();
    let skipped = entries.len().saturating_sub(last);
    let shown: Vec<Value> = entries.iter().skip(skipped).map(entry).collect();
    json!({ "counts": log.counts(), "requests": shown })
}

fn entry(entry: &LogEntry) -> Value {
    let LogEntry {
        operation,
        method,
        path,
        status,
        error_code,
        upload_url: _,
        body_bytes,
        expect_continue,
        connection,
        fault,
        file_name,
        range,
        elapsed,
    } = entry;
    json!({
        "bodyBytes": body_bytes,
        "connection": connection,
        "errorCode": error_code,
        "elapsedMillis": millis(*elapsed),
        "expectContinue": expect_continue,
        "fault": fault,
        "fileName": file_name,
        "method": method,
        "operation": operation.map(Operation::name),
        "path": path,
        "range": range,
        "status": status,
    })
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
