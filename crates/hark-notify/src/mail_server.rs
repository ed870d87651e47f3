//! A mail server as it is configured, whatever is spoken with it: where it is, and how the way to it is
//! protected.

use hark_config::{Key, Kind, Section};
use hark_model::HostName;
use hark_net::{Guard, Tls, Trust, Wire};

use crate::Context;
use crate::deadline::Deadline;
use crate::error::SendError;
use crate::reach::{connect, secure};

/// The name that a certificate must have.
pub(crate) const TLS_NAME: Key = Key::new(
    "tls_name",
    Kind::Text,
    "Name the certificate must have, if it is not that of `server`.",
);

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Tls,
    StartTls,
    None,
}

const SECURITY: &[(&str, Security)] =
    &[("tls", Security::Tls), ("starttls", Security::StartTls), ("none", Security::None)];

/// What is usual where the settings say nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual {
    pub(crate) server: Option<&'static str>,
    pub(crate) security: Security,
    /// The ports with TLS from the start, with STARTTLS, and with neither.
    pub(crate) ports: [u16; 3],
}

/// A server of mail, as configured.
#[derive(Debug)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    tls_name: String,
    tls: Tls,
}

/// What is spoken with a mail server once a connection stands.
pub(crate) trait Dialogue: Sync {
    /// An open dialogue.
    type Session: Send;

    /// Begins with the greeting of `host`.
    fn greeted(
        &self,
        stream: Box<dyn Wire>,
        host: &str,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Session, SendError>> + Send;

    /// Asks for TLS and gives the stream back, ready for it.
    fn starttls(
        &self,
        clear: Self::Session,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Box<dyn Wire>, SendError>> + Send;

    /// Goes on after TLS was agreed on, without believing anything that was said before.
    fn resumed(
        &self,
        stream: Box<dyn Wire>,
        host: &str,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Session, SendError>> + Send;
}

impl MailServer {
    /// Reads `server`, `port`, `security`, `tls_name`, `ca_file` and `insecure`. `None`: `server` is needed
    /// and missing, or was reported to be wrong.
    pub(crate) fn read(section: &Section<'_>, usual: Usual) -> Option<Self> {
        let security = section.word("security", SECURITY).unwrap_or(usual.security);
        let [tls, starttls, none] = usual.ports;
        let usual_port = match security {
            Security::Tls => tls,
            Security::StartTls => starttls,
            Security::None => none,
        };
        let port = section.u64("port", u64::from(usual_port), 1..=u64::from(u16::MAX));
        if security == Security::None && section.has("password") {
            section
                .warn("password", "the password travels unprotected")
                .hint("use `security: tls` or `security: starttls`");
        }
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let tls_name = section.opt_str("tls_name").map(str::to_owned);
        if usual.server.is_none() {
            section.required("server");
        }
        let host = section.parse("server", HostName::new).map(|name| name.to_string());
        let host = host.or_else(|| usual.server.map(str::to_owned))?;
        Some(Self {
            tls_name: tls_name.unwrap_or_else(|| host.clone()),
            host,
            port: u16::try_from(port).unwrap_or(usual_port),
            security,
            tls: Tls::new(trust),
        })
    }

    /// Returns true if anybody could be at the other end of what looks protected.
    pub(crate) fn trusts_anybody(&self) -> bool {
        self.security != Security::None && *self.tls.trust() == Trust::Anybody
    }

    /// Connects, and begins the dialogue under the protection that is configured. Cancelling it closes the
    /// connection.
    pub(crate) async fn open<D: Dialogue>(
        &self,
        dialogue: &D,
        context: &Context,
        deadline: Deadline,
    ) -> Result<D::Session, SendError> {
        let host = &self.host;
        let stream = connect(context, host, self.port, Guard::Open, deadline).await?;
        match self.security {
            Security::None => dialogue.greeted(Box::new(stream), host, deadline).await,
            Security::Tls => {
                let secured = secure(&self.tls, stream, &self.tls_name, deadline).await?;
                dialogue.greeted(Box::new(secured), host, deadline).await
            }
            Security::StartTls => {
                let clear = dialogue.greeted(Box::new(stream), host, deadline).await?;
                let clear = dialogue.starttls(clear, deadline).await?;
                let secured = secure(&self.tls, clear, &self.tls_name, deadline).await?;
                dialogue.resumed(Box::new(secured), host, deadline).await
            }
        }
    }
}
