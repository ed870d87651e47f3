//! Runs one check on many targets, as the server does, and says how many were well: what a look costs,
//! without engine and history.
//!
//! ```text
//! sweep ping 10000 1000 < addresses        # type, how many at once at most, how many a second (0: no pace)
//! ```
//! Addresses come one a line; `{}` in further settings (`url=http://{}/`) stands for them. The checks are read
//! first, as a server reads its configuration once: the CPU of reading and of looking is told apart.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hark_checks::{Check, Context};
use hark_model::Status;
use hark_net::Resolver;
use tokio::task::JoinSet;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kind, most, rate, settings @ ..] = words.as_slice() else {
        return ExitCode::from(2);
    };
    let (Ok(most), Ok(rate)) = (most.parse::<usize>(), rate.parse::<u32>()) else {
        return ExitCode::from(2);
    };
    let targets: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let checks = read(kind, settings, &targets);
    let began = cpu_nanoseconds();
    let n_well = runtime.block_on(sweep(most.max(1), rate, &checks));
    let each = |nanoseconds: u64| {
        nanoseconds / 10 / u64::try_from(targets.len()).unwrap_or(u64::MAX).max(1)
    };
    let (read, looked) = (each(began), each(cpu_nanoseconds() - began));
    let said = writeln!(
        std::io::stdout(),
        "{n_well} of {} are well; CPU of a look {}.{:02} us, of reading its settings {}.{:02} us",
        targets.len(),
        looked / 100,
        looked % 100,
        read / 100,
        read % 100,
    );
    if said.is_ok() && n_well == targets.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the CPU time of this thread, which is the only one.
fn cpu_nanoseconds() -> u64 {
    let figures = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    figures.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn read(kind: &str, settings: &[String], targets: &[String]) -> Vec<Arc<dyn Check>> {
    let read = |target: &String| {
        let options: Vec<(String, String)> = settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.replace("{}", target)))
            .collect();
        hark_checks::from_target(kind, target, &options).ok().map(Arc::from)
    };
    targets.iter().filter_map(read).collect()
}

async fn sweep(most: usize, rate: u32, checks: &[Arc<dyn Check>]) -> usize {
    let context = Arc::new(Context::new(Arc::new(Resolver::default())));
    let mut running = JoinSet::new();
    let mut n_well = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    let mut room = 0;
    for check in checks {
        while running.len() >= most {
            n_well += well(running.join_next().await.as_ref());
        }
        if rate > 0 {
            while room == 0 {
                pace.tick().await;
                room = rate.div_ceil(1000);
            }
            room -= 1;
        }
        let (check, context) = (Arc::clone(check), Arc::clone(&context));
        running.spawn(async move { hark_checks::run(&*check, &context).await.0.status });
        while let Some(done) = running.try_join_next() {
            n_well += well(Some(&done));
        }
    }
    while let Some(done) = running.join_next().await {
        n_well += well(Some(&done));
    }
    n_well
}

fn well(done: Option<&Result<Status, tokio::task::JoinError>>) -> usize {
    usize::from(matches!(done, Some(Ok(Status::Ok))))
}
