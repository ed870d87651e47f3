//! One program that runs.

use std::io::{self, ErrorKind};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::time::Duration;

use hark_model::{Mono, Now};

use super::{
    Exit, FLOOD, Finished, GRACE, Happened, Invocation, KEPT, KEPT_ERRORS, LINGER, Output, RunId,
    cgroup::{Group, Groups},
    leftovers,
};
use crate::sys::{self, Ending, Family, Limit, Poller, Printed, Signal, Token};

/// Bound on one line of a program whose output is read line by line; what is longer is cut.
const MAX_LINE: usize = 16 * 1024;

/// Bytes that are read in a second of a program whose output is read line by line. What is more waits
/// in its pipe and slows it down, instead of us.
const PACE: u64 = 1024 * 1024;

/// For so long after its start only the end of a program is waited for: most have ended by then, and
/// what they printed is in their pipes, so that one wake-up does instead of four. One that prints more
/// than a pipe holds waits for us as long.
const QUIET: Duration = Duration::from_millis(100);

/// A program that runs.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: RunId,
    /// Its control group, if it has one.
    pub(super) group: Option<Group>,
    child: Child,
    family: Family,
    ending: Ending,
    output: Option<Pipe<ChildStdout>>,
    errors: Option<Pipe<ChildStderr>>,
    kind: Output,
    mark: String,
    began: Now,
    limit: Option<Duration>,
    stage: Stage,
    /// Whether only its end is waited for; see [`QUIET`].
    quiet: bool,
    /// How we ended it, if we did.
    ended_by_us: Option<Exit>,
    kept: Vec<u8>,
    kept_errors: Vec<u8>,
    cut: bool,
    /// The line is longer than [`MAX_LINE`]: the rest of it is passed over.
    skipping: bool,
    /// Bytes of output and errors: in all, or with [`Output::Lines`] since `second` began.
    read: u64,
    second: Mono,
}

#[derive(Debug)]
struct Pipe<P> {
    pipe: P,
    token: Option<Token>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It runs.
    Running,
    /// It was asked to end, and is killed at this time.
    Asked(Mono),
    /// It was killed.
    Killed,
    /// It has ended; its pipes may be open until this time.
    Ended(Exit, Mono),
    /// What still held its pipes was killed; they are closed or given up at this time.
    Hunted(Exit, Mono),
}

