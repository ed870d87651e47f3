//! The same metrics of several hosts: for one chart of all of them.

use axum::Json;
use axum::extract::State;
use hark_api::hosts::HostsQuery;
use hark_api::list::MAX_LIMIT;
use hark_api::series::{Across, AcrossQuery, HostSeries, MAX_HOSTS, MAX_LOOKED, MAX_NAMES};
use hark_model::{HostName, Tag};

use super::series::{CHART, names, span};
use super::shape::{self, Shape, higher};
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
    let form = (query.step, query.fill, query.top, query.by);
    let shape = Shape::new(form, (from, to), MAX_HOSTS)?;
    let points = shape::points(query.points);
    let order = SeriesOrder { names: names(&query.names)?, from, to, points };
    let chosen = chosen(&query, order.names.len())?;
    let sight = who.sight();
    let across = app.ask(move |backend| match &chosen {
        Chosen::Named(hosts) => of_named(backend, &sight, hosts, (&order, &shape)),
        Chosen::Tagged(tag) => of_tagged(backend, &sight, tag, (&order, &shape)),
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
    (order, shape): (&SeriesOrder, &Shape),
) -> Answer<Across> {
    let mut items: Vec<HostSeries> = Vec::with_capacity(hosts.len());
    for host in hosts.iter().filter(|host| sight.covers(host.as_str())) {
        if items.iter().any(|known| known.host == host.as_str()) {
            continue;
        }
        items.extend(of_host(backend, host, (order, shape))?);
    }
    let mut more = 0;
    if let Some(top) = shape.top() {
        items.sort_by(|a, b| higher(shape.height(&a.series, 0), shape.height(&b.series, 0)));
        more = items.len().saturating_sub(top) as u64;
        items.truncate(top);
    }
    Ok(Across { items: finished(items, (order, shape)), more })
}

/// Puts what is answered in form: what was filled must not be compared.
fn finished(mut items: Vec<HostSeries>, (order, shape): (&SeriesOrder, &Shape)) -> Vec<HostSeries> {
    for item in &mut items {
        shape.finish(&mut item.series, order);
    }
    items
}

fn of_tagged(
    backend: &dyn Backend,
    sight: &Sight,
    tag: &Tag,
    (order, shape): (&SeriesOrder, &Shape),
) -> Answer<Across> {
    let most = shape.top().unwrap_or(MAX_HOSTS);
    let (hosts, mut n_tagged) = tagged(backend, sight, tag)?;
    let mut items: Vec<HostSeries> = Vec::with_capacity(MAX_HOSTS + 1);
    for host in &hosts {
        let Some(found) = of_host(backend, host, (order, shape))? else {
            n_tagged -= 1;
            continue;
        };
        // Few are kept at a time: an answer of a hundred hosts would be thrown away for the most part.
        let height = shape.height(&found.series, 0);
        let place = items.partition_point(|other| shape.height(&other.series, 0) >= height);
        if place < most {
            items.insert(place, found);
            items.truncate(most);
        }
    }
    let more = n_tagged.saturating_sub(items.len()) as u64;
    Ok(Across { items: finished(items, (order, shape)), more })
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
    (order, shape): (&SeriesOrder, &Shape),
) -> Answer<Option<HostSeries>> {
    match shape.ask(backend, host, order) {
        Ok(series) => Ok(Some(HostSeries { host: host.to_string(), series })),
        Err(Refused::Absent) => Ok(None),
        Err(other) => Err(other),
    }
}
