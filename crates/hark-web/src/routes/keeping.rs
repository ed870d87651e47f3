//! Backups, the end of a quarantine, samples that are erased, and samples as text: for administrators.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::jobs::{Job, JobKind};
use hark_api::keeping::{Backup, ErasePlan, EraseRequest, Export, ExportRequest, ImportRequest};
use hark_model::HostName;
use http::{HeaderValue, StatusCode, header};

use super::jobs;
use super::updates::send;
use crate::app::Shared;
use crate::backend::{Answer, Backend, EraseOrder, Keeping, Told};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::jobs::Progress;
use crate::peer::Peer;
use crate::policy::{Action, Object};
use crate::who::{Admin, Who};

/// Returns the backups that the server has made by itself, the newest first.
#[utoipa::path(
    get, path = "/api/0/backups", tag = "state", responses((status = 200, body = Vec<Backup>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Backup>>> {
    app.ask(Keeping::backups).await.map(Json)
}

/// Makes a backup where the server makes those that it makes by itself, as a job.
#[utoipa::path(
    post, path = "/api/0/backups", tag = "state",
    responses((status = 202, body = Job, description = "It is being made: see the job."))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
) -> Reply<Response> {
    let order = Order { kind: JobKind::Backup, title: "make a backup".to_owned(), audit: "backup" };
    let work = |backend: &dyn Backend, told: Told<'_>| backend.back_up(told).map(|_| String::new());
    order.begin(&app, peer, who, work, |_| Ok(()))
}

/// The longest pattern: series have names of some hundred letters.
const LONGEST_PATTERN: usize = 1024;

/// Erases samples of a host for good, as a job, or says how much that would be. The host stays.
#[utoipa::path(
    post, path = "/api/0/history/erase", tag = "state",
    request_body = EraseRequest,
    responses(
        (status = 200, body = ErasePlan, description = "So much it would be: nothing was erased."),
        (status = 202, body = Job, description = "It is being done: see the job."),
    )
)]
pub(crate) async fn erase(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Body(request): Body<EraseRequest>,
) -> Reply<Response> {
    let host =
        HostName::new(&request.host).map_err(|error| Failure::field("host", error.to_string()))?;
    if request.metric.as_ref().is_some_and(|metric| metric.len() > LONGEST_PATTERN) {
        let text = format!("a pattern has at most {LONGEST_PATTERN} letters");
        return Err(Failure::field("metric", text));
    }
    let now = app.now().unix;
    let before = request.before.map_or(now, |before| before.0.min(now));
    let order = EraseOrder { host, metric: request.metric, before };
    if request.dry_run {
        let plan = app.work(move |backend| backend.weigh(&order)).await?;
        return Ok(Json(plan).into_response());
    }
    let job = Order { kind: JobKind::Erase, title: words(&order), audit: "history.erase" };
    // Known by who does it, for who may be asked to end it.
    let number = Arc::new(OnceLock::new());
    let known = Arc::clone(&number);
    job.begin(
        &app,
        peer,
        who,
        move |backend, told| {
            let ordered = backend.erase(&order)?;
            backend.follow_erasing(*number.get_or_init(|| ordered), told)?;
            Ok(String::new())
        },
        move |backend| known.get().map_or(Ok(()), |number| backend.keep_the_rest(*number)),
    )
}

/// Says what is to be erased.
fn words(order: &EraseOrder) -> String {
    let what = order.metric.as_deref().map_or_else(String::new, |metric| format!(" {metric}"));
    let before = hark_api::Timestamp(order.before);
    format!("erase the samples{what} of {} from before {before}", order.host)
}

/// Patterns of an export at most, of hosts and of series.
const MAX_PATTERNS: usize = 100;

/// The longest request with samples of the past.
pub(super) const MAX_IMPORT: usize = 16 * 1024 * 1024;

/// Writes samples as text into a file on the server, as a job. It can be fetched for a day.
#[utoipa::path(
    post, path = "/api/0/history/export", tag = "state", request_body = ExportRequest,
    responses((status = 202, body = Job, description = "It is being written: see the job."))
)]
pub(crate) async fn export(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Body(request): Body<ExportRequest>,
) -> Reply<Response> {
    for (field, patterns) in [("hosts", &request.hosts), ("metrics", &request.metrics)] {
        if patterns.len() > MAX_PATTERNS {
            return Err(Failure::field(field, format!("at most {MAX_PATTERNS} patterns")));
        }
        if patterns.iter().any(|pattern| pattern.len() > LONGEST_PATTERN) {
            let text = format!("a pattern has at most {LONGEST_PATTERN} letters");
            return Err(Failure::field(field, text));
        }
    }
    let metrics = some_of(&request.metrics, "all metrics");
    let hosts = some_of(&request.hosts, "all hosts");
    let title = format!("export the samples of {metrics} of {hosts}");
    let order = Order { kind: JobKind::Export, title, audit: "history.export" };
    order.begin(&app, peer, who, move |backend, told| backend.export(&request, told), |_| Ok(()))
}

/// Patterns that the title of a job names, and letters of each: it is remembered for a day, and stands in the audit for
/// ever.
const TITLED: (usize, usize) = (3, 64);

/// Returns the first of `patterns` and how many more there are, or what none of them means.
fn some_of(patterns: &[String], none: &str) -> String {
    let (most, letters) = TITLED;
    let short = |pattern: &String| match pattern.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", pattern.split_at(end).0),
        None => pattern.clone(),
    };
    let shown: Vec<String> = patterns.iter().take(most).map(short).collect();
    match patterns.len() {
        0 => none.to_owned(),
        n if n > most => format!("{} and {} more", shown.join(" "), n - most),
        _ => shown.join(" "),
    }
}

