//! `hark query`: what samples say, in `PromQL`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use hark_api::Timestamp;
use hark_config::{Bare, duration};
use hark_model::{Clock, Unix};
use hark_net::encoded;
use serde_json::Value;

use super::client::{ApiArgs, Client};
use crate::out;

/// Points of a line if no step is given: as many as fit a terminal.
const POINTS: i64 = 60;

/// Ask what samples say, in `PromQL`: at one time, or over some.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark query hark_cpu_load_1min\n  \
    hark query 'topk(5, hark_disk_percent)'\n  \
    hark query 'avg by (host) (hark_cpu_cpu_percent)' --from 6h\n  \
    hark query 'rate(node_network_receive_bytes_total[5m])' --from 2d --step 1h --json\n  \
    hark query 'hark_memory_percent{host=\"db1\"}' --to 2026-11-20T08:00:00Z")]
pub(super) struct Args {
    /// The expression.
    #[arg(value_name = "EXPR")]
    expression: String,
    /// From when: so long ago, such as 6h, or a time. Without it, what is at one time.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when, or at what time; now if not given.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The distance of the points, such as 5m; a sixtieth of the time if not given.
    #[arg(long, value_name = "TIME", requires = "from")]
    step: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let data = client.query(&path(args, Clock.now().unix)?)?;
    if args.api.json {
        out::json(&data);
        return Ok(ExitCode::SUCCESS);
    }
    show(&data)?;
    Ok(ExitCode::SUCCESS)
}

fn path(args: &Args, now: Unix) -> anyhow::Result<String> {
    let query = encoded(&args.expression);
    let to = args.to.as_deref().map_or(Ok(now), |text| moment(text, now).context("--to"))?;
    let Some(from) = &args.from else {
        let at = seconds(to.0);
        return Ok(format!("/prometheus/api/v1/query?query={query}&time={at}"));
    };
    let from = moment(from, now).context("--from")?;
    if from >= to {
        bail!("--from must be before --to");
    }
    let step = match &args.step {
        None => ((to.0 - from.0) / POINTS).max(1000),
        Some(text) => {
            let step = duration::parse(text, Bare::Seconds).map_err(anyhow::Error::msg);
            i64::try_from(step.context("--step")?.as_millis())?
        }
    };
    let (start, end, step) = (seconds(from.0), seconds(to.0), seconds(step));
    Ok(format!("/prometheus/api/v1/query_range?query={query}&start={start}&end={end}&step={step}"))
}

/// Reads a time: so long ago, or as RFC 3339 has it.
fn moment(text: &str, now: Unix) -> anyhow::Result<Unix> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(at.0);
    }
    let back = duration::parse(text, Bare::Seconds).map_err(|_| {
        anyhow::anyhow!("`{text}` is no time: write 6h for six hours ago, or 2026-11-20T08:00:00Z")
    })?;
    Ok(now - back)
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

fn show(data: &Value) -> anyhow::Result<()> {
    let result = &data["result"];
    let lines = || result.as_array().into_iter().flatten();
    match data["resultType"].as_str() {
        Some("scalar" | "string") => out::line(plain(result[1].as_str().unwrap_or_default())),
        Some("vector") => {
            let row = |line: &Value| vec![name(&line["metric"]), number(&line["value"])];
            table(&["SERIES", "VALUE"], &lines().map(row).collect::<Vec<_>>());
        }
        Some("matrix") => {
            let heads = ["SERIES", "LOW", "MEAN", "HIGH", "LAST", ""];
            table(&heads, &lines().map(curve).collect::<Vec<_>>());
        }
        _ => bail!("the answer is of a kind that this hark does not know"),
    }
    Ok(())
}

fn table(heads: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        out::line("No series fits.");
    } else {
        out::table(heads, rows);
    }
}

/// Returns a series as it is written: `up{host="web1"}`.
fn name(metric: &Value) -> String {
    let labels = metric.as_object().into_iter().flatten();
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let pairs = labels.filter(|(name, _)| *name != "__name__");
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={:?}", text(value))).collect();
    format!("{}{{{}}}", text(&metric["__name__"]), pairs.join(","))
}

fn plain(text: &str) -> String {
    text.replace(hark_model::labels::is_hidden, " ")
}

fn value_of(point: &Value) -> Option<f64> {
    point[1].as_str()?.parse().ok()
}

fn number(point: &Value) -> String {
    value_of(point).map_or_else(String::new, shown)
}

fn shown(value: f64) -> String {
    if value.is_finite() && value.abs() < 1e15 {
        hark_model::sample::show(value)
    } else {
        value.to_string()
    }
}

/// Returns a series over time: its extremes, its mean, its last value, and how it went.
fn curve(line: &Value) -> Vec<String> {
    let points: Vec<f64> =
        line["values"].as_array().into_iter().flatten().filter_map(value_of).collect();
    let finite: Vec<f64> = points.iter().copied().filter(|value| value.is_finite()).collect();
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a number of points")]
    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
    let last = points.last().copied().unwrap_or(f64::NAN);
    vec![
        name(&line["metric"]),
        shown(low),
        shown(mean),
        shown(high),
        shown(last),
        spark(&points, low, high),
    ]
}

fn spark(points: &[f64], low: f64, high: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = usize::try_from(POINTS).unwrap_or(usize::MAX);
    let every = points.len().div_ceil(most).max(1);
    let bar = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let height = if high > low { (value - low) / (high - low) } else { 0.5 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
        let step = (height * 7.0).round() as usize;
        BARS.get(step).copied().unwrap_or(' ')
    };
    points.iter().step_by(every).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_ago_or_said() {
        let now = Unix(1_795_132_800_000);
        assert_eq!(moment("6h", now).unwrap(), Unix(now.0 - 21_600_000));
        assert_eq!(moment("2026-11-20T00:00:00Z", now).unwrap(), now);
        assert!(moment("yesterday", now).is_err());
    }

    #[test]
    fn a_series_over_time_is_a_line() {
        let values: Vec<Value> = (0..120).map(|n| json!([n, (n % 8).to_string()])).collect();
        let line = json!({"metric": {"__name__": "up", "a": "b\n"}, "values": values});
        let row = curve(&line);
        assert_eq!(row[..5], ["up{a=\"b \"}", "0.0", "3.5", "7.0", "7.0"]);
        assert_eq!(row[5].chars().count(), 60);
        assert!(row[5].starts_with("▁▃▅▇▁"), "{}", row[5]);
        assert_eq!(spark(&[1.0, f64::NAN, 1.0], 1.0, 1.0), "▅ ▅");
    }
}
