//! Metrics of all hosts.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::series::{MetricHostsQuery, MetricOnHost, MetricSummary};

use crate::app::Shared;
use crate::extract::{Params, Path};
use crate::failure::Reply;
use crate::who::Who;

/// Returns the metrics of all hosts by name, with how many hosts have each.
#[utoipa::path(
    get, path = "/api/0/metrics", tag = "hosts",
    responses((status = 200, body = Vec<MetricSummary>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<MetricSummary>>> {
    app.ask(move |backend| backend.metric_names(&who.sight())).await.map(Json)
}

/// Returns the series of a metric with their newest values, by host. One that no visible host has is none.
#[utoipa::path(
    get, path = "/api/0/metrics/{metric}/hosts", tag = "hosts",
    params(("metric" = String, Path, description = "The metric's name."), MetricHostsQuery),
    responses((status = 200, body = Page<MetricOnHost>))
)]
pub(crate) async fn hosts(
    State(app): State<Shared>,
    who: Who,
    Path(metric): Path<String>,
    Params(query): Params<MetricHostsQuery>,
) -> Reply<Json<Page<MetricOnHost>>> {
    app.ask(move |backend| backend.metric_on_hosts(&who.sight(), &metric, &query)).await.map(Json)
}
