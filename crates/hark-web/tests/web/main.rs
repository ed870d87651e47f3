//! The web as clients see it: the real server loop on a real socket, over a server in memory.

// `cfg(test)` is always true here; it tells the linter that helpers are test code as well.
#[cfg(test)]
mod access;
#[cfg(test)]
mod agent;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod charts;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod contents;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod event_stream;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod inlets;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod ldap;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod live;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod old;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod prepared;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod pushes;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod second_factor;
#[cfg(test)]
mod security;
#[cfg(test)]
mod server;
#[cfg(test)]
mod silences;
#[cfg(test)]
mod status_pages;
#[cfg(test)]
mod table;
#[cfg(test)]
mod transport;
