//! Series of a host as a table for other programs: what its chart shows, with the same names and times.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::Timestamp;
use hark_api::series::{Series, SeriesQuery};
use hark_model::{HostName, Unix};
use http::{HeaderValue, header};

use super::series::shaped;
use crate::app::Shared;
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::policy::Action;
use crate::who::Who;

/// The type of the answer, with its first line being names.
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Returns series of a host as comma-separated values: a line for each point, and of each series its mean,
/// lowest and highest value there. A value that is not there is empty.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/series.csv", tag = "hosts",
    params(("host" = String, Path, description = "The host's name."), SeriesQuery),
    responses((status = 200, body = String, content_type = "text/csv"))
)]
pub(crate) async fn csv(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
    Params(query): Params<SeriesQuery>,
) -> Reply<Response> {
    let host = who.host(Action::See, &host)?;
    let series = shaped(&app, host.clone(), &query).await?;
    let from = Unix(series.from_unix_s.saturating_mul(1000));
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file(&host, from)))
        .map_err(|_| Failure::Internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(CSV)),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, written(&series)).into_response())
}

/// Returns a name for the file that no system stumbles over.
fn file(host: &HostName, from: Unix) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    format!("{}-{}.csv", host.as_str().chars().map(safe).collect::<String>(), from.seconds())
}

fn written(series: &Series) -> String {
    let mut text = String::from("time,unix_s");
    for name in &series.names {
        for part in ["avg", "min", "max"] {
            text.push(',');
            text.push_str(&cell(&format!("{name} {part}")));
        }
    }
    text.push_str("\r\n");
    for (row, at) in series.at_unix_s.iter().enumerate() {
        let moment = Timestamp(Unix(at.saturating_mul(1000)));
        // Writing to a text cannot fail.
        let _written = write!(text, "{moment},{at}");
        for line in 0..series.names.len() {
            for columns in [&series.avg, &series.min, &series.max] {
                text.push(',');
                let value = columns.get(line).and_then(|column| column.get(row)).copied();
                if let Some(value) = value.flatten() {
                    let _written = write!(text, "{value}");
                }
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// Writes a name as one cell. One that a table program would take for a formula is a text to it: names
/// come from agents.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_a_line_and_what_is_missing_is_empty() {
        let series = Series {
            at_unix_s: vec![1_795_176_000, 1_795_176_060],
            names: vec!["a.b".to_owned(), "disk_monitor./x,y.percent".to_owned()],
            avg: vec![vec![Some(1.5), None], vec![Some(2.0), Some(-0.25)]],
            min: vec![vec![Some(1.0), None], vec![Some(2.0), Some(-0.5)]],
            max: vec![vec![Some(2.0), None], vec![Some(2.0), Some(0.0)]],
            ..Series::default()
        };
        let text = "time,unix_s,a.b avg,a.b min,a.b max,\"disk_monitor./x,y.percent avg\",\
                    \"disk_monitor./x,y.percent min\",\"disk_monitor./x,y.percent max\"\r\n\
                    2026-11-20T12:00:00Z,1795176000,1.5,1,2,2,2,2\r\n\
                    2026-11-20T12:01:00Z,1795176060,,,,-0.25,-0.5,0\r\n";
        assert_eq!(written(&series), text);
    }

    #[test]
    fn a_name_is_never_a_formula() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@sum(\"a\",1)"), "\"'@sum(\"\"a\"\",1)\"");
        assert_eq!(cell("cpu_monitor.cpu_percent"), "cpu_monitor.cpu_percent");
    }

    #[test]
    fn names_of_files_are_plain() {
        let host = HostName::new("db-03.fra").unwrap();
        assert_eq!(file(&host, Unix(5000)), "db-03.fra-5.csv");
    }
}
