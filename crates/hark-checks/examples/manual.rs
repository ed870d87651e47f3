//! Prints the manual's page about check types; `cargo xtask manual` puts it into `docs/checks.md`.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

fn main() {
    print!("{}", hark_checks::manual());
}
