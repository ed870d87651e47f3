//! Runs the harness under libFuzzer: `cargo +nightly fuzz run frame`.
#![no_main]

#[path = "../harness/frame.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
