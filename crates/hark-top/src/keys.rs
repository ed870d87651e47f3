//! What keys do.

use crate::ask::Act;
use crate::state::{Detail, Prompt, Purpose, RANGES, Top, View};

/// A key, whatever the terminal calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A character.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// The key that takes the last character away.
    Backspace,
    /// Tab.
    Tab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// To the begin.
    Home,
    /// To the end.
    End,
    /// Control and C.
    Interrupt,
}

/// What whoever owns the terminal and the connection is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Carry this out; the answer goes to [`Top::did`].
    Act(Act),
    /// End.
    Quit,
}

/// Longest text that is typed: a comment of a line or two.
const MOST_TYPED: usize = 200;

/// States in the order in which the filter of hosts goes through them, as letters of the API.
const STATES: [Option<char>; 7] =
    [None, Some('c'), Some('w'), Some('u'), Some('m'), Some('-'), Some('o')];

/// What the help shows: keys and what they do.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("↑ ↓  j k", "move, or scroll an incident"),
    ("PgUp PgDn Home End", "move far"),
    ("Tab  1 2", "incidents, hosts"),
    ("Enter", "open what is chosen"),
    ("Esc", "back; no filter"),
    ("/", "only what has this text"),
    ("f", "hosts: only those of the next state"),
    ("a", "take the incident: no reminders while somebody is at it"),
    ("u", "give the incident back"),
    ("n", "look at the host's checks now"),
    ("← →", "host: the metric of the chart"),
    ("+ -", "host: the range of the chart"),
    ("r", "ask again now"),
    ("?", "this help"),
    ("q", "end"),
];

impl Top {
    /// Takes a key. Returns what is to be done outside.
    pub fn press(&mut self, input: Input) -> Option<Order> {
        if input == Input::Interrupt {
            return Some(Order::Quit);
        }
        if self.helps {
            self.helps = false;
            return None;
        }
        if let Some(prompt) = self.prompt.take() {
            return self.typed(prompt, input);
        }
        self.note = None;
        match input {
            Input::Char('q') => return Some(Order::Quit),
            Input::Char('?') => self.helps = true,
            Input::Char('r') => self.is_hungry = true,
            Input::Char('1') => self.show(View::Incidents),
            Input::Char('2') => self.show(View::Hosts),
            Input::Tab => self.show(match self.view {
                View::Incidents => View::Hosts,
                View::Hosts => View::Incidents,
            }),
            Input::Up | Input::Char('k') => self.step(-1),
            Input::Down | Input::Char('j') => self.step(1),
            Input::PageUp => self.step(-self.page()),
            Input::PageDown => self.step(self.page()),
            Input::Home => self.step(isize::MIN),
            Input::End => self.step(isize::MAX),
            Input::Enter => self.open(),
            Input::Escape => self.back(),
            Input::Char('/') if self.detail.is_none() => {
                let text = self.contains().to_owned();
                self.prompt = Some(Prompt { purpose: Purpose::Filter, text });
            }
            Input::Char('f') if self.detail.is_none() && self.view == View::Hosts => {
                self.next_state();
            }
            Input::Char('a') => self.ask_why(),
            Input::Char('u') => {
                return self.incident().map(|id| Order::Act(Act::GiveBack(id)));
            }
            Input::Char('n') => return self.host().map(|host| Order::Act(Act::Look(host))),
            Input::Left => self.next_metric(-1),
            Input::Right => self.next_metric(1),
            Input::Char('+') => self.next_range(1),
            Input::Char('-') => self.next_range(-1),
            Input::Char(_) | Input::Backspace | Input::Interrupt => {}
        }
        None
    }

    fn typed(&mut self, mut prompt: Prompt, input: Input) -> Option<Order> {
        match input {
            Input::Escape => return None,
            Input::Enter => return self.finish(&prompt),
            Input::Backspace => drop(prompt.text.pop()),
            Input::Char(c) if !c.is_control() && prompt.text.chars().count() < MOST_TYPED => {
                prompt.text.push(c);
            }
            Input::Char(_)
            | Input::Tab
            | Input::Up
            | Input::Down
            | Input::Left
            | Input::Right
            | Input::PageUp
            | Input::PageDown
            | Input::Home
            | Input::End
            | Input::Interrupt => {}
        }
        self.prompt = Some(prompt);
        None
    }

    fn finish(&mut self, prompt: &Prompt) -> Option<Order> {
        match prompt.purpose {
            Purpose::Filter => {
                self.narrow(prompt.text.trim());
                None
            }
            Purpose::Take(incident) => {
                let said = prompt.text.trim();
                let comment = if said.is_empty() { "from hark top" } else { said }.to_owned();
                Some(Order::Act(Act::Take { incident, comment }))
            }
        }
    }

    fn show(&mut self, view: View) {
        (self.view, self.detail, self.is_hungry) = (view, None, true);
        self.refusal = None;
    }

    fn step(&mut self, by: isize) {
        match (&mut self.detail, self.view) {
            (Some(Detail::Incident(shown)), _) => {
                shown.scrolled = shown.scrolled.saturating_add_signed(by);
            }
            (Some(Detail::Host(shown)), _) => shown.checks_from(by),
            (None, View::Incidents) => self.incidents.step(by),
            (None, View::Hosts) => self.hosts.step(by),
        }
        self.widen();
    }

    fn open(&mut self) {
        if self.detail.is_some() {
            return;
        }
        let opened = match self.view {
            View::Incidents => self.incidents.chosen().map(|row| Detail::incident(row.id)),
            View::Hosts => self.hosts.chosen().map(|row| Detail::host(&row.name)),
        };
        if opened.is_some() {
            (self.detail, self.is_hungry) = (opened, true);
        }
    }

    fn back(&mut self) {
        self.refusal = None;
        if self.detail.take().is_none() {
            self.state = None;
            self.narrow("");
        }
        self.is_hungry = true;
    }

    fn next_state(&mut self) {
        let at = STATES.iter().position(|state| *state == self.state).unwrap_or(0);
        self.state = STATES.iter().copied().cycle().nth(at + 1).flatten();
        self.is_hungry = true;
    }

    fn ask_why(&mut self) {
        if let Some(incident) = self.incident() {
            let text = String::new();
            self.prompt = Some(Prompt { purpose: Purpose::Take(incident), text });
        }
    }

    fn next_metric(&mut self, by: isize) {
        if let Some(Detail::Host(shown)) = &mut self.detail {
            shown.metrics.step(by);
            shown.series = None;
            self.is_hungry = true;
        }
    }

    fn next_range(&mut self, by: isize) {
        if let Some(Detail::Host(shown)) = &mut self.detail {
            shown.range = shown.range.saturating_add_signed(by).min(RANGES.len() - 1);
            shown.series = None;
            self.is_hungry = true;
        }
    }
}
