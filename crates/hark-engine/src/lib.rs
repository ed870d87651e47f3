//! The pure engine: who lives, what is bad, who is told. No IO.
//!
//! [`Engine`] holds all monitoring state. It is fed one [`Input`] at a time with the moment at which
//! it happened, and pushes what must be done into [`Effects`]: records to be written in one
//! transaction, and things to be done after that. It reads no clock, no file, no socket and no random
//! source: the same inputs give the same effects, byte for byte.
//!
//! **What it deliberately does not know:** how a message is sent (it makes outbox rows and is told the
//! outcome), how a check looks at something (it takes results and asks for probes), how samples are
//! kept (it sees only values that some threshold looks at), and who may do what (it takes a user's
//! name as given).
//!
//! Where to start: [`Input`] and [`Effect`] are what it can notice and do. A heartbeat goes
//! `accept` -> `judge` -> `confirm` -> `incident` -> `reconcile` -> `decide` -> `outbox`. Numbers such
//! as T8 or D4 in comments and tests name the rules of the alerting design.

mod absence;
mod accept;
mod check;
mod confirm;
mod course;
mod decide;
mod derive;
mod dropped;
mod due;
pub mod effect;
mod engine;
mod escalate;
mod events;
mod explain;
mod flap;
pub mod fold;
mod gate;
mod group;
mod host;
mod hosts;
mod incident;
pub mod input;
mod judge;
mod liveness;
mod matching;
mod message;
mod moment;
mod operator;
mod outbox;
mod overlay;
mod own_clock;
pub mod plan;
pub mod push;
mod reach;
mod reconcile;
mod reload;
mod repair;
mod sampled;
mod server;
mod silencing;
mod timers;
mod times;
pub mod trial;
mod turned;
pub mod view;
mod watching;
mod windows;
mod words;

pub use course::{CourseLine, Question};
pub use decide::Block;
pub use dropped::{DroppedHost, DroppedView};
pub use effect::{Changed, Done, Effect, Effects, Recall, Refused, Watch};
pub use engine::{Counts, Engine};
pub use explain::{Explanation, Line, Preview, Verdict};
pub use host::HostState;
pub use input::Expected;
pub use input::{Action, Heard, HostJoined, HostSeen, Input, Outcome, Recalled, Sampled};
pub use matching::{covers_check, covers_host};
pub use overlay::{IN_MAINTENANCE, MAINTENANCE_OVER};
pub use plan::Plan;
pub use sampled::{AGENT_FACT, MADE_BY_FACT};
pub use turned::{Turn, turned};
