//! Reports: what a day, week or month was like, and what has been failing for long.
//!
//! - [`Plan`] is one entry of the section `reports` of the configuration: what is told, to whom, when.
//! - [`Facts`] is what the server knows about a period, cut down to the hosts that the report is about.
//! - [`Report::make`] makes of both what is told; [`Report::text`], [`Report::html`] and
//!   [`Report::json`] write it.
//!
//! Nothing here reads a clock, a store or a socket: facts and times are arguments.

#![deny(clippy::indexing_slicing)]

mod facts;
mod overdue;
mod people;
mod plan;
mod render;
mod report;
mod spans;
mod summary;
mod trend;

pub use facts::{Facts, HostFacts, IncidentFacts, Slow, Supply};
pub use overdue::{Overdue, OverdueRow};
pub use people::{Known, Person};
pub use plan::{Kind, Plan, REPORT_KEYS};
pub use report::{Content, Report};
pub use spans::{Span, Spans};
pub use summary::{
    Availability, Incidents, List, LongIncident, Noisy, RunsOut, SlowCheck, Summary,
};
pub use trend::{Point, crossing};
