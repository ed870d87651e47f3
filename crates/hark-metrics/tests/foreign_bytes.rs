//! The fuzzer's corpus, and mutations of it from a seed, on stable Rust in every run.

#![expect(
    clippy::unwrap_used,
    reason = "the whole crate is a test: what is not expected may fail at once"
)]

use std::fs;
use std::path::PathBuf;

#[path = "../../../fuzz/harness/metrics.rs"]
mod harness;
#[path = "../../../fuzz/harness/random.rs"]
mod random;

use random::Random;

/// How many mutations a common run makes: some seconds.
const MUTATIONS: u64 = 10_000;

fn corpus() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/metrics");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // The first byte chooses the reader.
    let at = 1 + random.below(bytes.len());
    let byte = u8::try_from(random.below(256)).unwrap();
    match random.below(6) {
        0 => bytes.insert(at.min(bytes.len()), byte),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 if at < bytes.len() => bytes[at] ^= byte,
        3 => bytes.truncate(at),
        4 => {
            let from = random.below(other.len());
            let piece: Vec<u8> = other[from..].iter().take(40).copied().collect();
            let at = at.min(bytes.len());
            bytes.splice(at..at, piece);
        }
        _ => {
            let at = at.min(bytes.len());
            let piece: Vec<u8> = bytes[at..].iter().take(30).copied().collect();
            for _ in 0..random.below(20) {
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

#[test]
fn whatever_programs_bring_is_read_or_refused() {
    let corpus = corpus();
    assert!(corpus.len() >= 10, "the corpus is there");
    for input in &corpus {
        harness::run(input);
    }
    let mut random = Random(0x6861_726b);
    for _ in 0..random::mutations(MUTATIONS) {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        for _ in 0..=random.below(8) {
            mutate(&mut bytes, other, &mut random);
        }
        harness::run(&bytes);
    }
}
