//! What the server knows about the members of a page's components.

use hark_model::{Status, Unix};
use hark_report::Span;

/// What is known for one page. It says how members are, never which they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Each component, in the order of the page.
    pub components: Vec<ComponentFacts>,
}

/// What is known of one component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentFacts {
    /// The hosts or checks that it looks at.
    pub members: Vec<Member>,
}

/// A host or a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// How it is now.
    pub now: Condition,
    /// Since when it is watched.
    pub since: Unix,
    /// What was the matter with it.
    pub troubles: Vec<Trouble>,
    /// Planned work on it.
    pub planned: Vec<Span>,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing was heard of it yet.
    Unheard,
    /// It is well.
    Good,
    /// Somebody works on it, as planned.
    Planned,
    /// It could not be told.
    Unknown,
    /// Its check warns.
    Warning,
    /// It is down, or its check is critical.
    Bad,
}

impl Condition {
    /// Returns what a status means here; none is [`Condition::Unheard`].
    pub fn of(status: Option<Status>) -> Self {
        match status {
            None => Self::Unheard,
            Some(Status::Ok) => Self::Good,
            Some(Status::Warning) => Self::Warning,
            Some(Status::Unknown) => Self::Unknown,
            Some(Status::Critical) => Self::Bad,
        }
    }
}

/// A time in which something was the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it began.
    pub from: Unix,
    /// When it was over; `None` while it is not.
    pub until: Option<Unix>,
    /// The worst of it.
    pub peak: Status,
}
