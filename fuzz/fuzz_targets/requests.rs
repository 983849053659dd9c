#![no_main]

use b2sdk::simulator::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::requests(data));
