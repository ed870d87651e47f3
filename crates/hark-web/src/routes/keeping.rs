//! Backups, the end of a quarantine, and samples that are erased: for administrators.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::jobs::{Job, JobKind};
use hark_api::keeping::{Backup, ErasePlan, EraseRequest};
use hark_model::HostName;
use http::StatusCode;

use super::jobs;
use crate::app::Shared;
use crate::backend::{Answer, Backend, EraseOrder, Keeping, Told};
use crate::extract::Body;
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
    order.begin(&app, peer, who, |backend, told| backend.back_up(told).map(drop), |_| Ok(()))
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
            backend.follow_erasing(*number.get_or_init(|| ordered), told)
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
        work: impl FnOnce(&dyn Backend, Told<'_>) -> Answer<()> + Send + 'static,
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
        work: impl FnOnce(&dyn Backend, Told<'_>) -> Answer<()> + Send + 'static,
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
            Ok(()) => progress.finish(),
            Err(_) if progress.is_cancelled() => match shared.work(ended).await {
                Ok(()) => progress.give_up(),
                Err(failure) => progress.fail(&self.title, failure),
            },
            Err(failure) => progress.fail(&self.title, failure),
        }
    }
}
