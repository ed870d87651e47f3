//! Everything a request can fail with, as problem documents.
//!
//! A handler returns a [`Failure`]; the outermost layer ([`crate::envelope`]) turns it into a document
//! with the request's number. What the client may see is in the document; what only the log may have
//! is logged where the failure is made.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hark_api::hosts::Declared;
use hark_api::problem::{FieldError, MEDIA_TYPE, ProblemDocument};
use hark_api::tokens::Scope;
use hark_model::HostName;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::backend::Refused;

/// The header that tells an agent the highest number it has used.
const HIGHEST: HeaderName = HeaderName::from_static("hark-highest");

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no such object, or nobody who asks may know of it.
    Absent,
    /// There is no such path.
    NoSuchPath,
    /// The path does not take this method.
    Method,
    /// Nobody is logged in.
    Anonymous,
    /// The user may see the object but not do this.
    Needs(&'static str),
    /// The token is not good for this, but one of these would be; none is where nobody may with a token of
    /// limited use.
    Scope(&'static [Scope]),
    /// The first administrator does not exist yet.
    SetupRequired,
    /// The one-time code is wrong or was used.
    WrongCode,
    /// Name or password is wrong: never says which.
    WrongLogin,
    /// A directory that may know the password cannot be asked.
    DirectoryAway,
    /// The password is right, and a second factor is wanted.
    SecondFactor,
    /// The second factor is wrong, or was used.
    WrongSecondFactor,
    /// The passkey is unknown, or its answer is wrong.
    WrongPasskey,
    /// This server demands a second factor that the user does not have.
    SecondFactorDemanded,
    /// The token for agents is wrong, ended or used up.
    WrongToken,
    /// The token for agents is good, but for this host alone.
    OtherHost(HostName),
    /// The request is not signed with the key of an agent that is known.
    WrongProof,
    /// The token is not one of a source of samples.
    NoSource,
    /// A call of a service does not bear its signature.
    Unsigned,
    /// The number of a signed request was used: the highest one that was.
    StaleNumber(u64),
    /// Another site sent the browser.
    CrossOrigin,
    /// The header that a form of another site cannot send is missing.
    Csrf,
    /// The request came without TLS from afar.
    NeedsTls,
    /// Too many failures from there.
    Limited(Duration),
    /// The client asks too fast.
    TooFast(Duration),
    /// The object is not as the request says that it must be.
    Changed,
    /// The server has too much to do.
    Busy,
    /// The body or query is no JSON, has no valid encoding ...
    Malformed(String),
    /// Fields are wrong.
    Wrong(Vec<FieldError>),
    /// The body is too long.
    TooLarge,
    /// The body is not said to be JSON.
    MediaType,
    /// The object is in a state that does not allow it.
    Conflict(String),
    /// The configuration declares the object.
    Declared(Declared),
    /// It took too long.
    Timeout,
    /// The server cannot do it now.
    Unavailable,
    /// A fault of the server.
    Internal,
}

/// What a handler returns.
pub(crate) type Reply<T> = Result<T, Failure>;

impl Failure {
    /// Makes a failure of one field.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::Wrong(vec![FieldError::new(field, detail)])
    }

    /// Returns status, last part of the type, and title.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Absent => (S::NOT_FOUND, "not-found", "Not found"),
            Self::NoSuchPath => (S::NOT_FOUND, "no-such-path", "No such path"),
            Self::Method => (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::Anonymous => (S::UNAUTHORIZED, "not-signed-in", "Not signed in"),
            Self::Needs(_) => (S::FORBIDDEN, "role-needed", "Another role is needed"),
            Self::Scope(_) => (S::FORBIDDEN, "scope-needed", "The token is not good for this"),
            Self::SetupRequired => (S::FORBIDDEN, "setup-required", "Set-up is not done"),
            Self::WrongCode => (S::FORBIDDEN, "wrong-code", "The code is not valid"),
            Self::WrongLogin => (S::UNAUTHORIZED, "wrong-login", "Sign-in failed"),
            Self::DirectoryAway => {
                (S::SERVICE_UNAVAILABLE, "directory-away", "The directory does not answer")
            }
            Self::SecondFactor => (S::UNAUTHORIZED, "second-factor", "A code is needed"),
            Self::WrongSecondFactor => {
                (S::UNAUTHORIZED, "wrong-second-factor", "The code is not valid")
            }
            Self::WrongPasskey => (S::UNAUTHORIZED, "wrong-passkey", "The passkey is not valid"),
            Self::SecondFactorDemanded => {
                (S::FORBIDDEN, "second-factor-demanded", "Set up a second factor first")
            }
            Self::WrongToken => (S::FORBIDDEN, "wrong-token", "The token is not valid"),
            Self::OtherHost(_) => {
                (S::FORBIDDEN, "token-of-other-host", "The token is for another host")
            }
            Self::WrongProof => (S::UNAUTHORIZED, "wrong-proof", "The signature is not valid"),
            Self::NoSource => (S::UNAUTHORIZED, "no-source", "The token is not valid"),
            Self::Unsigned => (S::UNAUTHORIZED, "unsigned", "The signature is not valid"),
            Self::StaleNumber(_) => (S::CONFLICT, "stale-number", "The number was used"),
            Self::CrossOrigin => (S::FORBIDDEN, "cross-origin", "Sent by another site"),
            Self::Csrf => (S::FORBIDDEN, "csrf", "A header is missing"),
            Self::NeedsTls => (S::FORBIDDEN, "needs-tls", "Use https"),
            Self::Limited(_) => (S::TOO_MANY_REQUESTS, "limited", "Too many attempts"),
            Self::TooFast(_) => (S::TOO_MANY_REQUESTS, "too-fast", "Too many requests"),
            Self::Changed => (S::PRECONDITION_FAILED, "changed", "Changed meanwhile"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::Malformed(_) => (S::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::Wrong(_) => (S::UNPROCESSABLE_ENTITY, "wrong-fields", "Fields are wrong"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The body is too long"),
            Self::MediaType => (S::UNSUPPORTED_MEDIA_TYPE, "not-json", "The body is not JSON"),
            Self::Conflict(_) => (S::CONFLICT, "conflict", "Not possible in this state"),
            Self::Declared(_) => (S::CONFLICT, "declared", "Set by the configuration"),
            Self::Timeout => (S::SERVICE_UNAVAILABLE, "timeout", "It took too long"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Not possible now"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "A fault of the server"),
        }
    }

    /// Says what was wrong and what to do.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(crate) fn detail(&self) -> String {
        let text = match self {
            Self::Absent => "there is no such object, or it is not visible to you",
            Self::NoSuchPath => "the API has no such path; see /api/0/openapi.json",
            Self::Method => "the path does not take this method; see /api/0/openapi.json",
            Self::Anonymous => "sign in, or send a token in the Authorization header",
            Self::Needs(role) => {
                return format!("this needs the role {role}; an administrator can grant it");
            }
            Self::Scope([]) => "this is not for tokens that are good for a part only",
            Self::Scope(scopes) => {
                let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
                return format!("this needs a token for {}", words.join(" or "));
            }
            Self::SetupRequired => {
                "make the first administrator with the code that the server printed at its start"
            }
            Self::WrongCode => {
                "the code is wrong or was used; the server prints a new one at its next start"
            }
            Self::WrongLogin => "the name or the password is wrong",
            Self::DirectoryAway => {
                "the directory that knows names and passwords does not answer; who has a password on \
                 this server itself can sign in"
            }
            Self::SecondFactor => {
                "send the code of your app or a recovery code as `code`, or sign in with a passkey"
            }
            Self::WrongSecondFactor => {
                "the code is wrong or was used; wait for the next one, or use a recovery code"
            }
            Self::WrongPasskey => {
                "this server does not know the passkey, or its answer came too late; try again"
            }
            Self::SecondFactorDemanded => {
                "this server demands a second factor: set one up in the settings of the page"
            }
            Self::WrongToken => "the token is wrong, has ended or was used up; make a new one",
            Self::OtherHost(host) => {
                return format!("the token is for the host `{host}`: join with --name {host}");
            }
            Self::WrongProof => {
                "sign the request with the key of an agent that this server knows: see docs/protocol.md"
            }
            Self::NoSource => {
                "send the token of a source of this server's configuration: see docs/inlets.md"
            }
            Self::Unsigned => "the call does not bear the signature of the receiver's service",
            Self::StaleNumber(highest) => {
                return format!("use a number above {highest}, the highest of this agent");
            }
            Self::CrossOrigin => "the page that sent this is not a page of this server",
            Self::Csrf => "writes without a token need the header X-Hark-CSRF: 1",
            Self::NeedsTls => "this server takes plain http from its own machine only; use https",
            Self::Limited(wait) => {
                return format!("wait {} s before the next attempt", seconds_up(*wait));
            }
            Self::TooFast(wait) => {
                return format!(
                    "ask more slowly: the next request may come in {} s",
                    seconds_up(*wait)
                );
            }
            Self::Changed => {
                "it is not the version that If-Match names: read it again, then decide"
            }
            Self::Busy => "the server has too much to do; try again in a few seconds",
            Self::TooLarge => "the body is longer than this server takes",
            Self::MediaType => "send the body as application/json",
            Self::Timeout => "the server did not answer in time; try again",
            Self::Unavailable => "the server cannot do this now; its log says why",
            Self::Internal => "the server met a fault; its log names this request",
            Self::Malformed(detail) | Self::Conflict(detail) => return detail.clone(),
            Self::Wrong(errors) => {
                let list: Vec<String> = errors
                    .iter()
                    .map(|e| match e.field.as_str() {
                        "" => e.detail.clone(),
                        field => format!("{field}: {}", e.detail),
                    })
                    .collect();
                return list.join("; ");
            }
            Self::Declared(at) => {
                return format!("declared in {} line {}: change it there", at.file, at.line);
            }
        };
        text.to_owned()
    }

    /// Makes the answer to the request of this number.
    pub(crate) fn render(self, request: &str) -> Response {
        let (status, kind, title) = self.kind();
        let document = ProblemDocument {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
            instance: Some(format!("/requests/{request}")),
            errors: if let Self::Wrong(errors) = &self { errors.clone() } else { Vec::new() },
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Self::Limited(wait) | Self::TooFast(wait) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(wait)));
        }
        if let Self::StaleNumber(highest) = self {
            headers.insert(HIGHEST, HeaderValue::from(highest));
        }
        if matches!(self, Self::Busy | Self::Timeout) {
            headers.insert(header::RETRY_AFTER, const { HeaderValue::from_static("5") });
        }
        if status == StatusCode::UNAUTHORIZED {
            // Not `Basic`, which would make browsers ask in a window of theirs.
            let scheme = if self == Self::WrongProof { "Hark" } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        response
    }
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Absent => Self::Absent,
            Refused::Conflict(why) => Self::Conflict(why),
            Refused::Wrong(errors) => Self::Wrong(errors),
            Refused::Declared(at) => Self::Declared(at),
            Refused::Changed => Self::Changed,
            Refused::Unavailable(why) => {
                tracing::error!(why, "the server cannot answer a request");
                Self::Unavailable
            }
        }
    }
}

impl From<crate::auth::token::NoRandom> for Failure {
    fn from(error: crate::auth::token::NoRandom) -> Self {
        tracing::error!(%error, "a token could not be made");
        Self::Internal
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.kind().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        let response = Failure::Limited(Duration::from_millis(1200)).render("ab");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_fault_says_nothing_of_its_cause() {
        let failure = Failure::from(Refused::Unavailable("disk /dev/sda1 is broken".to_owned()));
        assert!(!failure.detail().contains("sda1"));
    }
}
