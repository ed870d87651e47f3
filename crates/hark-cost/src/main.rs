//! `hark-cost`: counts the instructions of each part and holds them against what is kept.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use hark_cost::count::{self, Counts, Verdict};
use hark_cost::{PARTS, Part};

const HELP: &str = "\
hark-cost list          what is measured
hark-cost check         count the instructions of each part; fails if one takes 3 % more than kept
hark-cost write         count, and keep what was counted
hark-cost run PART      the turns of one part, for a profiler
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["list"] => {
            for part in PARTS {
                say(&format!("{:20} {}", part.name, part.what));
            }
        }
        ["run", name] => count::run(name)?,
        ["check"] => return check(),
        ["write"] => write()?,
        [] | ["help" | "--help" | "-h"] => say(HELP.trim_end()),
        other => bail!("no such command: {}\n{HELP}", other.join(" ")),
    }
    Ok(ExitCode::SUCCESS)
}

fn kept() -> anyhow::Result<Counts> {
    match std::fs::read_to_string(count::file()) {
        Ok(text) => count::parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Counts::new()),
        Err(error) => Err(error.into()),
    }
}

fn check() -> anyhow::Result<ExitCode> {
    let abilities = count::abilities()?;
    let Some(kept) = kept()?.remove(&abilities) else {
        say(&format!("nothing is kept for a processor with {abilities}: nothing was compared"));
        return Ok(ExitCode::SUCCESS);
    };
    let mut is_good = true;
    for part in PARTS {
        let counted = count::instructions(part)?;
        let verdict = count::compare(kept.get(part.name).copied(), counted);
        is_good &= !matches!(verdict, Verdict::More(_) | Verdict::New);
        say(&line(part, counted, verdict));
    }
    if !is_good {
        say(
            "if that is meant: cargo run -p hark-cost --profile fast -- write, and say why in the commit",
        );
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(part: &Part, counted: u64, verdict: Verdict) -> String {
    let said = match verdict {
        Verdict::Same(percent) => format!("{percent:+.1} %"),
        Verdict::More(percent) => format!("{percent:+.1} %: more than {} %", count::MOST),
        Verdict::Less(percent) => format!("{percent:+.1} %: less, which can be kept by `write`"),
        Verdict::New => "nothing is kept of it".to_owned(),
    };
    format!("{:20} {counted:>12} {said}", part.name)
}

fn write() -> anyhow::Result<()> {
    let mut all = kept()?;
    let mut counts = std::collections::BTreeMap::new();
    for part in PARTS {
        let counted = count::instructions(part)?;
        say(&format!("{:20} {counted:>12}", part.name));
        counts.insert(part.name.to_owned(), counted);
    }
    all.insert(count::abilities()?, counts);
    std::fs::write(count::file(), count::render(&all))?;
    Ok(())
}

/// The one place that prints.
fn say(text: &str) {
    // Whoever closed the other end does not want to know.
    let _written = writeln!(std::io::stdout(), "{text}");
}
