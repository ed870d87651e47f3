//! Instructions of each part, counted by callgrind and compared with what is kept in the repository.
//!
//! Which instructions a processor is given depends on what it can do (tables of memchr and ring look), so
//! that counts are kept for each set of such abilities; where there are none yet, that is said and nothing
//! is compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{PARTS, Part};

/// How much more than what is kept a part may take, in percent.
pub const MOST: f64 = 3.0;

/// How much less it must take before it is asked to write that down.
const WORTH_TELLING: f64 = -3.0;

/// What libraries here ask a processor for and choose their code by, of what valgrind passes on to them.
const ABILITIES: [&str; 4] = ["aes", "pclmulqdq", "avx", "avx2"];

/// Instructions for one turn of each part, by what the processor can do.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// Runs the turns of a part. What is under this function is what is counted: its name stands in the
/// arguments of callgrind.
#[inline(never)]
pub fn hark_cost_turns(turn: &mut dyn FnMut(), turns: u32) {
    for _ in 0..turns {
        turn();
    }
}

/// Carries out so many turns of the part called `name`, as callgrind is asked to watch it.
///
/// # Errors
/// If there is no such part.
pub fn run(name: &str) -> anyhow::Result<()> {
    let part = PARTS.iter().find(|p| p.name == name).with_context(|| format!("no part {name}"))?;
    let mut turn = (part.begin)(part.turns);
    hark_cost_turns(&mut *turn, part.turns);
    Ok(())
}

/// Returns what this processor can do of what matters, as the counts are kept by.
///
/// # Errors
/// If `/proc/cpuinfo` cannot be read.
pub fn abilities() -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo cannot be read")?;
    let flags = text.lines().find(|l| l.starts_with("flags")).unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|f| f == flag);
    Ok(ABILITIES.into_iter().filter(|flag| has(flag)).collect::<Vec<_>>().join("+"))
}

/// Counts the instructions of one turn of `part`.
///
/// # Errors
/// If valgrind is not there, or the part fails.
pub fn instructions(part: &Part) -> anyhow::Result<u64> {
    let program = std::env::current_exe()?;
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let mut named = std::ffi::OsString::from("--callgrind-out-file=");
    named.push(&out);
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*hark_cost_turns*"])
        .arg(named)
        .arg(program)
        .args(["run", part.name])
        .output()
        .context("valgrind cannot be started: it is a package of that name")?;
    if !done.status.success() {
        bail!("{} under callgrind: {}", part.name, String::from_utf8_lossy(&done.stderr));
    }
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().rev().find_map(|line| {
        let rest = line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:"))?;
        rest.trim().parse::<u64>().ok()
    });
    let total = total.with_context(|| format!("callgrind wrote no total for {}", part.name))?;
    Ok(total / u64::from(part.turns))
}

/// Returns where the counts are kept.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt")
}

/// Reads counts: a line with abilities in brackets, then a line for each part.
///
/// # Errors
/// If a line is neither.
pub fn parse(text: &str) -> anyhow::Result<Counts> {
    let mut all = Counts::new();
    let mut under = String::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut under);
            continue;
        }
        let (name, count) = line.split_once(' ').with_context(|| format!("not a count: {line}"))?;
        let count = count.trim().replace(',', "");
        let count = count.parse().with_context(|| format!("not a number: {line}"))?;
        all.entry(under.clone()).or_default().insert(name.to_owned(), count);
    }
    Ok(all)
}

/// Writes counts as [`parse`] reads them.
pub fn render(all: &Counts) -> String {
    let mut text = String::from(
        "# Instructions for one turn of each part, by what the processor can do. Written by\n\
         # `cargo run -p hark-cost --profile fast -- write`; CI compares with `check`.\n",
    );
    for (abilities, counts) in all {
        // Writing to a string cannot fail.
        let _written = write!(text, "\n[{abilities}]\n");
        for (name, count) in counts {
            let _written = writeln!(text, "{name} {count}");
        }
    }
    text
}

/// What a comparison says of one part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// About as before; by how many percent it differs.
    Same(f64),
    /// More than [`MOST`] percent above.
    More(f64),
    /// Clearly less: to be written down, or the next rise is not seen.
    Less(f64),
    /// Nothing is kept of it.
    New,
}

/// Compares what was counted with what is kept.
pub fn compare(kept: Option<u64>, counted: u64) -> Verdict {
    let Some(kept) = kept.filter(|kept| *kept > 0) else { return Verdict::New };
    #[expect(clippy::cast_precision_loss, reason = "a share of some digits")]
    let percent = (counted as f64 / kept as f64 - 1.0) * 100.0;
    if percent > MOST {
        Verdict::More(percent)
    } else if percent < WORTH_TELLING {
        Verdict::Less(percent)
    } else {
        Verdict::Same(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_written() {
        let mut all = Counts::new();
        all.entry("aes+avx".to_owned()).or_default().insert("engine.quiet".to_owned(), 1234);
        all.entry("aes".to_owned()).or_default().insert("config.read".to_owned(), 9);
        assert_eq!(parse(&render(&all)).unwrap(), all);
        assert!(parse("[aes]\nengine.quiet many\n").is_err());
        assert!(parse("[aes]\nengine.quiet\n").is_err());
    }

    #[test]
    fn a_rise_of_more_than_three_percent_is_too_much() {
        assert_eq!(compare(None, 5), Verdict::New);
        assert!(matches!(compare(Some(1000), 1029), Verdict::Same(_)));
        assert!(matches!(compare(Some(1000), 1031), Verdict::More(_)));
        assert!(matches!(compare(Some(1000), 960), Verdict::Less(_)));
    }

    #[test]
    fn what_is_kept_can_be_read_and_names_parts_that_there_are() {
        let kept = parse(&std::fs::read_to_string(file()).unwrap()).unwrap();
        for name in kept.values().flat_map(BTreeMap::keys) {
            assert!(PARTS.iter().any(|p| p.name == name), "there is no part {name} any more");
        }
    }

    #[test]
    fn each_part_runs() {
        for part in PARTS {
            let mut turn = (part.begin)(2);
            turn();
            turn();
        }
    }
}