impl Live {
    /// Takes over a child that was just started.
    pub(super) fn begin(
        id: RunId,
        mut child: Child,
        invocation: &Invocation,
        mark: String,
        now: Now,
    ) -> io::Result<Self> {
        let prepared = prepare(&mut child);
        let (family, ending, output, errors) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                return Err(error);
            }
        };
        Ok(Self {
            id,
            group: None,
            child,
            family,
            ending,
            output: Some(Pipe { pipe: output, token: None }),
            errors: Some(Pipe { pipe: errors, token: None }),
            kind: invocation.output,
            mark,
            began: now,
            limit: invocation.limit,
            stage: Stage::Running,
            quiet: invocation.output == Output::Whole,
            ended_by_us: None,
            kept: Vec::new(),
            kept_errors: Vec::new(),
            cut: false,
            skipping: false,
            read: 0,
            second: now.mono,
        })
    }

    /// Holds it to limits. One that has ended already needs none.
    pub(super) fn limit(&self, limits: &[Limit]) {
        if let Err(error) = self.family.limit(limits) {
            tracing::debug!(%error, "a program runs without limits of the kernel");
        }
    }

    /// Lets it begin, where it waits for that.
    pub(super) fn set_off(&self) -> io::Result<()> {
        self.family.begin()
    }

    /// Gives it a control group of its own.
    pub(super) fn move_to(&mut self, groups: &mut Groups) {
        self.group = groups.take_in(self.child.id());
    }

    pub(super) fn wait_for(&mut self, poller: &mut Poller) {
        if !self.is_over() {
            self.ending.wait_for(poller);
        }
        if self.is_paced() || self.quiet {
            return;
        }
        if let Some(output) = &mut self.output {
            output.token = Some(poller.printed(&output.pipe));
        }
        if let Some(errors) = &mut self.errors {
            errors.token = Some(poller.printed(&errors.pipe));
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let paced = self.is_paced().then(|| self.second + Duration::from_secs(1));
        let quiet = self.quiet.then(|| self.began.mono + QUIET);
        let looked_at = if self.is_over() { None } else { self.ending.look_at() };
        [self.stage_ends(), paced, quiet, looked_at].into_iter().flatten().min()
    }

    /// Whether it was waited for.
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended(..) | Stage::Hunted(..))
    }

    /// Whether it has printed more in this second than is read.
    fn is_paced(&self) -> bool {
        self.kind == Output::Lines && self.read > PACE
    }

    fn stage_ends(&self) -> Option<Mono> {
        match self.stage {
            Stage::Running => self.limit.map(|limit| self.began.mono + limit),
            Stage::Asked(until) | Stage::Ended(_, until) | Stage::Hunted(_, until) => Some(until),
            Stage::Killed => None,
        }
    }

    /// Goes on; returns how it went if it is over.
    pub(super) fn advance(
        &mut self,
        poller: &Poller,
        buffer: &mut [u8],
        now: Now,
        happened: &mut Vec<Happened>,
    ) -> Option<Finished> {
        if self.kind == Output::Lines && now.mono.since(self.second) >= Duration::from_secs(1) {
            (self.read, self.second) = (0, now.mono);
        }
        self.quiet &= now.mono < self.began.mono + QUIET;
        self.read_output(poller, buffer, happened);
        self.read_errors(poller, buffer);
        self.end_flood();
        self.be_strict(now.mono);
        if !self.is_over() && self.ending.is_there(poller, now.mono) {
            self.reap(now.mono);
            self.quiet = false;
            // It may have printed its last words after we read.
            self.drain(buffer, happened);
        }
        self.finish(now, happened)
    }

    /// Asks it to end, because of `reason`.
    pub(super) fn end_early(&mut self, reason: Exit, now: Mono) {
        if matches!(self.stage, Stage::Running) {
            self.ended_by_us.get_or_insert(reason);
            self.signal(Signal::Terminate);
            self.stage = Stage::Asked(now + GRACE);
        }
    }

    /// Ends it and waits for it. What it started and left is killed as well.
    pub(super) fn kill_now(&mut self) {
        if !self.is_over() {
            self.signal(Signal::Kill);
            drop(self.child.wait());
        }
        leftovers::kill(&self.mark);
    }

    fn be_strict(&mut self, now: Mono) {
        if self.stage_ends().is_none_or(|end| now < end) {
            return;
        }
        match self.stage {
            Stage::Running => {
                let limit = self.limit.unwrap_or_default();
                self.end_early(Exit::TimedOut(limit), now);
            }
            Stage::Asked(_) => {
                self.signal(Signal::Kill);
                self.stage = Stage::Killed;
            }
            Stage::Ended(exit, _) => {
                // Somebody outside of its group still holds its pipes.
                leftovers::kill(&self.mark);
                self.stage = Stage::Hunted(exit, now + LINGER);
            }
            Stage::Killed | Stage::Hunted(..) => {}
        }
    }

    fn signal(&self, signal: Signal) {
        // Fails only for a group that is gone already.
        drop(self.family.signal(signal));
        if let (Signal::Kill, Some(group)) = (signal, &self.group) {
            group.kill();
        }
    }

    fn reap(&mut self, now: Mono) {
        // Before it is waited for: as long as it is a zombie, the group's number is not given away.
        self.signal(Signal::Kill);
        let status = self.child.wait();
        let exit = self.ended_by_us.unwrap_or_else(|| exit(&status));
        let killed = self.ended_by_us.is_some() && leftovers::kill(&self.mark) > 0;
        if killed {
            tracing::debug!(mark = self.mark, "processes that had left their group were killed");
        }
        self.stage = Stage::Ended(exit, now + LINGER);
    }

    fn finish(&mut self, now: Now, happened: &mut Vec<Happened>) -> Option<Finished> {
        let closed = self.output.is_none() && self.errors.is_none();
        let exit = match self.stage {
            Stage::Ended(exit, _) if closed => exit,
            Stage::Hunted(exit, until) if closed || now.mono >= until => exit,
            Stage::Running
            | Stage::Asked(_)
            | Stage::Killed
            | Stage::Ended(..)
            | Stage::Hunted(..) => return None,
        };
        if self.kind == Output::Lines && !self.kept.is_empty() {
            happened.push(Happened::Line(self.id, std::mem::take(&mut self.kept)));
        }
        Some(Finished {
            exit,
            output: std::mem::take(&mut self.kept),
            errors: std::mem::take(&mut self.kept_errors),
            cut: self.cut,
            began_at: self.began.unix,
            took: now.mono.since(self.began.mono),
        })
    }

    fn read_output(&mut self, poller: &Poller, buffer: &mut [u8], happened: &mut Vec<Happened>) {
        let ready = self.output.as_mut().and_then(|output| output.token.take());
        if ready.is_some_and(|token| poller.is_ready(token)) {
            self.take_output(buffer, happened);
        }
    }

    fn end_flood(&mut self) {
        if self.kind == Output::Lines || self.read <= FLOOD || matches!(self.stage, Stage::Killed) {
            return;
        }
        self.ended_by_us.get_or_insert(Exit::Flooded);
        if self.is_over() {
            // What left its group goes on printing.
            leftovers::kill(&self.mark);
            (self.output, self.errors) = (None, None);
        } else {
            self.signal(Signal::Kill);
            self.stage = Stage::Killed;
        }
    }

    /// Reads once. Returns false if there was nothing.
    fn take_output(&mut self, buffer: &mut [u8], happened: &mut Vec<Happened>) -> bool {
        let Some(output) = &mut self.output else { return false };
        match read(&mut output.pipe, buffer) {
            Read::Bytes(bytes) => {
                self.read += bytes.len() as u64;
                match self.kind {
                    Output::Whole => self.cut |= keep(&mut self.kept, bytes, KEPT),
                    Output::Lines => self.lines(bytes, happened),
                }
                true
            }
            Read::Nothing => false,
            Read::End => {
                self.output = None;
                false
            }
        }
    }

    fn lines(&mut self, bytes: &[u8], happened: &mut Vec<Happened>) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            if !self.skipping {
                self.skipping = keep(&mut self.kept, text, MAX_LINE);
                self.cut |= self.skipping;
            }
            if ends {
                self.skipping = false;
                happened.push(Happened::Line(self.id, std::mem::take(&mut self.kept)));
            }
        }
    }

    fn read_errors(&mut self, poller: &Poller, buffer: &mut [u8]) {
        let ready = self.errors.as_mut().and_then(|errors| errors.token.take());
        if ready.is_some_and(|token| poller.is_ready(token)) {
            self.take_errors(buffer);
        }
    }

    fn take_errors(&mut self, buffer: &mut [u8]) -> bool {
        let Some(errors) = &mut self.errors else { return false };
        match read(&mut errors.pipe, buffer) {
            Read::Bytes(bytes) => {
                self.read += bytes.len() as u64;
                keep(&mut self.kept_errors, bytes, KEPT_ERRORS);
                true
            }
            Read::Nothing => false,
            Read::End => {
                self.errors = None;
                false
            }
        }
    }

    /// Takes what is in the pipes, as much as a pipe can hold.
    fn drain(&mut self, buffer: &mut [u8], happened: &mut Vec<Happened>) {
        /// A pipe holds 64 KiB, and 1 MiB if somebody has asked for it.
        const MOST: usize = 16;
        for _ in 0..MOST {
            if !self.take_output(buffer, happened) {
                break;
            }
        }
        for _ in 0..MOST {
            if !self.take_errors(buffer) {
                break;
            }
        }
    }
}

