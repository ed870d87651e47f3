//! Counts the lines of a file that have any of the patterns of another, one a line, as a watch
//! would find them: `scan PATTERNS FILE`. For comparison with `grep -c -E -f PATTERNS FILE`.

use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

use hark_logs::pattern::Pattern;
use hark_logs::scan::{Scanner, Unit};

/// As a watch reads.
const BUFFER: usize = 256 * 1024;

const COUNTERS: usize = 8;

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
    // Several, so that a line does not wait for the count of the line before it.
    let (mut held, mut found) = (0, [0u64; COUNTERS]);
    // As a watch does: of a line that is longer than the buffer only the beginning is looked at.
    let mut within_long = false;
    loop {
        let read = file.read(buffer.get_mut(held..).unwrap_or_default())?;
        let end = held + read;
        let whole = buffer.get(..end).unwrap_or_default();
        let mut begin = 0;
        if within_long {
            let after = memchr::memchr(b'\n', whole).map(|at| at + 1);
            within_long = after.is_none();
            begin = after.unwrap_or(end);
        }
        let rest = whole.get(begin..).unwrap_or_default();
        let ends = memchr::memrchr(b'\n', rest).map(|at| begin + at + 1);
        let is_long = begin == 0 && ends.is_none() && end == buffer.len();
        let cut = if read == 0 || is_long { end } else { ends.unwrap_or(begin) };
        within_long |= is_long;
        scanner.lines(whole.get(begin..cut).unwrap_or_default(), |line, _| {
            if let Some(counter) = found.get_mut(line.start % COUNTERS) {
                *counter += 1;
            }
        });
        if read == 0 {
            break;
        }
        buffer.copy_within(cut..end, 0);
        held = end - cut;
    }
    let found: u64 = found.iter().sum();
    println(&format!("{found} lines, {} bytes of automata", scanner.memory()));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn println(text: &str) {
    println!("{text}");
}
