//! What it costs us to run a program, beyond what the program itself takes:
//! `cargo run --profile fast -p hark-plugin --example cost -- 2000 check_dummy 0`. Beside it in the same run:
//! what it costs anybody to start it, read its output and wait for its end.

#![expect(clippy::print_stdout, reason = "a measurement for a person")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_model::Clock;
use hark_plugin::{Happened, Invocation, Output, Permit, Poller, Program, Runner, nagios};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs: u32 = arguments.next().ok_or("how often?")?.parse()?;
    let program = Program::new(arguments.collect())?;
    let invocation = Invocation {
        program: Arc::new(program.clone()),
        permit: Permit::host_file("cost"),
        limit: Some(Duration::from_secs(10)),
        output: Output::Whole,
        memory: None,
    };
    let mut runner = Runner::new(&format!("cost-{}", std::process::id()), 1);
    let mut poller = Poller::default();
    let (before, begin) = (own_nanoseconds()?, Clock.micros());
    let mut values = 0;
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
                    values += nagios::read(&finished).values.len();
                }
            }
        }
    }
    let cpu = (own_nanoseconds()? - before) / u64::from(runs) / 1000;
    let wall = Clock.micros().since(begin) / u64::from(runs);
    let before = own_nanoseconds()?;
    let path = program.path().ok_or("there is no such program")?;
    for _ in 0..runs {
        let mut command = Command::new(&path);
        command.args(program.arguments().iter().skip(1)).stdin(Stdio::null()).stderr(Stdio::null());
        command.output()?;
    }
    let barely = (own_nanoseconds()? - before) / u64::from(runs) / 1000;
    println!(
        "{runs} runs, {values} values: {cpu} us of ours and {wall} us in all for each; {barely} us if it is \
         barely started and waited for"
    );
    Ok(())
}

/// Processor time of this thread, as the scheduler counts it; that of children is not in it.
fn own_nanoseconds() -> Result<u64, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_ascii_whitespace().next().ok_or("an empty schedstat")?.parse()?)
}
