//! Runs one check on many targets, as the server does, and says how many were well: what a look costs,
//! without engine and history.
//!
//! ```text
//! sweep ping 10000 1000 < addresses        # type, how many at once at most, how many a second (0: no pace)
//! ```
//! Addresses come one a line; `{}` in further settings (`url=http://{}/`) stands for them.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hark_checks::Context;
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
    let n_well = runtime.block_on(sweep(kind, most.max(1), rate, settings, &targets));
    let said = writeln!(std::io::stdout(), "{n_well} of {} are well", targets.len());
    if said.is_ok() && n_well == targets.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn sweep(
    kind: &str,
    most: usize,
    rate: u32,
    settings: &[String],
    targets: &[String],
) -> usize {
    let context = Arc::new(Context::new(Arc::new(Resolver::default())));
    let mut running = JoinSet::new();
    let mut n_well = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    let mut room = 0;
    for target in targets {
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
        let options: Vec<(String, String)> = settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.replace("{}", target)))
            .collect();
        let Ok(check) = hark_checks::from_target(kind, target, &options) else { continue };
        let context = Arc::clone(&context);
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
