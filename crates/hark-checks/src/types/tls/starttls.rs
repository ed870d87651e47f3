//! Asking for TLS in the protocols that have it: up to the moment at which TLS begins.

use crate::Context;
use crate::endpoint::Endpoint;
use crate::finding::Finding;
use crate::link::Link;
use crate::session;
use crate::types::{ftp, imap, pop3, smtp, xmpp};

/// A protocol in which TLS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartTls {
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Xmpp,
}

impl StartTls {
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[
        ("smtp", Self::Smtp),
        ("imap", Self::Imap),
        ("pop3", Self::Pop3),
        ("ftp", Self::Ftp),
        ("xmpp", Self::Xmpp),
    ];

    /// Returns its port.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Ftp => 21,
            Self::Xmpp => 5222,
        }
    }

    /// Connects and asks for TLS.
    ///
    /// # Errors
    /// Why TLS cannot begin, as a finding.
    pub(crate) async fn open(
        self,
        endpoint: &Endpoint,
        context: &Context,
    ) -> Result<Link, Finding> {
        let mut link = endpoint.open(context).await?;
        match self {
            Self::Smtp => {
                let order = smtp::Order::to_tls();
                session::lines_to_tls(endpoint, &mut link, &mut smtp::Talk::new(&order)).await?;
            }
            Self::Imap => {
                let order = imap::Order::to_tls();
                session::lines_to_tls(endpoint, &mut link, &mut imap::Talk::new(&order)).await?;
            }
            Self::Pop3 => {
                let order = pop3::Order::to_tls();
                session::lines_to_tls(endpoint, &mut link, &mut pop3::Talk::new(&order)).await?;
            }
            Self::Ftp => {
                let order = ftp::Order::to_tls();
                session::lines_to_tls(endpoint, &mut link, &mut ftp::Talk::new(&order)).await?;
            }
            Self::Xmpp => {
                let order = xmpp::Order::to_tls(&endpoint.tls_name);
                session::bytes_to_tls(endpoint, &mut link, &mut xmpp::Talk::new(&order)).await?;
            }
        }
        Ok(link)
    }
}
