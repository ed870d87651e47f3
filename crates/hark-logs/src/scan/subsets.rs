//! What of some patterns text has come to: a set of the states of their automaton.
//!
//! The library makes automata of such sets itself, but there each set also says what was found before
//! it was reached. Many patterns that hit often then have a set for each of these and each way to go on.
//! Here what is found belongs to the step from one set to the next, and sets only say how it goes on:
//! for a hundred pairs of letters some twenty instead of thousands.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subset {
    /// Those that consume a byte, or ask what is beside them, in their order.
    states: Box<[StateID]>,
    /// What is before them, if any of them asks.
    before: Beside,
}

/// What is beside a place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Beside {
    /// The beginning or the end of the line.
    End,
    Carriage,
    Word,
    Other,
    /// A byte of a letter that is not ASCII: it may be a Unicode word's.
    High,
}

/// What is beside a place makes a difference, and is not known.
#[derive(Debug)]
pub(super) struct Unknown;

/// An automaton of some patterns, and room to work with its states.
#[derive(Debug)]
pub(super) struct Subsets {
    nfa: NFA,
    /// For each state the round that it was put into a set in.
    rounds: Vec<u32>,
    round: u32,
    set: Vec<StateID>,
    stack: Vec<StateID>,
}

impl Subset {
    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.states)
    }
}

impl Beside {
    fn of(byte: u8) -> Self {
        match byte {
            b'\r' => Self::Carriage,
            0x80.. => Self::High,
            b'_' => Self::Word,
            _ if byte.is_ascii_alphanumeric() => Self::Word,
            _ => Self::Other,
        }
    }
}

impl Subsets {
    pub(super) fn new(nfa: NFA) -> Self {
        let rounds = vec![0; nfa.states().len()];
        Self { nfa, rounds, round: 0, set: Vec::new(), stack: Vec::new() }
    }

    /// Returns a class for each byte: those of one class lead to the same from everywhere.
    pub(super) fn class(&self, byte: u8) -> impl Eq + std::hash::Hash + use<> {
        let asks_words = self.nfa.look_set_any().contains_word();
        let beside = asks_words.then(|| Beside::of(byte));
        (self.nfa.byte_classes().get(byte), byte == b'\n', byte == b'\r', beside)
    }

    /// Returns where a line begins. `found` is told the patterns that are found in no text at all.
    pub(super) fn start(&mut self, found: impl FnMut(usize)) -> Subset {
        self.begin();
        self.add(self.nfa.start_anchored(), Beside::End, found);
        self.end(Beside::End)
    }

    /// Returns where `byte` leads to, which is in the line. `before` is told the patterns that are found
    /// if it is, and `found` those that it is the last byte of.
    pub(super) fn step(
        &mut self,
        from: &Subset,
        byte: u8,
        before: impl FnMut(usize),
        mut found: impl FnMut(usize),
    ) -> Result<Subset, Unknown> {
        let beside = Beside::of(byte);
        self.resolve(from, beside, before)?;
        let reached = std::mem::take(&mut self.set);
        self.begin();
        for id in &reached {
            let next = match self.nfa.state(*id) {
                State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                State::Sparse(transitions) => transitions.matches_byte(byte),
                State::Dense(transitions) => transitions.matches_byte(byte),
                State::Look { .. }
                | State::Union { .. }
                | State::BinaryUnion { .. }
                | State::Capture { .. }
                | State::Fail
                | State::Match { .. } => None,
            };
            if let Some(next) = next {
                self.add(next, beside, &mut found);
            }
        }
        // A match may begin anywhere.
        self.add(self.nfa.start_anchored(), beside, found);
        Ok(self.end(beside))
    }

    /// Tells the patterns that are found if the line ends here.
    pub(super) fn at_end(
        &mut self,
        from: &Subset,
        found: impl FnMut(usize),
    ) -> Result<(), Unknown> {
        self.resolve(from, Beside::End, found)
    }

