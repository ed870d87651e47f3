//! What it costs us to run a program, beyond what the program itself takes:
//! `cargo run --profile fast -p hark-plugin --example cost -- hark 2000 check_dummy 0`, and with `barely`
//! instead of `hark` what it costs anybody to start it, read its output and wait for its end.
//! `scripts/bench-plugins` runs both in turn and counts what the programs themselves took as well.

#![expect(clippy::print_stdout, reason = "a measurement for a person")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_model::Clock;
use hark_plugin::{Happened, Invocation, Output, Permit, Poller, Program, Runner, nagios};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let how = arguments.next().ok_or("hark or barely?")?;
    let runs: u32 = arguments.next().ok_or("how often?")?.parse()?;
    let program = Program::new(arguments.collect())?;
    let (before, begin) = (own_nanoseconds()?, Clock.micros());
    match how.as_str() {
        "hark" => run(&program, runs)?,
        "barely" => barely(&program, runs)?,
        _ => return Err("hark or barely?".into()),
    }
    let cpu = (own_nanoseconds()? - before) / u64::from(runs) / 1000;
    let wall = Clock.micros().since(begin) / u64::from(runs);
    println!("{runs} runs: {cpu} us of ours and {wall} us in all for each");
    Ok(())
}

/// Runs it as the agent does, and understands what it prints.
fn run(program: &Program, runs: u32) -> Result<(), Box<dyn std::error::Error>> {
    let invocation = Invocation {
        program: Arc::new(program.clone()),
        permit: Permit::host_file("cost"),
        limit: Some(Duration::from_secs(10)),
        output: Output::Whole,
        memory: None,
    };
    let mut runner = Runner::new(&format!("cost-{}", std::process::id()), 1);
    let mut poller = Poller::default();
    for _ in 0..runs {
        runner.start(&invocation, Clock.now())?;
        while runner.running() > 0 {
            poller.clear();
            runner.wait_for(&mut poller);
            poller.wait(None)?;
            let mut happened = Vec::new();
            runner.advance(&poller, Clock.now(), &mut happened);
            for happened in happened {
                if let Happened::Ended(_, finished) = happened {
                    std::hint::black_box(nagios::read(&finished));
                }
            }
        }
    }
    Ok(())
}

/// Starts it, reads its output and waits for its end, and no more.
fn barely(program: &Program, runs: u32) -> Result<(), Box<dyn std::error::Error>> {
    let path = program.path().ok_or("there is no such program")?;
    for _ in 0..runs {
        let mut command = Command::new(&path);
        command.args(program.arguments().iter().skip(1)).stdin(Stdio::null()).stderr(Stdio::null());
        command.output()?;
    }
    Ok(())
}

/// Processor time of this thread, as the scheduler counts it; that of children is not in it.
fn own_nanoseconds() -> Result<u64, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_ascii_whitespace().next().ok_or("an empty schedstat")?.parse()?)
}
