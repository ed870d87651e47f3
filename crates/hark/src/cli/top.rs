//! `hark top`: the state, live in the terminal.
//!
//! Three threads: this one draws and decides, one reads keys, one asks the server. What happens comes
//! through one bounded channel, so nothing is polled and a slow server does not make keys slow.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use hark_config::{Bare, duration};
use hark_model::Mono;
use hark_model::time::Clock;
use hark_top::{Act, Ask, Input, Order, Top};
use jiff::tz::TimeZone;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;

use super::client::{ApiArgs, Client};
use crate::stop::Stop;

/// What waits for the screen at most: keys of somebody who holds one down, and a round of answers.
const HAPPENED: usize = 64;

/// What may be under way that somebody has decided: more is said to be too much.
const ACTS: usize = 16;

/// What waits for the server at most: a round of questions, which is half a dozen, and what was decided
/// meanwhile. It never fills, so that who draws never waits for it.
const ERRANDS: usize = 64;

/// Shortest time between two rounds: below it the server works for a screen that nobody can read.
const LEAST_EVERY: Duration = Duration::from_millis(500);

/// How often a request to end is looked for while nothing happens; also how often ages grow.
const BEAT: Duration = Duration::from_secs(1);

/// Show incidents and hosts, live in the terminal: open one, take it, look at its charts.
///
/// Works over SSH and at 80 columns and 24 rows. `?` shows the keys. Colours follow `NO_COLOR`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark top\n  hark top web1 --every 5s\n  \
    hark top --url https://hark.example.net:50004 --token TOKEN")]
pub(super) struct Args {
    /// Begin with this host.
    host: Option<String>,
    /// How often the server is asked.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_every)]
    every: Duration,
    #[command(flatten)]
    api: ApiArgs,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let every = duration::parse(text, Bare::Seconds).map_err(|error| error.to_string())?;
    if every < LEAST_EVERY {
        return Err(format!("must be at least {}", duration::format(LEAST_EVERY)));
    }
    Ok(every)
}

/// What the server is to be asked or told.
#[derive(Debug)]
enum Errand {
    Ask(Ask),
    Act(Act),
    /// All questions of a round were before this.
    RoundEnds,
}

/// What happened.
#[derive(Debug)]
enum Happened {
    Key(Input),
    Resized,
    Answer(Ask, Result<Value, String>),
    Did(Act, Result<(), String>),
    RoundEnded,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.api.json {
        bail!("`hark top` draws on a terminal: for JSON take `hark status --json`");
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("`hark top` needs a terminal: `hark status` prints the same once");
    }
    let client = Client::new(&args.api)?;
    // What is wrong from the start is said on the terminal as it was.
    client.get("/api/0/overview")?;
    let stop = Stop::at_signal()?;
    let (happens, happened) = sync_channel(HAPPENED);
    let (errands, to_do) = sync_channel(ERRANDS);
    let answers = happens.clone();
    std::thread::Builder::new()
        .name("hark-top-server".to_owned())
        .spawn(move || run_errands(&client, &to_do, &answers))?;
    let mut terminal = ratatui::try_init().context("cannot draw on this terminal")?;
    std::thread::Builder::new()
        .name("hark-top-keys".to_owned())
        .spawn(move || read_keys(&happens))?;
    let top = args.host.as_deref().map_or_else(Top::new, Top::of_host);
    let shown =
        Screen { top, errands, every: args.every, due: Clock.now().mono, asking: false, acts: 0 }
            .show(&mut terminal, &happened, &stop);
    ratatui::restore();
    shown.map(|()| ExitCode::SUCCESS)
}

/// The screen with its errands.
struct Screen {
    top: Top,
    errands: SyncSender<Errand>,
    every: Duration,
    /// When the next round of questions is due.
    due: Mono,
    /// Whether a round is under way: there is one at a time.
    asking: bool,
    /// How much is to be done that is not done yet.
    acts: usize,
}

