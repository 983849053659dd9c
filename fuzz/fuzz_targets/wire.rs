#![no_main]

use std::sync::OnceLock;

use b2sdk::simulator::fuzz::Wire;
use libfuzzer_sys::fuzz_target;

/// One simulator for all inputs.
static WIRE: OnceLock<Wire> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let wire = WIRE.get_or_init(|| Wire::start().expect("a port is free"));
    wire.send(data);
});
