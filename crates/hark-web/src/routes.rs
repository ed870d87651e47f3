//! Every path, in one table.

mod access;
mod across;
mod actions;
mod agent;
mod agents;
mod alerts;
mod audit;
mod auth;
mod browsers;
mod bulk;
mod checks;
mod configuration;
mod dashboards;
mod deliveries;
mod directories;
mod dns;
mod docs;
mod enrol;
mod events;
mod fleet;
mod handling;
mod health;
mod hosts;
mod incidents;
pub(crate) mod inlets;
mod jobs;
mod keeping;
mod metric_list;
pub(crate) mod metrics;
mod oidc;
pub(crate) mod old;
mod openapi;
mod overview;
mod owners;
mod passkeys;
pub(crate) mod prometheus;
mod pushes;
mod receivers;
mod reports;
mod route_test;
mod second_factor;
mod series;
mod series_csv;
mod server;
mod sessions;
mod setup;
mod shape;
mod silences;
mod status;
mod status_pages;
mod stream;
mod tokens;
mod updates;
mod users;
mod ws;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::condition::condition;
use crate::deed::deed;
use crate::envelope::envelope;
use crate::extract::MAX_BODY;
use crate::guard::guard;
use crate::lists::lists;
use crate::pace::pace;
use crate::page::page;
use crate::repeat::repeat;
use crate::site::site;

/// Puts every path together.
pub(crate) fn router(app: &Shared) -> Router {
    let (router, _) = api().split_for_parts();
    let routes = router
        .merge(openapi::router())
        .route("/healthz", get(health::healthz))
        .route("/ws", get(ws::ws))
        .route(metrics::PATH, get(metrics::metrics))
        .route(metrics::OF_HOSTS, get(metrics::of_hosts))
        .route("/push/{token}", get(pushes::done).post(pushes::done))
        .route("/push/{token}/{word}", get(pushes::said).post(pushes::said))
        .route("/oidc/{name}/login", get(oidc::begin))
        .route("/oidc/{name}/back", get(oidc::back))
        .merge(status::router())
        .merge(inlets::router())
        .merge(old::router())
        .merge(prometheus::router())
        .route("/a.css", get(handling::style))
        .route("/a/{token}", get(handling::show).post(handling::take))
        .fallback(page)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Shared::clone(app));
    // Around the router as a whole: a condition is about what another route answers, an export asks for
    // page after page.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn(lists))
        .layer(from_fn_with_state(Shared::clone(app), condition))
        .layer(from_fn_with_state(Shared::clone(app), repeat))
        .layer(from_fn_with_state(app.deeds.clone(), deed))
        .layer(from_fn_with_state(Shared::clone(app), pace))
        .layer(from_fn_with_state(Shared::clone(app), guard))
        .layer(from_fn_with_state(Shared::clone(app), site))
        .layer(from_fn(envelope))
}

/// Every path of the API, each with its part of the document.
fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(setup::status, setup::make))
        .merge(accounts())
        .routes(routes!(overview::overview))
        .routes(routes!(fleet::fleet))
        .merge(watched())
        .routes(routes!(actions::list))
        .routes(routes!(actions::order))
        .routes(routes!(events::of_host))
        .routes(routes!(alerts::plugins))
        .routes(routes!(alerts::plugin))
        .routes(routes!(alerts::of_host))
        .routes(routes!(alerts::all))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(incidents::explain))
        .routes(routes!(incidents::ack))
        .routes(routes!(incidents::unack))
        .routes(routes!(incidents::comment))
        .routes(routes!(incidents::silence))
        .routes(routes!(incidents::resolve))
        .routes(routes!(incidents::cause))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::one))
        .routes(routes!(deliveries::retry))
        .routes(routes!(silences::list, silences::make))
        .routes(routes!(silences::one, silences::change, silences::end))
        .routes(routes!(silences::preview))
        .routes(routes!(receivers::list))
        .routes(routes!(receivers::test))
        .routes(routes!(handling::call))
        .routes(routes!(handling::handle))
        .routes(routes!(receivers::routes))
        .routes(routes!(route_test::test))
        .routes(routes!(route_test::on_call))
        .routes(routes!(route_test::calendar))
        .routes(routes!(reports::list))
        .routes(routes!(reports::one))
        .routes(routes!(reports::send))
        .routes(routes!(enrol::list, enrol::make))
        .routes(routes!(enrol::withdraw))
        .routes(routes!(agents::list))
        .routes(routes!(agents::join))
        .routes(routes!(updates::rollout))
        .routes(routes!(updates::file))
        .merge(agent_reports())
        .merge(charts())
        .merge(dashboards())
        .merge(long_work())
        .merge(published())
        .routes(routes!(pushes::list))
        .routes(routes!(dns::list))
        .routes(routes!(dns::update))
        .routes(routes!(dns::remove))
        .routes(routes!(server::server))
        .routes(routes!(keeping::end_quarantine))
        .routes(routes!(keeping::erase))
        .routes(routes!(events::all, events::bring))
        .routes(routes!(events::happened))
        .routes(routes!(audit::list))
        .routes(routes!(audit::check))
        .merge(configuration())
        .routes(routes!(stream::stream))
}

