//! Lives a week, or a part of one, and prints its table and what was wrong.
//!
//! ```text
//! cargo run --profile fast -p hark-sim --example week -- [HOSTS=5000] [DAYS=7] [SEED=1] [UNTIL]
//! ```
//!
//! With `UNTIL` it ends in that second, before the troubles are over: for what was found there.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;

use hark_sim::week::{Form, Week};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let mut next = |usual: u64| numbers.next().unwrap_or(Ok(usual));
    let hosts = usize::try_from(next(5_000)?)?;
    let (days, seed) = (next(7)?, next(1)?);
    let site = if hosts < 1_000 { Form::DAY.site } else { Form::WEEK.site };
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let mut week = Week::new(Form { hosts, site, seconds: days * 86_400, seed }, folder.path());
    match numbers.next() {
        Some(until) => week.live_until(until?)?,
        None => week.run()?,
    }
    print!("{}", week.counts().table());
    for violation in week.violations() {
        println!("{violation}");
    }
    if week.violations().is_empty() { Ok(()) } else { Err("not told as the model has it".into()) }
}
