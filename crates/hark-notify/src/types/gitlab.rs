//! Issues at GitLab: an incident is an issue, and what follows are its notes.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason};
use hark_net::{Call, encoded};
use http::{HeaderName, Method};
use serde_json::{Value, json};

use crate::card::{self, Unit, cut, is_over};
use crate::error::SendError;
use crate::issues::{self, Wording};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk, is_refused_as};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `gitlab`.
#[derive(Debug)]
pub(crate) struct Gitlab;

pub(crate) const KEYS: &[Key] = &[
    Key::new("project", Kind::Text, "Number or path of the project: `example/operations`.")
        .required(),
    Key::new("token", Kind::Secret, "Access token with the scope `api`.").required(),
    Key::new("labels", Kind::OneOrMany(&Kind::Text), "Labels of new issues."),
    Key::new("confidential", Kind::Bool, "Whether only members of the project see the issues.")
        .default("false"),
    Key::new("url", Kind::Text, "Address of the server.").default(URL),
    card::TEMPLATE,
    issues::ACKNOWLEDGE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://gitlab.com";

/// Longest title that GitLab takes, in characters.
const MAX_TITLE: usize = 255;

/// Longest label, and longest path of a project, that GitLab takes.
const MAX_LABEL: usize = 255;
const MAX_PATH: usize = 255;

impl ReceiverType for Gitlab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn manual(&self) -> &'static str {
        "Opens an issue at [GitLab](https://docs.gitlab.com/api/issues/) for each incident, writes a \
         note to it when the problem gets worse or better or goes on, and closes it when it is over; a \
         problem that comes back as the same incident opens its issue again. Severity stands in the \
         text; `labels` are the same for all. Events and tests are issues of their own. 429 and 5xx \
         are tried again, all else is final: a token without rights (401, 403) or an unknown project \
         (404). Where somebody has deleted the issue, another one is opened. Issues bear no link that \
         acknowledges, as whoever reads the issue could use it, unless `acknowledge` says so."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "project: example/operations\ntoken: correct-horse\nlabels: [outage]\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("project");
        section.required("token");
        let project = section.parse("project", read_project);
        let token = section.opt_secret("token");
        let labels = section.parse_many("labels", |label| match label.chars().count() {
            n if (1..=MAX_LABEL).contains(&n) && !label.contains(',') => Ok(label.to_owned()),
            _ => Err(format!("1 to {MAX_LABEL} characters without comma")),
        });
        let is_confidential = section.bool("confidential", false);
        let words = Wording::read(section);
        let name = HeaderName::from_static("private-token");
        let service = service?.bearing(section, "token", name, token?.expose())?;
        let labels: Vec<_> = labels.into_iter().map(|label| label.value).collect();
        let labels = labels.join(",");
        Some(Box::new(Project { service, path: project?, labels, is_confidential, words }))
    }
}

fn read_project(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !matches!(name, "." | "..")
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let is_number = text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    if text.len() > MAX_PATH || !(is_number || text.contains('/') && text.split('/').all(is_name)) {
        return Err("a number or a path is expected, such as `example/operations`".to_owned());
    }
    Ok(text.to_owned())
}

/// One configured project.
#[derive(Debug)]
struct Project {
    service: Service,
    path: String,
    labels: String,
    is_confidential: bool,
    words: Wording,
}

impl ServiceReceiver for Project {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{}: {}", self.service.target(), self.path)
    }

    fn is_gone(&self, error: &SendError) -> bool {
        is_refused_as(error, &[404])
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let body = issues::text(&self.words, n, context)?;
        let Some(number) = issues::number(n) else {
            let issue = json!({
                "title": cut(&n.summary, MAX_TITLE, Unit::Chars),
                "description": body,
                "labels": self.labels,
                "confidential": self.is_confidential,
            });
            let opened = self.ask(&talk, Method::POST, String::new(), &issue).await?;
            let number = opened.json()["iid"].as_u64();
            let delivered = opened.delivered_as(number.map(|number| number.to_string()))?;
            let closed = match number.filter(|_| is_over(n)) {
                // The problem was over before it could be told.
                Some(number) => self.turn(&talk, number, "close").await,
                None => Ok(()),
            };
            return Ok(issues::told(delivered, closed));
        };
        // Before the note: it may be done twice, a note should not.
        if is_over(n) {
            self.turn(&talk, number, "close").await?;
        } else if n.reason == Reason::Problem {
            self.turn(&talk, number, "reopen").await?;
        }
        let note = json!({"body": body});
        self.ask(&talk, Method::POST, format!("/{number}/notes"), &note).await?.delivered()
    }
}

