//! `hark jobs`: long work of the server, how far it has come, and its end.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::status::text;
use super::watch::{self, Watch};
use crate::out;

/// How often a job is looked at that is waited for.
const PAUSE: Duration = Duration::from_millis(500);

/// Show long work of the server, such as one operation on many incidents: how far it has come.
///
/// With a number: that job alone, and why steps of it have failed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark jobs --watch\n  hark jobs 7\n  hark jobs 7 --wait\n  hark jobs 7 --cancel\n  \
    hark jobs --json | jq '.[] | select(.state == \"running\")'"
)]
pub(super) struct Args {
    /// Only this one.
    id: Option<u64>,
    /// End it between two of its steps; what it has done stays.
    #[arg(long, requires = "id")]
    cancel: bool,
    /// Wait until it has ended; the exit code is 1 if not every step of it was done.
    #[arg(long, requires = "id", conflicts_with = "cancel")]
    wait: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    match args.id {
        None => watch::repeat(&args.watch, 1, || list(&client, args)),
        Some(id) if args.cancel => cancel(&client, id, args),
        Some(id) if args.wait => wait(&client, id, args),
        Some(id) => {
            show(&one(&client, id)?, args);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let jobs = client.get("/api/0/jobs").context("cannot ask for jobs")?;
    if args.api.json {
        out::json(&jobs);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = jobs.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("No long work was ordered within a day.");
    } else {
        out::table(&["JOB", "WHAT", "BY", "STATE", "DONE", "FAILED", "ORDERED", "OUTCOME"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn one(client: &Client, id: u64) -> anyhow::Result<Value> {
    client.get(&format!("/api/0/jobs/{id}")).with_context(|| format!("cannot ask for job {id}"))
}

fn cancel(client: &Client, id: u64, args: &Args) -> anyhow::Result<ExitCode> {
    let path = format!("/api/0/jobs/{id}/cancel");
    let job = client.post(None, &path, &json!({}));
    let job = job.with_context(|| format!("cannot cancel job {id}"))?;
    if args.api.json {
        out::json(&job);
    } else {
        out::line(format!("Job {id} ends: {}.", text(&job["title"])));
    }
    Ok(ExitCode::SUCCESS)
}

fn wait(client: &Client, id: u64, args: &Args) -> anyhow::Result<ExitCode> {
    loop {
        let job = one(client, id)?;
        if job["ended_at"].is_null() {
            client.pause(PAUSE);
            continue;
        }
        show(&job, args);
        let is_whole = job["state"] == "done" && job["failed"] == 0;
        return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
}

fn show(job: &Value, args: &Args) {
    if args.api.json {
        out::json(job);
    } else {
        out::text(describe(job));
    }
}

/// Returns a job for people.
fn describe(job: &Value) -> String {
    let mut lines = vec![format!(
        "job {}: {}\n{}, {} of {} steps done, {} failed",
        job["id"],
        text(&job["title"]),
        text(&job["state"]),
        job["done"],
        job["total"],
        job["failed"],
    )];
    // What came of work that is not one operation on many things.
    lines.extend(Some(text(&job["outcome"])).filter(|outcome| !outcome.is_empty()));
    let failures = job["failures"].as_array().into_iter().flatten();
    lines.extend(failures.map(|f| format!("  {}: {}", text(&f["what"]), text(&f["detail"]))));
    lines.join("\n") + "\n"
}

fn row(job: &Value) -> Vec<String> {
    vec![
        job["id"].to_string(),
        text(&job["title"]),
        text(&job["by"]),
        text(&job["state"]),
        format!("{}/{}", job["done"], job["total"]),
        job["failed"].to_string(),
        out::moment(&text(&job["ordered_at"])),
        text(&job["outcome"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_with_what_has_failed() {
        let job = json!({
            "id": 7, "title": "acknowledge 2 incidents", "state": "done", "done": 2, "total": 2,
            "failed": 1, "by": "mira", "ordered_at": "2026-11-21T10:00:00Z",
            "failures": [{"what": "incident 9", "detail": "this needs the role manager"}]
        });
        assert_eq!(
            describe(&job),
            "job 7: acknowledge 2 incidents\ndone, 2 of 2 steps done, 1 failed\n  \
             incident 9: this needs the role manager\n"
        );
        let row = row(&job);
        assert_eq!(row[..6], ["7", "acknowledge 2 incidents", "mira", "done", "2/2", "1"]);
        assert_eq!(row[7], "", "it has no outcome but its steps");
    }

    #[test]
    fn a_job_is_told_with_what_came_of_it() {
        let job = json!({
            "id": 8, "title": "import samples", "state": "done", "done": 1, "total": 1, "failed": 0,
            "by": "mira", "ordered_at": "2026-11-21T10:00:00Z", "failures": [],
            "outcome": "10 samples read, 10 added"
        });
        assert_eq!(
            describe(&job),
            "job 8: import samples\ndone, 1 of 1 steps done, 0 failed\n10 samples read, 10 added\n"
        );
        assert_eq!(row(&job)[7], "10 samples read, 10 added");
    }
}
