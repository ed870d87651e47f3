//! Watches a file for the patterns of another, one a line, for some seconds, and says what that took:
//! `watch PATTERNS FILE SECONDS`.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_logs::{Item, Logs, Settings, Watch};
use hark_model::Clock;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [patterns, file, seconds] = arguments.as_slice() else {
        return Err("usage: watch PATTERNS FILE SECONDS".into());
    };
    let patterns = std::fs::read_to_string(patterns)?;
    let quoted = patterns.lines().map(|pattern| format!("'{}'", pattern.replace('\'', "''")));
    let list = quoted.collect::<Vec<_>>().join(", ");
    let text = format!("logs: {{w: {{file: '{file}', match: [{list}], count_every: 1s}}}}\n");
    let document = Document::single(&text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    let mistakes = document.diagnostics().render(Style::Plain);
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    drop(document);
    let before = resident()?;
    let mut logs = Logs::new(Settings::new(watches), None, Clock.now())?;
    let (never, _rope) = std::io::pipe()?;
    let until = Clock.now().mono + Duration::from_secs(seconds.parse()?);
    let (mut counted, mut turns) = (0, 0u64);
    while Clock.now().mono < until {
        for item in logs.work(Clock.now()).map(|batch| batch.items).unwrap_or_default() {
            if let Item::Count { value, .. } = item {
                counted += value;
            }
        }
        turns += 1;
        logs.wait(never.as_fd(), || Clock.now())?;
    }
    let after = resident()?;
    println(&format!(
        "{counted} hits, {turns} turns, {} bytes of automata, resident before {before}, after {after}, \
         {}",
        logs.memory(),
        std::fs::read_to_string("/proc/thread-self/schedstat")?.trim(),
    ));
    Ok(ExitCode::SUCCESS)
}

/// Returns what the system says of this program's memory, all of it and what is its own.
fn resident() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    Ok(format!("{} kB ({} kB anonymous)", of("VmRSS"), of("RssAnon")))
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn println(text: &str) {
    println!("{text}");
}
