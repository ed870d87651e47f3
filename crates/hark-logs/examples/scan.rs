//! Counts the lines of a file that have any of the patterns of another, one a line, as a watch
//! would find them: `scan PATTERNS FILE`. For comparison with `grep -c -E -f PATTERNS FILE`.

use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

use hark_logs::pattern::Pattern;
use hark_logs::scan::{Scanner, Unit};

/// As a watch reads.
const BUFFER: usize = 256 * 1024;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(patterns), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: scan PATTERNS FILE".into());
    };
    let texts = std::fs::read_to_string(patterns)?;
    let patterns: Vec<Pattern> = texts.lines().map(Pattern::new).collect::<Result<_, _>>()?;
    let mut scanner = Scanner::new(&patterns, Unit::Lines)?;
    let mut file = File::open(file)?;
    let mut buffer = vec![0; BUFFER];
    let (mut held, mut found) = (0, 0u64);
    loop {
        let read = file.read(buffer.get_mut(held..).unwrap_or_default())?;
        let end = held + read;
        let whole = buffer.get(..end).unwrap_or_default();
        let cut =
            if read == 0 { end } else { memchr::memrchr(b'\n', whole).map_or(0, |at| at + 1) };
        scanner.lines(whole.get(..cut).unwrap_or_default(), |_, _| found += 1);
        if read == 0 {
            break;
        }
        buffer.copy_within(cut..end, 0);
        held = end - cut;
    }
    println(&format!("{found} lines, {} bytes of automata", scanner.memory()));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn println(text: &str) {
    println!("{text}");
}
