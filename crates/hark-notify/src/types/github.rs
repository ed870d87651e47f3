//! Issues at GitHub: an incident is an issue, and what follows are its comments.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason};
use hark_net::Call;
use http::Method;
use serde_json::{Value, json};

use crate::card::{self, Unit, cut, is_over};
use crate::error::{Again, SendError};
use crate::issues::{self, Wording};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk, is_refused_as};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `github`.
#[derive(Debug)]
pub(crate) struct Github;

pub(crate) const KEYS: &[Key] = &[
    Key::new("repository", Kind::Text, "Owner and name: `example/operations`.").required(),
    Key::new("token", Kind::Secret, "Token that may write issues of the repository.").required(),
    Key::new("labels", Kind::OneOrMany(&Kind::Text), "Labels of new issues."),
    Key::new(
        "url",
        Kind::Text,
        "Address of the API; that of a GitHub Enterprise server ends with `/api/v3`.",
    )
    .default(URL),
    card::TEMPLATE,
    issues::ACKNOWLEDGE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.github.com";

/// Longest title that GitHub takes, in characters.
const MAX_TITLE: usize = 256;

/// Longest label that GitHub takes.
const MAX_LABEL: usize = 50;

impl ReceiverType for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    fn manual(&self) -> &'static str {
        "Opens an issue at [GitHub](https://docs.github.com/rest/issues) for each incident, comments on \
         it when the problem gets worse or better or goes on, and closes it as completed when it is \
         over; a problem that comes back as the same incident opens its issue again. Severity stands in \
         the text; `labels` are the same for all. Events and tests are issues of their own. 429, 5xx \
         and GitHub's own rate limit (403) are tried again when it says, all else is final: a token \
         without rights (401, 403, 404) or issues that are switched off (410). Where somebody has deleted \
         the issue, another one is opened. Issues bear no link that \
         acknowledges, as whoever reads the issue could use it, unless `acknowledge` says so."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "repository: example/operations\ntoken: correct-horse\nlabels: [outage]\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("repository");
        section.required("token");
        let repository = section.parse("repository", read_repository);
        let token = section.opt_secret("token");
        let labels = section.parse_many("labels", |label| match label.chars().count() {
            n if (1..=MAX_LABEL).contains(&n) => Ok(label.to_owned()),
            _ => Err(format!("1 to {MAX_LABEL} characters")),
        });
        let words = Wording::read(section);
        let service = service?.bearer(section, "token", &token?)?;
        let labels = labels.into_iter().map(|label| label.value).collect();
        Some(Box::new(Repository { service, path: repository?, labels, words }))
    }
}

fn read_repository(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !matches!(name, "." | "..")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match text.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => Ok(text.to_owned()),
        Some(_) | None => {
            Err("owner and name are expected, such as `example/operations`".to_owned())
        }
    }
}

/// One configured repository.
#[derive(Debug)]
struct Repository {
    service: Service,
    path: String,
    labels: Vec<String>,
    words: Wording,
}

impl ServiceReceiver for Repository {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{}: {}", self.service.target(), self.path)
    }

    fn is_gone(&self, error: &SendError) -> bool {
        is_refused_as(error, &[404, 410])
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let body = issues::text(&self.words, n, context)?;
        let Some(number) = issues::number(n) else {
            let issue = json!({
                "title": cut(&n.summary, MAX_TITLE, Unit::Chars),
                "body": body,
                "labels": self.labels,
            });
            let opened = self.ask(&talk, Method::POST, String::new(), &issue).await?;
            let number = opened.json()["number"].as_u64();
            let delivered = opened.delivered_as(number.map(|number| number.to_string()))?;
            let closed = match number.filter(|_| is_over(n)) {
                // The problem was over before it could be told.
                Some(number) => self.close(&talk, number).await,
                None => Ok(()),
            };
            return Ok(issues::told(delivered, closed));
        };
        // Before the comment: it may be done twice, a comment should not.
        if is_over(n) {
            self.close(&talk, number).await?;
        } else if n.reason == Reason::Problem {
            let open = json!({"state": "open"});
            self.ask(&talk, Method::PATCH, format!("/{number}"), &open).await?;
        }
        let comment = json!({"body": body});
        self.ask(&talk, Method::POST, format!("/{number}/comments"), &comment).await?.delivered()
    }
}

impl Repository {
    async fn close(&self, talk: &Talk<'_>, number: u64) -> Result<(), SendError> {
        let closed = json!({"state": "closed", "state_reason": "completed"});
        self.ask(talk, Method::PATCH, format!("/{number}"), &closed).await.map(drop)
    }

