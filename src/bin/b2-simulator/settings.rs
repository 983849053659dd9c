//! The settings that have to be known before the start.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use b2sdk::simulator::{Simulator, SimulatorBuilder, Tls};

use crate::arguments::Arguments;

/// Returns a builder with the settings that have to be known before the start.
pub(super) fn configured(arguments: &Arguments) -> anyhow::Result<SimulatorBuilder> {
    fn set<T>(
        builder: SimulatorBuilder,
        value: Option<T>,
        setter: fn(SimulatorBuilder, T) -> SimulatorBuilder,
    ) -> SimulatorBuilder {
        match value {
            Some(value) => setter(builder, value),
            None => builder,
        }
    }
    let builder = Simulator::builder()
        .custom_timestamps(arguments.custom_timestamps)
        .encrypt_by_default(!arguments.no_default_encryption)
        .trust_forwarded_headers(arguments.trust_forwarded);
    let builder = set(builder, arguments.port, SimulatorBuilder::port);
    let builder = set(builder, arguments.listen, SimulatorBuilder::listen);
    let builder = set(
        builder,
        arguments.data_dir.clone(),
        SimulatorBuilder::data_dir,
    );
    let builder = set(builder, tls(arguments)?, SimulatorBuilder::tls);
    let builder = set(
        builder,
        arguments.public_url.clone(),
        SimulatorBuilder::public_url,
    );
    let builder = set(
        builder,
        arguments.minimum_part_size,
        SimulatorBuilder::minimum_part_size,
    );
    let builder = set(
        builder,
        arguments.recommended_part_size,
        SimulatorBuilder::recommended_part_size,
    );
    let builder = set(
        builder,
        arguments.max_single_file,
        SimulatorBuilder::max_single_file,
    );
    let builder = set(
        builder,
        arguments.max_buckets,
        SimulatorBuilder::max_buckets,
    );
    let builder = set(
        builder,
        arguments.listing_scan_limit,
        SimulatorBuilder::listing_scan_limit,
    );
    let builder = set(builder, arguments.max_rows, SimulatorBuilder::max_rows);
    let builder = set(
        builder,
        arguments.max_connections,
        SimulatorBuilder::max_connections,
    );
    let builder = set(builder, arguments.admin, SimulatorBuilder::admin);
    let builder = set(
        builder,
        arguments.test_mode_seed,
        SimulatorBuilder::test_mode_seed,
    );
    let start = arguments.start_time.map(|millis| {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
        time.context("--start-time is too far in the future")
    });
    Ok(set(
        builder,
        start.transpose()?,
        SimulatorBuilder::start_time,
    ))
}

fn tls(arguments: &Arguments) -> anyhow::Result<Option<Tls>> {
    let read =
        |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    if let (Some(certificates), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        return Ok(Some(Tls::from_pem(read(certificates)?, read(key)?)));
    }
    let is_asked = arguments.tls || arguments.tls_ca.is_some();
    Ok(is_asked.then(Tls::generated))
}
