//! `cargo bench -p hark-cost`: how long each part takes.

use divan::Bencher;
use hark_cost::{PARTS, Part};

/// Parts whose turns are prepared have this many.
const PREPARED: u32 = 200_000;

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|part| part.name)
}

fn find(name: &str) -> &'static Part {
    PARTS.iter().find(|part| part.name == name).expect("one of the names above")
}

#[divan::bench(args = names(), max_time = 2)]
fn part(bencher: Bencher<'_, '_>, name: &str) {
    let part = find(name);
    let turn = (part.begin)(PREPARED.min(part.turns * 20));
    bencher.bench_local(turn);
}
