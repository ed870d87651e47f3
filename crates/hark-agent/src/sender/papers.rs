//! What the server has for this agent: its configuration, its orders; fetched one at a time.

use std::collections::VecDeque;

use hark_proto::body::Assembled;
use hark_proto::{Acked, Paper, PaperAssembler, Piece};

use super::{Load, Moment, Sender, Wire};

/// Papers that arrived and were not taken yet: the agent takes them at once, two is the most.
const MAX_ARRIVED: usize = 4;

/// A paper that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Which.
    pub(crate) paper: Paper,
    /// All of it. For [`Paper::Configuration`] 0 it is empty: the server gives nothing any more.
    pub(crate) bytes: Vec<u8>,
}

/// What is there and what is wanted.
#[derive(Debug, Default)]
pub(super) struct Papers {
    /// The revision that was taken last, used or refused; `None`: not even that nothing is given is
    /// known.
    configuration: Option<u32>,
    /// The newest order that was taken.
    order: u32,
    /// The revision and order that the server told last.
    told: Option<(u32, u32)>,
    fetching: Option<PaperAssembler>,
    /// From where the piece is that was asked for and has not come.
    asked: Option<u32>,
    arrived: VecDeque<Arrived>,
}

impl Papers {
    /// The server told what it has.
    pub(super) fn told(&mut self, acked: &Acked) {
        self.told = Some((acked.revision, acked.order));
        if acked.revision == 0 && self.configuration.is_some_and(|revision| revision != 0) {
            self.arrive(Paper::Configuration(0), Vec::new());
        }
        if acked.revision == 0 {
            self.configuration = Some(0);
        }
        // What it does not name any more cannot be had any more.
        let wanted = self.wanted();
        if self.fetching.as_ref().map(PaperAssembler::paper) != wanted {
            self.fetching = wanted.map(PaperAssembler::new);
            self.asked = None;
        }
    }

    fn wanted(&self) -> Option<Paper> {
        let (revision, order) = self.told?;
        if revision != 0 && self.configuration != Some(revision) {
            return Some(Paper::Configuration(revision));
        }
        (order != 0 && order != self.order).then_some(Paper::Order(order))
    }

    fn take(&mut self, piece: &Piece) {
        let Some(fetching) = &mut self.fetching else { return };
        match fetching.take(piece) {
            // The question for this one is answered, whenever its acknowledgement comes.
            Assembled::More => self.asked = None,
            Assembled::Whole(bytes) => {
                let paper = fetching.paper();
                self.done(paper);
                self.arrive(paper, bytes);
            }
            Assembled::Gone => {
                let paper = fetching.paper();
                tracing::warn!(?paper, "the server does not have what it told of");
                self.fetching = None;
                self.told = None;
                self.asked = None;
            }
            Assembled::Other => {}
        }
    }

    fn done(&mut self, paper: Paper) {
        match paper {
            Paper::Configuration(revision) => self.configuration = Some(revision),
            Paper::Order(number) => self.order = number,
        }
        self.asked = None;
        self.fetching = self.wanted().map(PaperAssembler::new);
    }

    fn arrive(&mut self, paper: Paper, bytes: Vec<u8>) {
        if self.arrived.len() >= MAX_ARRIVED {
            self.arrived.pop_front();
        }
        self.arrived.push_back(Arrived { paper, bytes });
    }

    /// A question was lost, or is stored: if its answer is not there it is asked again.
    pub(super) fn unasked(&mut self, offset: u32) {
        if self.asked == Some(offset) {
            self.asked = None;
        }
    }
}

impl Sender {
    /// Says what was taken before this start: a revision (0 if the server gave nothing) and an order.
    pub(crate) fn has_papers(&mut self, configuration: Option<u32>, order: u32) {
        self.papers.configuration = configuration;
        self.papers.order = order;
    }

    /// Returns what has arrived, each once.
    pub(crate) fn arrived(&mut self) -> Option<Arrived> {
        self.papers.arrived.pop_front()
    }

    pub(super) fn take_piece(&mut self, piece: &Piece) {
        self.papers.take(piece);
    }

    /// Asks for the next piece of what is wanted, one at a time: papers are short and not urgent.
    pub(super) fn fetch(&mut self, moment: Moment, wire: Wire<'_>) {
        if self.papers.asked.is_some() || self.silent {
            return;
        }
        let Some(fetch) = self.papers.fetching.as_ref().map(PaperAssembler::next) else { return };
        self.papers.asked = Some(fetch.offset);
        self.send(&fetch.encode(), Load::Question(fetch.offset), moment, wire);
    }
}
