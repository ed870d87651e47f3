//! Runs the harness under libFuzzer: `cargo +nightly fuzz run datagram`.
#![no_main]

#[path = "../harness/datagram.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::run(input));