/// Hosts, their checks, and whose they are.
fn watched() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(hosts::list))
        .routes(routes!(hosts::one, hosts::remove))
        .routes(routes!(hosts::restore))
        .routes(routes!(hosts::dropped))
        .routes(routes!(hosts::look))
        .routes(routes!(checks::list))
        .routes(routes!(checks::summary))
        .routes(routes!(metric_list::list))
        .routes(routes!(metric_list::hosts))
        .routes(routes!(owners::hand_over))
        .routes(routes!(access::show, access::change))
}

/// Logging in, and who may.
fn accounts() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(auth::login))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(auth::password))
        .routes(routes!(second_factor::list))
        .routes(routes!(second_factor::offer_totp))
        .routes(routes!(second_factor::confirm_totp))
        .routes(routes!(second_factor::remove_totp))
        .routes(routes!(second_factor::recovery_codes))
        .routes(routes!(passkeys::offer))
        .routes(routes!(passkeys::make))
        .routes(routes!(passkeys::remove))
        .routes(routes!(passkeys::challenge))
        .routes(routes!(passkeys::login))
        .routes(routes!(browsers::list, browsers::make))
        .routes(routes!(browsers::remove))
        .routes(routes!(browsers::test))
        .routes(routes!(oidc::list))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::revoke))
        .routes(routes!(users::list, users::make))
        .routes(routes!(users::change, users::remove))
        .routes(routes!(users::reset_factors))
        .routes(routes!(tokens::list_of, tokens::make_of))
        .routes(routes!(tokens::revoke_of))
}

/// What charts are made of.
fn charts() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(series::metrics))
        .routes(routes!(series::series))
        .routes(routes!(series_csv::csv))
        .routes(routes!(across::series))
        .routes(routes!(series::lanes))
}

/// Dashboards; one of another program may be long.
fn dashboards() -> OpenApiRouter<Shared> {
    let import = OpenApiRouter::new()
        .routes(routes!(dashboards::import))
        .layer(DefaultBodyLimit::max(dashboards::MAX_IMPORT));
    OpenApiRouter::new()
        .routes(routes!(dashboards::list, dashboards::make))
        .routes(routes!(dashboards::one, dashboards::change, dashboards::remove))
        .routes(routes!(dashboards::restore))
        .merge(import)
}

/// Status pages, as those see them who publish there.
fn published() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(status_pages::list))
        .routes(routes!(status_pages::incidents, status_pages::publish))
        .routes(routes!(status_pages::one, status_pages::update, status_pages::withdraw))
}

/// What goes on after its answer.
fn long_work() -> OpenApiRouter<Shared> {
    let import = OpenApiRouter::new()
        .routes(routes!(keeping::import))
        .layer(DefaultBodyLimit::max(keeping::MAX_IMPORT));
    OpenApiRouter::new()
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::one))
        .routes(routes!(jobs::cancel))
        .routes(routes!(bulk::bulk))
        .routes(routes!(keeping::list, keeping::make))
        .routes(routes!(keeping::export))
        .routes(routes!(keeping::exports))
        .routes(routes!(keeping::exported, keeping::remove_export))
        .merge(import)
}

/// The configuration as the page edits it.
fn configuration() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(configuration::schema))
        .routes(routes!(configuration::list))
        .routes(routes!(configuration::one, configuration::put, configuration::remove))
        .routes(routes!(configuration::validate))
        .routes(routes!(configuration::test))
        .routes(routes!(configuration::history))
        .routes(routes!(configuration::version))
        .routes(routes!(configuration::restore))
        .routes(routes!(configuration::export))
}

/// What agents send over HTTPS: longer than anything else.
fn agent_reports() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(agent::report))
        .routes(routes!(agent::configuration))
        .routes(routes!(agent::news))
        .routes(routes!(agent::order))
        .layer(DefaultBodyLimit::max(agent::MAX_REPORT))
}
