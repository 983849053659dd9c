//! Unpredictable characters for ids and tokens, from the seed that the operating system gives to
//! the standard library's hash maps. That suffices for a local service, but not to protect real
//! data.

use std::hash::{BuildHasher, RandomState};

const HEX: &[u8] = b"0123456789abcdef";
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn hex(length: usize) -> String {
    characters(HEX, length)
}

pub(crate) fn base64_url(length: usize) -> String {
    characters(BASE64_URL, length)
}

/// Any number.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(0)
}

/// A number below `limit`, which must not be 0.
pub(crate) fn below(limit: usize) -> usize {
    let draw = RandomState::new().hash_one(limit) % limit as u64;
    usize::try_from(draw).unwrap_or(0)
}

/// The alphabets hold 16 or 64 characters, so a remainder favours none of them.
fn characters(alphabet: &[u8], length: usize) -> String {
    let seeded = RandomState::new();
    (0..length)
        .map(|position| {
            let draw = seeded.hash_one(position) % alphabet.len() as u64;
            char::from(alphabet[usize::try_from(draw).unwrap_or(0)])
        })
        .collect()
}

/// The next number of the sequence of this seed (SplitMix64).
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
