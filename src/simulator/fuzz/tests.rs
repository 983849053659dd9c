//! Each target over its seeds, and over what becomes of them when bytes are lost, doubled or
//! changed. The fuzzers proper are in `fuzz/`.

use std::fs;
use std::path::Path;

use super::{Wire, fault, fields, names, range, requests};

/// How often each seed is damaged.
const ROUNDS: usize = 20;

/// The seeds of a target, and variants of them.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/fuzz")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 2, "{} has no seeds", folder.display());
    seeds
}

/// A sequence of numbers that is the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

fn damaged(seed: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=draws.below(3) {
        let at = draws.below(data.len());
        match (draws.below(4), data.get(at).copied()) {
            (_, None) => break,
            (0, _) => drop(data.remove(at)),
            (1, Some(byte)) => data.insert(at, byte),
            (2, _) => data.truncate(at + 1),
            (_, Some(byte)) => data[at] = byte ^ (1 << draws.below(8)),
        }
    }
    data
}

fn run(target: &str, rounds: usize, feed: impl Fn(&[u8])) {
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    for seed in seeds(target) {
        feed(&seed);
        for _ in 0..rounds {
            feed(&damaged(&seed, &mut draws));
        }
    }
}

#[test]
fn names_survive() {
    run("names", ROUNDS, names);
}

#[test]
fn ranges_survive() {
    run("range", ROUNDS, range);
}

#[test]
fn fields_survive() {
    run("fields", ROUNDS, fields);
}

#[test]
fn faults_survive() {
    run("fault", ROUNDS, fault);
}

#[test]
fn requests_survive() {
    run("requests", ROUNDS, requests);
}

#[test]
fn a_running_simulator_survives() {
    let wire = Wire::start().unwrap();
    run("wire", 2, |data| wire.send(data));
}
