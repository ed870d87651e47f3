//! Prints the manual's page about collectors; `cargo xtask manual` puts it into `docs/collectors.md`.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

fn main() {
    print!("{}", hark_agent::manual());
}