/// Returns the files with samples that were exported, the newest first.
#[utoipa::path(
    get, path = "/api/0/history/exports", tag = "state",
    responses((status = 200, body = Vec<Export>))
)]
pub(crate) async fn exports(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Export>>> {
    app.ask(Keeping::exports).await.map(Json)
}

/// Returns a file with samples that were exported.
#[utoipa::path(
    get, path = "/api/0/history/exports/{name}", tag = "state",
    params(("name" = String, Path, description = "The file's name.")),
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(crate) async fn exported(
    State(app): State<Shared>,
    _admin: Admin,
    Path(name): Path<String>,
) -> Reply<Response> {
    let place = Arc::clone(&app.downloads).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let path = app.ask(move |backend| backend.exported(&name)).await?;
    let mut response = send(path, place).await.ok_or(Failure::Absent)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

/// Removes a file with samples that were exported.
#[utoipa::path(
    delete, path = "/api/0/history/exports/{name}", tag = "state",
    params(("name" = String, Path, description = "The file's name.")),
    responses((status = 204))
)]
pub(crate) async fn remove_export(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> Reply<StatusCode> {
    let removed = name.clone();
    app.ask(move |backend| backend.remove_export(&removed)).await?;
    app.audit(Some(who.name()), peer.address, "history.export-removed", &name).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds samples of the past, as a job. What is there already stays as it is: the same text may be brought again.
#[utoipa::path(
    post, path = "/api/0/history/import", tag = "state", request_body = ImportRequest,
    responses((status = 202, body = Job, description = "They are being added: see the job."))
)]
pub(crate) async fn import(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Body(request): Body<ImportRequest>,
) -> Reply<Response> {
    if let Some(host) = &request.host {
        HostName::new(host).map_err(|error| Failure::field("host", error.to_string()))?;
    }
    let title = format!("import samples out of {} bytes of text", request.text.len());
    let order = Order { kind: JobKind::Import, title, audit: "history.import" };
    order.begin(&app, peer, who, move |backend, told| backend.import(&request, told), |_| Ok(()))
}

/// Has people be told again by a server that was restored from a backup: the one that it is a copy of does
/// not run any more.
#[utoipa::path(
    post, path = "/api/0/quarantine/end", tag = "state",
    responses((status = 204, description = "People are told from here on."))
)]
pub(crate) async fn end_quarantine(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
) -> Reply<StatusCode> {
    app.ask(Keeping::end_quarantine).await?;
    app.audit(Some(who.name()), peer.address, "quarantine.end", "").await;
    Ok(StatusCode::NO_CONTENT)
}

/// Long work for administrators that is one piece to the web, and says itself how far it has come.
pub(super) struct Order {
    /// What kind.
    pub(super) kind: JobKind,
    /// What, for people.
    pub(super) title: String,
    /// The same in the audit.
    pub(super) audit: &'static str,
}

impl Order {
    /// Answers that it was ordered, and has it done; `ended` does what is to be done once it was cancelled.
    pub(super) fn begin(
        self,
        app: &Shared,
        peer: Peer,
        who: Who,
        work: impl FnOnce(&dyn Backend, Told<'_>) -> Answer<String> + Send + 'static,
        ended: impl FnOnce(&dyn Backend) -> Answer<()> + Send + 'static,
    ) -> Reply<Response> {
        let progress = app.jobs.begin(self.kind, self.title.clone(), &who, 0)?;
        let job = progress.job()?;
        let (shared, id) = (Shared::clone(app), job.id);
        app.deeds.tasks.spawn(async move {
            let Some((_turn, who)) = progress.turn(&shared, &who).await else {
                return progress.give_up();
            };
            if let Err(failure) = who.must(Action::See, Object::Server) {
                return progress.fail(&self.title, failure);
            }
            let detail = format!("job {id}: {}", self.title);
            shared.audit(Some(who.name()), peer.address, self.audit, detail).await;
            self.carry_out(&shared, progress, work, ended).await;
        });
        Ok(jobs::accepted(job))
    }

    async fn carry_out(
        self,
        shared: &Shared,
        progress: Progress,
        work: impl FnOnce(&dyn Backend, Told<'_>) -> Answer<String> + Send + 'static,
        ended: impl FnOnce(&dyn Backend) -> Answer<()> + Send + 'static,
    ) {
        let (told, ending) = (progress.teller(), shared.shutdown.clone());
        let done = shared.work(move |backend| {
            work(backend, &mut |done, total| {
                told.so_far(done, total);
                !told.is_cancelled() && !ending.is_cancelled()
            })
        });
        match done.await {
            Ok(outcome) => {
                progress.outcome(outcome);
                progress.finish();
            }
            Err(_) if progress.is_cancelled() => match shared.work(ended).await {
                Ok(()) => progress.give_up(),
                Err(failure) => progress.fail(&self.title, failure),
            },
            Err(failure) => progress.fail(&self.title, failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_the_first_patterns_and_counts_the_others() {
        let of = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|one| (*one).to_owned()).collect();
            some_of(&patterns, "all hosts")
        };
        assert_eq!(of(&[]), "all hosts");
        assert_eq!(of(&["web*", "db1", "mail"]), "web* db1 mail");
        assert_eq!(of(&["web*", "db1", "mail", "a", "b"]), "web* db1 mail and 2 more");
        let long = "ü".repeat(1000);
        assert_eq!(of(&[&long]), format!("{}…", "ü".repeat(64)));
        assert_eq!(of(&[&"ü".repeat(64)]), "ü".repeat(64));
        assert!(of(&[long.as_str(); 100]).len() < 500);
    }
}
