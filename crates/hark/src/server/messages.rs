//! What the threads of the server say to each other. Every channel between them is bounded.

use std::sync::Arc;
use std::time::Duration;

use hark_engine::effect::Watch;
use hark_engine::{Engine, Input};
use hark_model::record::DeliveryRecord;
use hark_model::time::{Mono, Unix};
use hark_model::{HostId, HostName, Notification, SeriesDef};
use hark_store::history::SetId;
use hark_store::state::Change;
use hark_web::{AgentClaim, AgentProof};

use super::engine_loop::Request;
use super::happened::Brought as BroughtEvent;
use super::intake::{AgentFacts, Brought, KnownAgent, Taken};
use crate::config::{AgentConfigs, Given};

/// Batches that may wait for the engine. At 1,000 datagrams a batch this is a second of the highest
/// rate; more would only hide that the engine is too slow.
pub(crate) const ENGINE_QUEUE: usize = 256;

/// Batches that may wait for history: history may stand still for an fsync of some 100 ms.
pub(crate) const HISTORY_QUEUE: usize = 1024;

/// Messages that may wait for ingest. It empties its queue at every turn, also while others keep it waiting,
/// so that more would bring nothing, and the room of a queue is made with it: a MiB for these.
pub(crate) const INTAKE_QUEUE: usize = 8192;

/// As [`INTAKE_QUEUE`], where the agent of this process is all that speaks.
pub(crate) const INTAKE_QUEUE_ALONE: usize = 256;

/// What ingest found, for the engine.
#[derive(Debug, Default)]
pub(crate) struct EngineBatch {
    /// Number of the flush; the records caused by it are committed before it is acknowledged.
    pub(crate) ticket: u64,
    /// In the order in which they arrived.
    pub(crate) inputs: Vec<Input>,
    /// To be committed with the engine's records: sessions, agents, report windows.
    pub(crate) changes: Vec<Change>,
}

/// Rooms of a batch that was taken, for the next ones: to give them back and ask for them anew costs more than to
/// fill them, since the one who frees is not the one who asked.
#[derive(Debug)]
pub(crate) enum Emptied {
    /// Of an [`EngineBatch`]: its inputs, of which the heartbeats' lists of values are wanted.
    Engine(Vec<Input>),
    /// Of a [`HistoryBatch`].
    History(HistoryBatch),
}

/// A message that goes to a fallback receiver.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HandOver {
    /// What is to be written in the same transaction: the message that it stands in for, settled.
    pub(crate) settled: Option<DeliveryRecord>,
    /// The message, which gets a number of its own.
    pub(crate) stand_in: Notification,
}

/// Everything that reaches the engine thread.
pub(crate) enum ToEngine {
    /// What ingest found.
    Batch(EngineBatch),
    /// One input from another part.
    Input(Input),
    /// A program brings samples; it is told once what the engine made of them is on the disk.
    Sampled {
        /// Values that thresholds look at, and hosts that are new.
        inputs: Vec<Input>,
        /// Who waits.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
    },
    /// A message goes to a fallback receiver: it needs a number of its own.
    HandOver(Box<HandOver>),
    /// Another server brings events; it is told once they are on the disk.
    Brought {
        /// In their order.
        events: Vec<BroughtEvent>,
        /// Who waits.
        reply: tokio::sync::oneshot::Sender<Result<(), String>>,
    },
    /// Somebody does something.
    Request(Request),
    /// A question about the live state, answered on the engine's thread between two inputs. It must
    /// be short: a view of one host, or one pass over all.
    Ask(Box<dyn FnOnce(&Engine) + Send>),
}

impl std::fmt::Debug for ToEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Batch(_) => "Batch",
            Self::Input(_) => "Input",
            Self::HandOver(_) => "HandOver",
            Self::Brought { .. } => "Brought",
            Self::Sampled { .. } => "Sampled",
            Self::Request(_) => "Request",
            Self::Ask(_) => "Ask",
        };
        f.write_str(name)
    }
}

/// Where one frame lies in a [`HistoryBatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameAt {
    /// Of which host.
    pub(crate) host: HostId,
    /// The set in history's catalogue.
    pub(crate) set: SetId,
    /// When it was taken.
    pub(crate) taken_at: Unix,
    /// End of its bytes in `bytes`; it begins where the one before ends.
    pub(crate) end: usize,
}

/// A set that an agent declared.
#[derive(Clone, Debug)]
pub(crate) struct DefineSet {
    /// The agent's slot in ingest.
    pub(crate) slot: usize,
    /// Of which host.
    pub(crate) host: HostId,
    /// The agent's number for it.
    pub(crate) number: u32,
    /// What it holds.
    pub(crate) series: Arc<[SeriesDef]>,
}

/// What ingest found, for history.
#[derive(Debug, Default)]
pub(crate) struct HistoryBatch {
    /// As [`EngineBatch::ticket`], the last of several.
    pub(crate) ticket: u64,
    /// When the first of them was closed.
    pub(crate) since: Option<Mono>,
    /// Sets to be entered into the catalogue first.
    pub(crate) define: Vec<DefineSet>,
    /// Where the frames lie.
    pub(crate) frames: Vec<FrameAt>,
    /// The frames' value bytes, one after the other.
    pub(crate) bytes: Vec<u8>,
}

