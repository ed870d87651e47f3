//! Prints the manual's page about receivers; `cargo xtask manual` puts it into `docs/receivers.md`.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

fn main() {
    print!("{}", hark_notify::manual());
}
