//! Metrics of a host over time.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::series::{Lanes, MAX_NAMES, Metrics, Series, SeriesQuery, SpanQuery};
use hark_model::{HostName, Unix};

use super::shape::{self, Shape};
use crate::app::Shared;
use crate::backend::SeriesOrder;
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::policy::Action;
use crate::who::Who;

/// The time shown if only the end is known: an hour of a chart, a day of a lane.
pub(super) const CHART: Duration = Duration::from_hours(1);
const LANE: Duration = Duration::from_hours(24);

/// The longest time that can be asked for: ten years.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// Returns the metrics of a host.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/metrics", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = Metrics))
)]
pub(crate) async fn metrics(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<Metrics>> {
    let host = who.host(Action::See, &host)?;
    app.ask(move |backend| backend.metrics(&host)).await.map(Json)
}

/// Returns series of a host by columns.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/series", tag = "hosts",
    params(("host" = String, Path, description = "The host's name."), SeriesQuery),
    responses((status = 200, body = Series))
)]
pub(crate) async fn series(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
    Params(query): Params<SeriesQuery>,
) -> Reply<Json<Series>> {
    let host = who.host(Action::See, &host)?;
    shaped(&app, host, &query).await.map(Json)
}

/// Asks for series of a host in the form that is asked for.
pub(super) async fn shaped(app: &Shared, host: HostName, query: &SeriesQuery) -> Reply<Series> {
    let (from, to) = span(query.from, query.to, CHART, app.now().unix)?;
    let form = (query.step, query.fill, query.top, query.by);
    let shape = Shape::new(form, (from, to), MAX_NAMES)?;
    let points = shape::points(query.points);
    let order = SeriesOrder { names: names(&query.names)?, from, to, points };
    app.ask(move |backend| {
        let mut series = shape.ask(backend, &host, &order)?;
        shape.choose(&mut series);
        shape.finish(&mut series, &order);
        Ok(series)
    })
    .await
}

/// Returns the states of the checks of a host over time.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/lanes", tag = "hosts",
    params(("host" = String, Path, description = "The host's name."), SpanQuery),
    responses((status = 200, body = Lanes))
)]
pub(crate) async fn lanes(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
    Params(query): Params<SpanQuery>,
) -> Reply<Json<Lanes>> {
    let host = who.host(Action::See, &host)?;
    let (from, to) = span(query.from, query.to, LANE, app.now().unix)?;
    app.ask(move |backend| backend.lanes(&host, from, to)).await.map(Json)
}

/// Returns the times of a query, in Unix seconds there, or the last `length` before `to` or now.
pub(super) fn span(
    from: Option<i64>,
    to: Option<i64>,
    length: Duration,
    now: Unix,
) -> Reply<(Unix, Unix)> {
    let moment = |seconds: i64| Unix(seconds.saturating_mul(1000));
    let to = to.map_or(now, moment);
    let from = from.map_or(to - length, moment);
    if from >= to {
        return Err(Failure::field("from", "it must be before `to`"));
    }
    if to.since(from) > LONGEST {
        return Err(Failure::field("from", "at most ten years can be asked for"));
    }
    Ok((from, to))
}

pub(super) fn names(text: &str) -> Reply<Vec<String>> {
    let names: Vec<String> = text
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace("%2C", ",").replace("%2c", ","))
        .collect();
    if names.is_empty() || names.len() > MAX_NAMES {
        return Err(Failure::field("names", format!("name 1 to {MAX_NAMES} series")));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_names_survive() {
        assert_eq!(
            names("a.b,disk_monitor./x%2Cy.percent,").unwrap(),
            ["a.b", "disk_monitor./x,y.percent"]
        );
        assert!(names("").is_err());
        assert!(names(&"a,".repeat(33)).is_err());
    }

    #[test]
    fn times_have_defaults_and_an_order() {
        let now = Unix(7_200_000);
        assert_eq!(span(None, None, CHART, now), Ok((Unix(3_600_000), now)));
        assert_eq!(span(Some(1), Some(2), CHART, now), Ok((Unix(1000), Unix(2000))));
        assert!(span(Some(2), Some(2), CHART, now).is_err());
        assert!(span(Some(i64::MIN), Some(i64::MAX), CHART, now).is_err());
    }
}
