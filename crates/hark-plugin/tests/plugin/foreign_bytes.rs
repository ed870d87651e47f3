//! The fuzzer's corpus, and mutations of it from a seed, on stable Rust in every run.

use std::path::PathBuf;
use std::{env, fs};

#[path = "../../../../fuzz/harness/plugin_output.rs"]
mod harness;

/// How many mutations a common run makes: some seconds.
const MUTATIONS: u64 = 5_000;

/// A generator that gives the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/plugin_output");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Bytes that have a meaning to one of the readers.
const SIGNS: &[u8] = b"|=;:'\"\\@~{}[],#\n \t%.-+eU0\x00\x1b\xff";

fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    match numbers.below(6) {
        0 => bytes.insert(at, SIGNS[numbers.below(SIGNS.len())]),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 if at < bytes.len() => bytes[at] = SIGNS[numbers.below(SIGNS.len())],
        3 => bytes.truncate(at.max(1)),
        4 => {
            let from = numbers.below(other.len());
            let piece = other[from..].iter().take(40).copied().collect::<Vec<_>>();
            bytes.splice(at..at, piece);
        }
        _ => {
            let piece: Vec<u8> = bytes[at..].iter().take(30).copied().collect();
            for _ in 0..numbers.below(20) {
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

#[test]
fn whatever_foreign_programs_print_is_read_or_refused() {
    let corpus = corpus();
    assert!(corpus.len() >= 12, "the corpus is there");
    for input in &corpus {
        harness::run(input);
    }
    #[expect(clippy::disallowed_methods, reason = "the long form of this test alone")]
    let wanted = env::var("HARK_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let mut numbers = Numbers(0x6861_726b);
    for _ in 0..wanted.unwrap_or(MUTATIONS) {
        let mut bytes = corpus[numbers.below(corpus.len())].clone();
        let other = &corpus[numbers.below(corpus.len())];
        for _ in 0..=numbers.below(8) {
            mutate(&mut bytes, other, &mut numbers);
        }
        harness::run(&bytes);
    }
}