impl HistoryBatch {
    /// Returns the rooms of it, emptied.
    pub(crate) fn emptied(self) -> Self {
        let Self { mut frames, mut bytes, .. } = self;
        frames.clear();
        bytes.clear();
        Self { frames, bytes, ..Self::default() }
    }

    /// Returns how many sets and frames there are.
    pub(crate) fn len(&self) -> usize {
        self.define.len() + self.frames.len()
    }

    /// Returns true if there is nothing to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Frames of a program that waits until they are kept.
#[derive(Debug)]
pub(crate) struct FrameBatch {
    /// Where they lie.
    pub(crate) frames: Vec<FrameAt>,
    /// As [`HistoryBatch::bytes`].
    pub(crate) bytes: Vec<u8>,
    /// Told once they are on the disk.
    pub(crate) reply: tokio::sync::oneshot::Sender<FramesKept>,
}

/// What became of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FramesKept {
    /// They are on the disk, but for those at these places: their time is out of range.
    Kept(Vec<usize>),
    /// Their sets are of a history before: to be declared anew.
    Undeclared,
    /// Not now: history is stopped.
    Stopped,
}

/// Which part has kept a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The state store.
    State,
    /// History; `kept` is false while it is stopped.
    History {
        /// Whether the frames are on the disk.
        kept: bool,
    },
}

/// An order that waits for an agent, on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Its number.
    pub(crate) id: u32,
    /// When it is given up.
    pub(crate) expires: Unix,
    /// What the agent gets.
    pub(crate) text: Arc<str>,
}

/// Why history has no number for a set.
#[derive(Clone, Debug)]
pub(crate) struct NotDefined {
    /// For people.
    pub(crate) why: String,
    /// For how long.
    pub(crate) lasts: Lasts,
}

/// For how long a set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// Until history works: its agent is asked for it again.
    Moments,
    /// As long as its host has as many series as it may.
    WhileFull,
    /// However often it is declared.
    ForGood,
}

/// Everything that reaches ingest.
#[derive(Debug)]
pub(crate) enum ToIntake {
    /// A part has done with everything up to this ticket.
    Done {
        /// Which part.
        part: Part,
        /// Up to which ticket.
        ticket: u64,
    },
    /// A host got its number.
    HostLearned {
        /// Its number.
        host: HostId,
        /// Its name.
        name: HostName,
    },
    /// Orders wait for the agent of a host.
    Orders {
        /// Of which host.
        host: HostName,
        /// Which.
        offers: Vec<Offer>,
    },
    /// A host was forgotten.
    HostDropped {
        /// Its number.
        host: HostId,
    },
    /// Which values of a host the engine wants.
    Watch {
        /// Of which host.
        host: HostId,
        /// Which values.
        watches: Vec<Watch>,
        /// Up to which ticket the engine has seen what ingest found: it knows the series in it.
        ticket: u64,
    },
    /// What a batch was in, to be used again. No reason to wake for.
    Emptied(Emptied),
    /// The catalogue's number of a set, or why it was refused.
    SetReady {
        /// What was asked.
        set: DefineSet,
        /// The answer.
        outcome: Result<SetId, NotDefined>,
    },
    /// History was opened anew: every set must be declared again.
    SetsForgotten,
    /// History stopped, or is back.
    HistoryStopped(bool),
    /// A host was enrolled, or enrolled anew.
    Enrolled {
        /// As whom.
        agent: Box<KnownAgent>,
        /// Its host's number.
        host: HostId,
        /// Told once ingest knows it.
        done: tokio::sync::oneshot::Sender<()>,
    },
    /// Somebody says over HTTPS that it is an agent.
    Prove(Box<AgentClaim>, tokio::sync::oneshot::Sender<AgentProof>),
    /// An agent that has proven itself brings something over HTTPS.
    Brought(Box<Brought>, tokio::sync::oneshot::Sender<Taken>),
    /// It asks for the settings that it is given.
    Given(usize, tokio::sync::oneshot::Sender<Option<Arc<Given>>>),
    /// It asks what there is: the revision of its settings, and the oldest order.
    News(usize, tokio::sync::oneshot::Sender<(u32, u32)>),
    /// It takes the order of this number.
    TakeOrder(usize, u32, tokio::sync::oneshot::Sender<Option<Arc<str>>>),
    /// The page asks for what is known of the agent of one host.
    FactsOf(HostName, tokio::sync::oneshot::Sender<Option<AgentFacts>>),
    /// The page asks for what is known of every agent.
    Facts(tokio::sync::oneshot::Sender<Vec<AgentFacts>>),
    /// The configuration has changed: agents are given what it has for them, every host's series are
    /// asked for again.
    Reloaded {
        /// The shared secret, if there is one.
        secret: Option<hark_model::Secret>,
        /// What agents are given.
        configs: Arc<AgentConfigs>,
        /// How late samples may be kept before load is shed; zero: however late.
        shed_after: Duration,
    },
}