impl Project {
    async fn turn(&self, talk: &Talk<'_>, number: u64, event: &str) -> Result<(), SendError> {
        let document = json!({"state_event": event});
        self.ask(talk, Method::PUT, format!("/{number}"), &document).await.map(drop)
    }

    /// Makes one call below the issues of the project. The answer is one of success.
    async fn ask(
        &self,
        talk: &Talk<'_>,
        method: Method,
        path: String,
        document: &Value,
    ) -> Result<Answered, SendError> {
        let path = format!("/api/v4/projects/{}/issues{path}", encoded(&self.path));
        let answered = talk.call(Call::new(method, path).json(document)).await?;
        if answered.status.is_success() {
            return Ok(answered);
        }
        let again = answered.again();
        Err(answered.refused(again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{
        self, Answer, Server, mistakes, problem, read, recovery, reminder, send,
    };

    fn project(server: &Server) -> Box<dyn Receiver> {
        let text = "project: group/sub/ops\ntoken: glpat-token1\nlabels: [outage, hark]\n";
        read(&Gitlab, &format!("{text}url: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn an_incident_is_an_issue_with_notes_that_is_closed() {
        let server = Server::start(|call| match call.method.as_str() {
            "POST" if call.uri.ends_with("/notes") => Answer::new(201, r#"{"id":302}"#),
            "POST" => Answer::new(201, r#"{"id":84,"iid":14,"state":"opened"}"#),
            _ => Answer::new(200, r#"{"iid":14}"#),
        })
        .await;
        let receiver = project(&server);
        let opened = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("14"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/v4/projects/group%2Fsub%2Fops/issues");
        assert_eq!(call.headers["private-token"], "glpat-token1");
        let issue = call.json();
        assert_eq!(issue["title"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        assert_eq!(
            (&issue["labels"], &issue["confidential"]),
            (&json!("outage,hark"), &json!(false))
        );
        send(&*receiver, &reminder(Some("14"))).await.unwrap();
        send(&*receiver, &recovery(Some("14"))).await.unwrap();
        let mut again = problem();
        again.reference = Some("14".to_owned());
        send(&*receiver, &again).await.unwrap();
        let lines: Vec<_> = server.calls()[1..].iter().map(server::Call::line).collect();
        let issue = "/api/v4/projects/group%2Fsub%2Fops/issues/14";
        let (put, note) = (format!("PUT {issue}"), format!("POST {issue}/notes"));
        let expected = [&note, &put, &note, &put, &note].map(String::clone);
        assert_eq!(lines, expected);
        assert_eq!(server.calls()[2].json(), json!({"state_event": "close"}));
        assert_eq!(server.calls()[4].json(), json!({"state_event": "reopen"}));
    }

    #[tokio::test]
    async fn an_issue_that_cannot_be_closed_is_not_opened_again_and_bears_no_link() {
        let server = Server::start(|call| match call.method.as_str() {
            "POST" => Answer::new(201, r#"{"iid":14}"#),
            _ => Answer::new(502, "down"),
        })
        .await;
        let opened = send(&*project(&server), &recovery(None)).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("14"));
        send(&*project(&server), &problem()).await.unwrap();
        assert!(!server.last_call().body.contains("/a/"));
    }

    #[tokio::test]
    async fn an_issue_that_was_deleted_is_followed_by_a_new_one() {
        let server = Server::start(|call| {
            if call.uri.contains("/issues/99") {
                Answer::new(404, r#"{"message":"404 Issue Not Found"}"#)
            } else {
                Answer::new(201, r#"{"iid":15}"#)
            }
        })
        .await;
        let opened = send(&*project(&server), &reminder(Some("99"))).await.unwrap();
        assert_eq!(opened.reference.as_deref(), Some("15"));
    }

    #[tokio::test]
    async fn refusals_are_final_and_a_limit_is_waited_for() {
        let server = Server::saying(404, r#"{"message":"404 Project Not Found"}"#).await;
        let error = send(&*project(&server), &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.text().contains("Project Not Found"), "{}", error.text());
        let server = Server::start(|_| Answer::slow_down()).await;
        let error = send(&*project(&server), &recovery(Some("14"))).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(17));
    }

    #[test]
    fn mistakes_are_shown() {
        for wrong in ["operations", "a//b", "a/..", "a b/c"] {
            let text = Gitlab.example().replace("example/operations", wrong);
            assert!(mistakes(&Gitlab, &text).contains("a number or a path"), "{wrong}");
        }
        assert_eq!(mistakes(&Gitlab, &Gitlab.example().replace("example/operations", "17")), "");
    }
}
