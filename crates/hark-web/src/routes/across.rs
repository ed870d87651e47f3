//! The same metrics of several hosts: for one chart of all of them.

use axum::Json;
use axum::extract::State;
use hark_api::hosts::HostsQuery;
use hark_api::list::MAX_LIMIT;
use hark_api::series::{
    Across, AcrossQuery, DEFAULT_POINTS, HostSeries, MAX_HOSTS, MAX_LOOKED, MAX_NAMES, MAX_POINTS,
    Series,
};
use hark_model::{HostName, Tag};

use super::series::{CHART, names, span};
use crate::app::Shared;
use crate::backend::{Answer, Backend, Refused, SeriesOrder, Sight};
use crate::extract::Params;
use crate::failure::{Failure, Reply};
use crate::who::Who;

/// Which hosts.
enum Chosen {
    /// These.
    Named(Vec<HostName>),
    /// Those with this tag.
    Tagged(Tag),
}

/// Returns series of several hosts, named or by a tag. A host that is not visible is left out, as one that
/// does not exist is.
#[utoipa::path(
    get, path = "/api/0/series", tag = "hosts", params(AcrossQuery),
    responses((status = 200, body = Across))
)]
pub(crate) async fn series(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<AcrossQuery>,
) -> Reply<Json<Across>> {
    let (from, to) = span(query.from, query.to, CHART, app.now().unix)?;
    let order = SeriesOrder {
        names: names(&query.names)?,
        from,
        to,
        points: query.points.unwrap_or(DEFAULT_POINTS).clamp(1, MAX_POINTS),
    };
    let chosen = chosen(&query, order.names.len())?;
    let sight = who.sight();
    let across = app.ask(move |backend| match &chosen {
        Chosen::Named(hosts) => of_named(backend, &sight, hosts, &order),
        Chosen::Tagged(tag) => of_tagged(backend, &sight, tag, &order),
    });
    across.await.map(Json)
}

fn chosen(query: &AcrossQuery, n_names: usize) -> Reply<Chosen> {
    let (hosts, tag) = (query.hosts.as_deref(), query.tag.as_deref());
    match (hosts.filter(|text| !text.is_empty()), tag.filter(|text| !text.is_empty())) {
        (Some(hosts), None) => {
            let hosts: Vec<&str> = hosts.split(',').filter(|host| !host.is_empty()).collect();
            if hosts.len() > MAX_HOSTS {
                return Err(Failure::field("hosts", format!("name at most {MAX_HOSTS}")));
            }
            if hosts.len() * n_names > MAX_NAMES {
                let what = format!("with all hosts these are more than {MAX_NAMES} series");
                return Err(Failure::field("names", what));
            }
            // A text that cannot be a host is none that exists.
            Ok(Chosen::Named(hosts.iter().filter_map(|host| HostName::new(host).ok()).collect()))
        }
        (None, Some(tag)) if MAX_HOSTS * n_names > MAX_NAMES => {
            let what = format!("with {MAX_HOSTS} hosts of {tag} these are more than {MAX_NAMES}");
            Err(Failure::field("names", what))
        }
        (None, Some(tag)) => Tag::new(tag)
            .map(Chosen::Tagged)
            .map_err(|error| Failure::field("tag", error.to_string())),
        _ => Err(Failure::field("hosts", "give `hosts` or `tag`")),
    }
}

fn of_named(
    backend: &dyn Backend,
    sight: &Sight,
    hosts: &[HostName],
    order: &SeriesOrder,
) -> Answer<Across> {
    let mut items: Vec<HostSeries> = Vec::with_capacity(hosts.len());
    for host in hosts.iter().filter(|host| sight.covers(host.as_str())) {
        if items.iter().any(|known| known.host == host.as_str()) {
            continue;
        }
        items.extend(of_host(backend, host, order)?);
    }
    Ok(Across { items, more: 0 })
}

fn of_tagged(
    backend: &dyn Backend,
    sight: &Sight,
    tag: &Tag,
    order: &SeriesOrder,
) -> Answer<Across> {
    let (hosts, mut n_tagged) = tagged(backend, sight, tag)?;
    let mut items: Vec<HostSeries> = Vec::with_capacity(MAX_HOSTS + 1);
    for host in &hosts {
        let Some(found) = of_host(backend, host, order)? else {
            n_tagged -= 1;
            continue;
        };
        // Few are kept at a time: an answer of a hundred hosts would be thrown away for the most part.
        let height = highest(&found.series);
        let place = items.partition_point(|other| highest(&other.series) >= height);
        if place < MAX_HOSTS {
            items.insert(place, found);
            items.truncate(MAX_HOSTS);
        }
    }
    let more = n_tagged.saturating_sub(items.len()) as u64;
    Ok(Across { items, more })
}

/// Returns the first hosts that have the tag, and how many have it.
fn tagged(backend: &dyn Backend, sight: &Sight, tag: &Tag) -> Answer<(Vec<HostName>, usize)> {
    let mut query =
        HostsQuery { q: Some(tag.to_string()), limit: Some(MAX_LIMIT), ..HostsQuery::default() };
    let (mut hosts, mut n_tagged) = (Vec::new(), 0);
    loop {
        let page = backend.hosts(sight, &query)?;
        for row in page.items.iter().filter(|row| row.tags.iter().any(|one| one == tag.as_str())) {
            n_tagged += 1;
            if hosts.len() < MAX_LOOKED {
                hosts.extend(HostName::new(&row.name).ok());
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok((hosts, n_tagged));
        }
    }
}

/// Returns the series of a host; none if it has gone meanwhile.
fn of_host(
    backend: &dyn Backend,
    host: &HostName,
    order: &SeriesOrder,
) -> Answer<Option<HostSeries>> {
    match backend.series(host, order) {
        Ok(series) => Ok(Some(HostSeries { host: host.to_string(), series })),
        Err(Refused::Absent) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Returns the highest value of the first series; nothing at all is below everything.
fn highest(series: &Series) -> f64 {
    let values = series.avg.first().into_iter().flatten().flatten();
    values.copied().fold(f64::NEG_INFINITY, f64::max)
}