fn prepare(child: &mut Child) -> io::Result<(Family, Ending, ChildStdout, ChildStderr)> {
    let missing = || io::Error::other("a pipe is missing");
    let output = child.stdout.take().ok_or_else(missing)?;
    let errors = child.stderr.take().ok_or_else(missing)?;
    sys::set_nonblocking(&output)?;
    sys::set_nonblocking(&errors)?;
    Ok((Family::of(child)?, Ending::of(child)?, output, errors))
}

enum Read<'b> {
    Bytes(&'b [u8]),
    Nothing,
    End,
}

fn read<'b>(pipe: &mut impl Printed, buffer: &'b mut [u8]) -> Read<'b> {
    match sys::read_once(pipe, buffer) {
        Ok(0) => Read::End,
        Ok(len) => Read::Bytes(buffer.get(..len).unwrap_or_default()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Read::Nothing
        }
        Err(_) => Read::End,
    }
}

/// Appends what fits below `most`; returns true if not all did.
fn keep(kept: &mut Vec<u8>, bytes: &[u8], most: usize) -> bool {
    let room = most.saturating_sub(kept.len());
    let some = bytes.get(..room.min(bytes.len())).unwrap_or_default();
    kept.extend_from_slice(some);
    some.len() < bytes.len()
}

fn exit(status: &io::Result<ExitStatus>) -> Exit {
    let Ok(status) = status else { return Exit::Stopped };
    match (status.code(), sys::signal_of(*status)) {
        (Some(code), _) => Exit::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}
