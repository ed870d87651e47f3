//! Why an agent cannot run.

use std::io;

use hark_model::token::TokenError;
use thiserror::Error;

use crate::enrol::EnrolError;
use crate::home::HomeError;
use crate::identity::IdentityError;
use crate::spool::SpoolError;

/// Why an agent cannot run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Its folder cannot be used.
    #[error("cannot use the agent's folder")]
    Home(#[from] HomeError),
    /// The spool cannot be opened.
    #[error("cannot open the agent's spool")]
    Spool(#[from] SpoolError),
    /// The token is none.
    #[error("cannot read the token")]
    Token(#[from] TokenError),
    /// It could not join.
    #[error("cannot join the server")]
    Enrol(#[from] EnrolError),
    /// What it was given is damaged.
    #[error("cannot read who this agent is")]
    Identity(#[from] IdentityError),
    /// It has neither secret nor token, and none was used before.
    #[error(
        "this agent has never joined a server: run `hark enroll` on the server and the line that it \
         prints here, or give the servers' shared secret with --secret-file FILE; an agent that has \
         `receivers` in its configuration tells them itself and needs no server"
    )]
    Unknown,
    /// It does not know where the server is.
    #[error("no server is named: give its name or address, as in `hark agent hark.example.net`")]
    NoServer,
    /// The host has no name that can be used.
    #[error("this host has no usable name: give one with --name")]
    NoName,
    /// What the server gave cannot be kept.
    #[error("cannot open what the server gave")]
    Central(#[source] io::Error),
    /// The session cannot be begun.
    #[error("cannot store the session's number")]
    Session(#[source] io::Error),
    /// The system refuses to wait.
    #[error("cannot wait for sockets")]
    Wait(#[source] io::Error),
}

impl AgentError {
    /// Returns true if starting again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Enrol(error) if error.is_transient())
    }
}
