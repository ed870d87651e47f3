//! Jobs that report themselves: the addresses that they call, and the list of them.
//!
//! An address is all that a job has: whoever knows it speaks for the job, and can do nothing else. It is
//! called with GET or POST, since one line of `curl` or `wget` shall be enough; what is posted is the
//! log of the run, whatever its type.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use hark_api::pushes::Push;

use crate::app::Shared;
use crate::backend::{Backend, JobPing};
use crate::extract::Path;
use crate::failure::{Failure, Reply};
use crate::who::Admin;

/// The longest body that is read; what is longer is refused, since jobs can cut what they send.
const MAX_LOG: usize = 1 << 20;

/// What of it is kept, from its end: that is where failures are explained.
const KEPT_LOG: usize = 4096;

/// Returns every job that reports itself. Their addresses are secrets, so for administrators.
#[utoipa::path(
    get, path = "/api/0/pushes", tag = "state", responses((status = 200, body = Vec<Push>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Push>>> {
    app.ask(Backend::pushes).await.map(Json)
}

/// Takes that a job is done.
pub(crate) async fn done(
    State(app): State<Shared>,
    Path(token): Path<String>,
    request: Request,
) -> Reply<&'static str> {
    take(&app, token, JobPing::Success, request).await
}

/// Takes what a job says: `start`, `fail`, or its exit code.
pub(crate) async fn said(
    State(app): State<Shared>,
    Path((token, word)): Path<(String, String)>,
    request: Request,
) -> Reply<&'static str> {
    let ping = ping(&word).ok_or(Failure::Absent)?;
    take(&app, token, ping, request).await
}

fn ping(word: &str) -> Option<JobPing> {
    match word {
        "start" => Some(JobPing::Start),
        "fail" => Some(JobPing::Failure(None)),
        // As the shell writes it: no sign, no zero in front.
        code if code.starts_with('+') || (code.starts_with('0') && code != "0") => None,
        code => Some(match code.parse().ok()? {
            0 => JobPing::Success,
            code => JobPing::Failure(Some(code)),
        }),
    }
}

async fn take(app: &Shared, token: String, ping: JobPing, request: Request) -> Reply<&'static str> {
    let body = to_bytes(request.into_body(), MAX_LOG).await.map_err(|_| Failure::TooLarge)?;
    let log = kept(&String::from_utf8_lossy(&body));
    app.ask(move |backend| backend.push(&token, ping, &log)).await?;
    Ok("ok\n")
}

/// Returns the end of a text, at the begin of a line if there is one.
fn kept(text: &str) -> String {
    let text = text.trim_end();
    let Some(over) = text.len().checked_sub(KEPT_LOG).filter(|over| *over > 0) else {
        return text.to_owned();
    };
    let from = (over..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let (_, end) = text.split_at(from);
    let end = end.split_once('\n').map_or(end, |(_, lines)| lines);
    format!("…\n{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_an_address_says_what_happened() {
        assert_eq!(ping("start"), Some(JobPing::Start));
        assert_eq!(ping("fail"), Some(JobPing::Failure(None)));
        assert_eq!(ping("0"), Some(JobPing::Success));
        assert_eq!(ping("255"), Some(JobPing::Failure(Some(255))));
        for wrong in ["256", "-1", "+1", "01", "", "log", "Start"] {
            assert_eq!(ping(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn of_a_long_log_the_end_is_kept() {
        assert_eq!(kept("one\ntwo\n"), "one\ntwo");
        let long = format!("{}\nä last words", "ä first line\n".repeat(2000));
        let kept = kept(&long);
        assert!(kept.len() <= KEPT_LOG + 4 && kept.ends_with("ä last words"), "{}", kept.len());
        assert!(kept.starts_with("…\nä first"), "{kept}");
    }
}