impl Screen {
    fn show(
        mut self,
        terminal: &mut DefaultTerminal,
        happened: &Receiver<Happened>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let zone = TimeZone::system();
        while !stop.is_raised() {
            let now = Clock.now();
            self.ask(now.mono)?;
            terminal.draw(|frame| hark_top::draw(&mut self.top, frame, now.unix, &zone))?;
            match happened.recv_timeout(BEAT) {
                Ok(first) => {
                    // All that has come is one picture.
                    for happened in std::iter::once(first).chain(happened.try_iter()) {
                        if self.take(happened)? {
                            return Ok(());
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("a part of `hark top` has ended"),
            }
        }
        Ok(())
    }

    /// Asks for what is wanted, if it is time or if that has changed.
    fn ask(&mut self, now: Mono) -> anyhow::Result<()> {
        if self.asking || (now < self.due && !self.top.is_hungry()) {
            return Ok(());
        }
        let asks = self.top.asks(Clock.now().unix);
        for errand in asks.into_iter().map(Errand::Ask).chain([Errand::RoundEnds]) {
            self.send(errand)?;
        }
        (self.asking, self.due) = (true, now + self.every);
        Ok(())
    }

    /// Takes what happened; returns true if that was the end.
    fn take(&mut self, happened: Happened) -> anyhow::Result<bool> {
        let now = Clock.now().unix;
        match happened {
            Happened::Key(input) => match self.top.press(input) {
                Some(Order::Quit) => return Ok(true),
                Some(Order::Act(act)) => self.act(act)?,
                None => {}
            },
            Happened::Resized => {}
            Happened::Answer(ask, answer) => self.top.take(&ask, answer, now),
            Happened::Did(act, result) => {
                self.acts = self.acts.saturating_sub(1);
                self.top.did(&act, result);
            }
            Happened::RoundEnded => self.asking = false,
        }
        Ok(false)
    }

    /// Has something done, if there is room: a key that is held down is not to stand still with a server
    /// that does.
    fn act(&mut self, act: Act) -> anyhow::Result<()> {
        if self.acts >= ACTS {
            self.top.did(&act, Err("the server has not done the last ones yet".to_owned()));
            return Ok(());
        }
        self.acts += 1;
        self.send(Errand::Act(act))
    }

    fn send(&self, errand: Errand) -> anyhow::Result<()> {
        self.errands.send(errand).context("what asks the server has ended")
    }
}

/// Asks and does, one after the other.
fn run_errands(client: &Client, to_do: &Receiver<Errand>, answers: &SyncSender<Happened>) {
    for errand in to_do {
        let happened = match errand {
            Errand::Ask(ask) => {
                let answer = client.get(&ask.path()).map_err(|error| format!("{error:#}"));
                Happened::Answer(ask, answer)
            }
            Errand::Act(act) => {
                let (path, body) = act.request();
                let result = client.post(None, &path, &body);
                Happened::Did(act, result.map(drop).map_err(|error| format!("{error:#}")))
            }
            Errand::RoundEnds => Happened::RoundEnded,
        };
        if answers.send(happened).is_err() {
            return;
        }
    }
}

fn read_keys(happens: &SyncSender<Happened>) {
    while let Ok(event) = event::read() {
        let happened = match event {
            Event::Key(key) => match input(key) {
                Some(input) => Happened::Key(input),
                None => continue,
            },
            Event::Resize(..) => Happened::Resized,
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) => continue,
        };
        if happens.send(happened).is_err() {
            return;
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a terminal knows dozens of keys; these mean something"
)]
fn input(key: KeyEvent) -> Option<Input> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Input::Interrupt);
    }
    Some(match key.code {
        KeyCode::Char(c) => Input::Char(c),
        KeyCode::Enter => Input::Enter,
        KeyCode::Esc => Input::Escape,
        KeyCode::Backspace => Input::Backspace,
        KeyCode::Tab => Input::Tab,
        KeyCode::Up => Input::Up,
        KeyCode::Down => Input::Down,
        KeyCode::Left => Input::Left,
        KeyCode::Right => Input::Right,
        KeyCode::PageUp => Input::PageUp,
        KeyCode::PageDown => Input::PageDown,
        KeyCode::Home => Input::Home,
        KeyCode::End => Input::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_mean() {
        let plain = |code| input(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(plain(KeyCode::Char('é')), Some(Input::Char('é')));
        assert_eq!(plain(KeyCode::F(5)), None);
        let control = |c| input(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        assert_eq!((control('c'), control('a')), (Some(Input::Interrupt), None));
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(input(released), None);
    }

    #[test]
    fn the_server_is_not_asked_without_a_pause() {
        assert_eq!(parse_every("500ms"), Ok(LEAST_EVERY));
        assert_eq!(parse_every("5"), Ok(Duration::from_secs(5)));
        assert!(parse_every("10ms").is_err() && parse_every("soon").is_err());
    }
}