    /// Makes a set of `from` and all that is reached from it if `after` comes next.
    fn resolve(
        &mut self,
        from: &Subset,
        after: Beside,
        mut found: impl FnMut(usize),
    ) -> Result<(), Unknown> {
        self.begin();
        for id in &from.states {
            self.put(*id);
        }
        // What is reached may ask again, at the same place.
        let mut at = 0;
        while let Some(id) = self.set.get(at).copied() {
            at += 1;
            if let State::Look { look, next } = *self.nfa.state(id)
                && holds(look, from.before, after)?
            {
                self.add(next, from.before, &mut found);
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.set.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.rounds.fill(0);
            self.round = 1;
        }
    }

    /// Returns true if the state was not in the set before.
    fn put(&mut self, id: StateID) -> bool {
        let Some(round) = self.rounds.get_mut(id.as_usize()) else { return false };
        let is_fresh = *round != self.round;
        *round = self.round;
        if is_fresh {
            self.set.push(id);
        }
        is_fresh
    }

    /// Adds to the set what is reached from `id` without a byte.
    fn add(&mut self, id: StateID, before: Beside, mut found: impl FnMut(usize)) {
        self.stack.push(id);
        while let Some(id) = self.stack.pop() {
            if !self.put(id) {
                continue;
            }
            let keep = match self.nfa.state(id) {
                // What is before is known.
                State::Look { look: Look::Start | Look::StartLF, next } => {
                    if before == Beside::End {
                        self.stack.push(*next);
                    }
                    false
                }
                State::ByteRange { .. }
                | State::Sparse(_)
                | State::Dense(_)
                | State::Look { .. } => true,
                State::Union { alternates } => {
                    self.stack.extend(alternates.iter().rev());
                    false
                }
                State::BinaryUnion { alt1, alt2 } => {
                    self.stack.extend([*alt2, *alt1]);
                    false
                }
                State::Capture { next, .. } => {
                    self.stack.push(*next);
                    false
                }
                State::Fail => false,
                State::Match { pattern_id } => {
                    found(pattern_id.as_usize());
                    false
                }
            };
            if !keep {
                self.set.pop();
            }
        }
    }

    fn end(&mut self, before: Beside) -> Subset {
        self.set.sort_unstable();
        let asks = |id: &StateID| matches!(self.nfa.state(*id), State::Look { .. });
        let before = if self.set.iter().any(asks) { before } else { Beside::Other };
        Subset { states: self.set.as_slice().into(), before }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        self.nfa.memory_usage()
            + self.rounds.capacity() * size_of::<u32>()
            + (self.set.capacity() + self.stack.capacity()) * size_of::<StateID>()
    }
}

/// Returns true if `look` finds what it asks for between the two.
fn holds(look: Look, before: Beside, after: Beside) -> Result<bool, Unknown> {
    let word = |beside| beside == Beside::Word;
    let known = |beside| if beside == Beside::High { Err(Unknown) } else { Ok(word(beside)) };
    Ok(match look {
        Look::Start | Look::StartLF => before == Beside::End,
        Look::End | Look::EndLF => after == Beside::End,
        Look::StartCRLF => matches!(before, Beside::End | Beside::Carriage),
        Look::EndCRLF => matches!(after, Beside::End | Beside::Carriage),
        Look::WordAscii => word(before) != word(after),
        Look::WordAsciiNegate => word(before) == word(after),
        Look::WordStartAscii => !word(before) && word(after),
        Look::WordEndAscii => word(before) && !word(after),
        Look::WordStartHalfAscii => !word(before),
        Look::WordEndHalfAscii => !word(after),
        Look::WordUnicode => known(before)? != known(after)?,
        Look::WordUnicodeNegate => known(before)? == known(after)?,
        Look::WordStartUnicode => !known(before)? && known(after)?,
        Look::WordEndUnicode => known(before)? && !known(after)?,
        Look::WordStartHalfUnicode => !known(before)?,
        Look::WordEndHalfUnicode => !known(after)?,
    })
}
