//! Replays the fuzzer's corpus, and seeded mutations of it.

#[path = "../../../fuzz/harness/logs.rs"]
mod harness;

use std::path::Path;

/// Mutations of each file of the corpus.
const MUTATIONS: u64 = 300;

/// What a mutation writes: signs of patterns, ends of lines, bytes that are no text.
const SIGNS: &[u8] = b"\n\r\0ab.*$^[]\\sx+( \xff";

/// A small generator, the same on every machine.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn whatever_the_fuzzer_found_is_found_line_by_line_as_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/logs");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6);
    let mut seed = 0x5eed;
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        harness::run(&bytes);
        for _ in 0..MUTATIONS {
            let mut mutated = bytes.clone();
            for _ in 0..=next(&mut seed) % 3 {
                let at = usize::try_from(next(&mut seed)).unwrap() % mutated.len();
                let with = SIGNS[usize::try_from(next(&mut seed)).unwrap() % SIGNS.len()];
                if next(&mut seed).is_multiple_of(2) {
                    mutated[at] = with;
                } else {
                    mutated.insert(at, with);
                }
            }
            harness::run(&mutated);
        }
    }
}
