//! What of that which a watchdog sees is worth telling: a function of what was seen and when.
//!
//! A server that was ended in order may be about to be started again, and one that does not answer once
//! may be busy: both count only after some looks. A process that is gone without having said so has
//! crashed, and is told at once. Each is told once, and its end, too.

use std::fmt;
use std::time::Duration;

use hark_model::time::Mono;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It answers that it works.
    Answered,
    /// It does not answer, or says that it does not work.
    Silent {
        /// Why, in words.
        why: String,
        /// Whether its process is there.
        runs: bool,
    },
    /// Its process is gone, and did not end in order.
    Ended(u32),
}

/// What is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The process is gone.
    Ended(u32),
    /// Our child has ended, with this status.
    Exited(String),
    /// There is no process.
    Stopped(String),
    /// The process is there and does not work.
    Hangs(String),
    /// It works again.
    Back {
        /// After so long.
        after: Duration,
    },
}

impl News {
    /// Returns it in a few words, for a subject.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Ended(_) | Self::Exited(_) | Self::Stopped(_) => "stopped",
            Self::Hangs(_) => "hangs",
            Self::Back { .. } => "is back",
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(id) => write!(f, "process {id} is gone without having ended in order"),
            Self::Exited(status) => write!(f, "hark exited with status {status}"),
            Self::Stopped(why) => write!(f, "there is no server: {why}"),
            Self::Hangs(why) => write!(f, "the server's process is there and does not work: {why}"),
            Self::Back { after } => {
                write!(f, "the server works again, after {}", hark_config::duration::format(*after))
            }
        }
    }
}

/// What is known of the server.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    needed: u32,
    misses: u32,
    down_since: Option<Mono>,
    /// The process that is known to have gone.
    gone: Option<u32>,
}

impl Verdict {
    /// Begins with nothing seen; so many misses in a row count.
    pub(super) fn new(needed: u32) -> Self {
        Self { needed, misses: 0, down_since: None, gone: None }
    }

    /// Takes in what was seen at `now`, and returns what is to be told.
    pub(super) fn saw(&mut self, seen: Seen, now: Mono) -> Option<News> {
        match seen {
            Seen::Answered => {
                self.misses = 0;
                self.gone = None;
                let since = self.down_since.take()?;
                // Whole seconds: nobody wants more.
                let after = Duration::from_secs(now.since(since).as_secs());
                Some(News::Back { after })
            }
            Seen::Ended(id) => {
                let is_new = self.gone.replace(id) != Some(id);
                (is_new && self.goes_down(now)).then_some(News::Ended(id))
            }
            Seen::Silent { why, runs } => {
                self.misses = self.misses.saturating_add(1);
                let counts = self.misses >= self.needed && self.goes_down(now);
                counts.then_some(if runs { News::Hangs(why) } else { News::Stopped(why) })
            }
        }
    }

    /// Returns true if it was not down before.
    fn goes_down(&mut self, now: Mono) -> bool {
        let is_new = self.down_since.is_none();
        self.down_since.get_or_insert(now);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(runs: bool) -> Seen {
        Seen::Silent { why: "no answer".to_owned(), runs }
    }

    /// Shows what is told of a list of sights, a second apart.
    fn told(sights: &[Seen]) -> Vec<String> {
        let mut verdict = Verdict::new(3);
        let saw = |(n, seen): (usize, &Seen)| {
            verdict.saw(seen.clone(), Mono(1000 * n as u64)).map(|n| n.word().to_owned())
        };
        sights.iter().enumerate().filter_map(saw).collect()
    }

    #[test]
    fn a_server_that_hangs_is_told_once_after_some_misses_and_once_when_it_is_back() {
        let hung = silent(true);
        let few = [hung.clone(), hung.clone(), Seen::Answered, hung.clone(), hung.clone()];
        assert!(told(&few).is_empty());
        let sights = [&few[3..], &vec![hung; 9], &[Seen::Answered, Seen::Answered]].concat();
        assert_eq!(told(&sights), ["hangs", "is back"]);
    }

    #[test]
    fn a_crash_is_told_at_once_and_each_crash_anew() {
        let sights = [
            Seen::Answered,
            Seen::Ended(7),
            Seen::Ended(7),
            silent(false),
            Seen::Answered,
            Seen::Ended(8),
        ];
        assert_eq!(told(&sights), ["stopped", "is back", "stopped"]);
    }

    #[test]
    fn an_end_in_order_counts_only_when_nothing_comes_after_it() {
        assert!(told(&[silent(false), silent(false), Seen::Answered]).is_empty());
        assert_eq!(told(&vec![silent(false); 3]), ["stopped"]);
    }

    #[test]
    fn how_long_it_was_away_is_said() {
        let mut verdict = Verdict::new(1);
        verdict.saw(silent(true), Mono(1_000));
        let news = verdict.saw(Seen::Answered, Mono(126_500)).unwrap();
        assert_eq!(news.to_string(), "the server works again, after 2m5s");
    }
}
