//! Public status pages: what strangers are told of what is watched.
//!
//! - [`Page`] is one entry of the section `status_pages` of the configuration: which components there are,
//!   what each of them looks at, who may see the page.
//! - [`Facts`] is what the server knows about the members of each component: how they are and what was the
//!   matter with them. It holds no name, no address and no text of theirs, so that nothing made of it can.
//! - [`Incident`] is what people have published: the only words on a page that are not configuration.
//! - [`View::make`] makes of all three what the page says; [`View::json`], [`Templates::page`],
//!   [`View::atom`], [`View::rss`] and [`badge`] write it.
//!
//! Nothing here reads a clock, a store, a file or a socket. What a page says comes from checks: a person
//! can add words to it or make it worse, never better.

#![deny(clippy::indexing_slicing)]

mod facts;
mod incident;
mod page;
mod readers;
mod render;
mod state;
mod templates;
mod uptime;
mod view;
mod words;

pub use facts::{ComponentFacts, Condition, Facts, Member, Trouble};
pub use incident::{Incident, Kind, Stage, Update};
pub use page::{Access, Component, EditorsOf, Keys, Page, STATUS_PAGE_KEYS, Webhooks};
pub use readers::{News, newest, owed};
pub use render::badge::badge;
pub use render::style::{SCRIPT, STYLE};
pub use state::State;
pub use templates::{Broken, MAX_TEMPLATE, STATUS_TEMPLATE, Templates};
pub use uptime::{Day, DayState, Uptime};
pub use view::{ComponentView, GroupView, IncidentView, UpdateView, View};
pub use words::Language;
