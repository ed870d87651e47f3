//! What the parts of hark cost, each as one closure that is called again and again.
//!
//! The same parts are timed (`cargo bench -p hark-cost`, by divan) and counted in instructions
//! (`cargo run -p hark-cost --profile fast -- check`, by callgrind, see [`count`]): time is what one wants
//! to know and differs from run to run; instructions hardly differ, so that CI can hold a change to them.
//!
//! A part that this crate cannot reach, because it needs the binary, is measured by `hark bench` or by a
//! script: `docs/benchmarks.md` has all of them.

pub mod count;
mod parts;

pub use parts::{PARTS, Part};