    /// Makes one call below the issues of the repository. The answer is one of success.
    async fn ask(
        &self,
        talk: &Talk<'_>,
        method: Method,
        path: String,
        document: &Value,
    ) -> Result<Answered, SendError> {
        let path = format!("/repos/{}/issues{path}", self.path);
        let call = Call::new(method, path)
            .json(document)
            .header("accept", "application/vnd.github+json")?
            .header("x-github-api-version", "2022-11-28")?;
        let answered = talk.call(call).await?;
        if answered.status.is_success() {
            return Ok(answered);
        }
        let is_limit = answered.status.as_u16() == 403
            && (answered.retry_after.is_some() || answered.text.contains("rate limit"));
        let again = match answered.retry_after {
            Some(wait) if is_limit => Again::After(wait),
            None if is_limit => Again::Later,
            Some(_) | None => answered.again(),
        };
        Err(answered.refused(again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{
        self, Answer, Server, mistakes, problem, read, recovery, reminder, send,
    };

    fn repository(server: &Server) -> Box<dyn Receiver> {
        let text = "repository: example/ops\ntoken: ghp_token1\nlabels: [outage, hark]\n";
        read(&Github, &format!("{text}url: {}\n", server.url("/api/v3")))
    }

    async fn github() -> Server {
        Server::start(|call| match call.method.as_str() {
            "POST" if call.uri.ends_with("/comments") => Answer::new(201, r#"{"id":1}"#),
            "POST" => Answer::new(201, r#"{"id":7,"number":1347,"state":"open"}"#),
            _ => Answer::new(200, r#"{"number":1347}"#),
        })
        .await
    }

    fn lines(server: &Server) -> Vec<String> {
        server.calls().iter().map(server::Call::line).collect()
    }

    #[tokio::test]
    async fn an_incident_is_an_issue_that_is_commented_on_and_closed() {
        let server = github().await;
        let receiver = repository(&server);
        let opened = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("1347"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/v3/repos/example/ops/issues");
        assert_eq!(call.headers["authorization"], "Bearer ghp_token1");
        assert_eq!(call.headers["accept"], "application/vnd.github+json");
        assert_eq!(call.headers["x-github-api-version"], "2022-11-28");
        let issue = call.json();
        assert_eq!(issue["title"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        assert_eq!(issue["labels"], json!(["outage", "hark"]));
        let body = issue["body"].as_str().unwrap();
        assert!(body.contains("[Open in hark](https://hark.example.net/incidents/1)"), "{body}");
        assert!(body.contains("cpu\\_monitor"), "{body}");

        let told = send(&*receiver, &reminder(Some("1347"))).await.unwrap();
        assert_eq!(told.reference, None, "the issue stays the reference");
        send(&*receiver, &recovery(Some("1347"))).await.unwrap();
        assert_eq!(
            &lines(&server)[1..],
            [
                "POST /api/v3/repos/example/ops/issues/1347/comments",
                "PATCH /api/v3/repos/example/ops/issues/1347",
                "POST /api/v3/repos/example/ops/issues/1347/comments",
            ]
        );
        let closed = server.calls()[2].json();
        assert_eq!(closed, json!({"state": "closed", "state_reason": "completed"}));
    }

    #[tokio::test]
    async fn a_problem_that_comes_back_opens_its_issue_and_one_told_too_late_is_closed_at_once() {
        let server = github().await;
        let receiver = repository(&server);
        let mut again = problem();
        again.reference = Some("1347".to_owned());
        send(&*receiver, &again).await.unwrap();
        assert_eq!(server.calls()[0].json(), json!({"state": "open"}));
        let mut merged = recovery(None);
        merged.reason = Reason::Merged;
        send(&*receiver, &merged).await.unwrap();
        assert_eq!(
            &lines(&server)[2..],
            [
                "POST /api/v3/repos/example/ops/issues",
                "PATCH /api/v3/repos/example/ops/issues/1347"
            ]
        );
    }

    #[tokio::test]
    async fn an_issue_that_cannot_be_closed_is_not_opened_again() {
        let server = Server::start(|call| match call.method.as_str() {
            "POST" => Answer::new(201, r#"{"number":1347}"#),
            _ => Answer::new(502, "down"),
        })
        .await;
        let opened = send(&*repository(&server), &recovery(None)).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("1347"));
        assert!(opened.text.contains("could not be closed"), "{}", opened.text);
    }

    #[tokio::test]
    async fn an_issue_that_was_deleted_is_followed_by_a_new_one() {
        let server = Server::start(|call| {
            if call.uri.contains("/issues/99") {
                Answer::new(410, r#"{"message":"This issue was deleted"}"#)
            } else {
                Answer::new(201, r#"{"number":1348}"#)
            }
        })
        .await;
        let opened = send(&*repository(&server), &reminder(Some("99"))).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("1348"));
        let ended = send(&*repository(&server), &recovery(Some("99"))).await.unwrap();
        assert_eq!(ended.reference.as_deref(), Some("1348"));
        assert_eq!(lines(&server).last().unwrap(), "PATCH /api/v3/repos/example/ops/issues/1348");
    }

    #[tokio::test]
    async fn the_link_that_acknowledges_stands_there_only_on_demand() {
        let server = github().await;
        send(&*repository(&server), &problem()).await.unwrap();
        assert!(!server.last_call().body.contains("/a/"), "{}", server.last_call().body);
        let url = server.url("/api/v3");
        let text = format!("repository: example/ops\ntoken: t\nacknowledge: true\nurl: {url}\n");
        send(&*read(&Github, &text), &problem()).await.unwrap();
        assert!(server.last_call().body.contains("[Acknowledge](https://hark.example.net/a/"));
    }

    #[tokio::test]
    async fn its_rate_limit_is_no_refusal() {
        let body = r#"{"message":"API rate limit exceeded for user ID 1."}"#;
        let server = Server::saying(403, body).await;
        let error = send(&*repository(&server), &problem()).await.unwrap_err();
        assert!(!error.is_permanent(), "{error:?}");
        let body = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        let server = Server::start(move |_| Answer::new(403, body).with("retry-after", "60")).await;
        let error = send(&*repository(&server), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(60));
        let body = r#"{"message":"Resource not accessible by personal access token"}"#;
        let server = Server::saying(403, body).await;
        let error = send(&*repository(&server), &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.text().contains("not accessible"), "{}", error.text());
    }

    #[test]
    fn mistakes_are_shown() {
        for wrong in ["operations", "a/b/c", "a/..", "a b/c", "/a"] {
            let text = Github.example().replace("example/operations", wrong);
            assert!(mistakes(&Github, &text).contains("owner and name"), "{wrong}");
        }
    }
}
