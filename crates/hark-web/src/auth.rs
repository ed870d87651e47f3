//! Who is asking: passwords, sessions, tokens, limits.
//!
//! All logic of authentication is here and none of it in the [`crate::Backend`], which only stores.
//! The parts are machines without IO ([`limit`], [`password`], [`token`]); the routes and the guard
//! put them together.

pub(crate) mod browser;
pub(crate) mod challenge;
pub(crate) mod jwt;
pub(crate) mod limit;
pub(crate) mod offers;
pub(crate) mod password;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod token;
pub(crate) mod totp;
pub(crate) mod webauthn;
