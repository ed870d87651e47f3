//! What one try asks and hears: for the log of deliveries.
//!
//! A [`Trace`] goes with the [`Context`](crate::Context) of one send. The frame of services and the types
//! that speak other protocols note each question before they ask it, and its answer when it comes, so that
//! a try that hangs shows what it was asking. Only [`Trace::take`] gives anything away, and what it gives
//! is without the secrets of the receiver, without the tokens that the message carries for its readers,
//! and short.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hark_model::Mono;
use hark_model::record::Exchange;
use hark_model::time::Clock;

use crate::error::SendError;
use crate::{Context, Delivered};
use hark_net::{MASK, Masks};

/// Questions kept of one try: logging in, the message, and something after it. Of more the last one is
/// kept in the place of the one before.
const MAX_EXCHANGES: usize = 4;

/// Bound on what is kept of a question's content, in bytes: the text of a message with its fields.
const MAX_BODY: usize = 2048;

/// Bound on what is kept of an answer: an error with its explanation.
const MAX_ANSWER: usize = 1024;

/// Bound on one line: an address with what stands in its query.
const MAX_LINE: usize = 512;

/// Headers kept: services have a handful.
const MAX_HEADERS: usize = 24;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Method and address, command, program.
    pub(crate) line: String,
    /// Headers; what is a credential is masked by whoever asks.
    pub(crate) headers: Vec<(String, String)>,
    /// The content.
    pub(crate) body: String,
}

/// The number of a question in its trace: several can wait for their answers at once.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Question(Option<u32>);

/// What one try asks and hears. By default it keeps nothing.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Inner>>);

struct Inner {
    masks: Arc<Masks>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// With the number of the question, and when it was asked.
    exchanges: Vec<(u32, Exchange, Mono)>,
    n_asked: u32,
    omitted: u32,
    /// Secrets that came up on the way.
    tokens: Masks,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Trace(…)" } else { "Trace(none)" })
    }
}

impl Trace {
    /// Makes one that keeps what a receiver with these secrets asks and hears.
    pub fn new(masks: Arc<Masks>) -> Self {
        Self(Some(Arc::new(Inner { masks, kept: Mutex::default() })))
    }

    /// Hides a secret that the receiver's settings do not have, such as a token that was just made.
    pub(crate) fn hide(&self, secret: &str) {
        if let Some(mut kept) = self.kept() {
            kept.tokens.hide(secret);
        }
    }

    /// Notes a question that is about to be asked.
    pub(crate) fn ask(&self, make: impl FnOnce() -> Asked) -> Question {
        let Some(mut kept) = self.kept() else { return Question(None) };
        let Asked { line, headers, body } = make();
        let exchange = Exchange {
            asked: line,
            headers,
            body_bytes: body.len() as u64,
            body,
            ..Exchange::default()
        };
        if kept.exchanges.len() >= MAX_EXCHANGES {
            kept.exchanges.pop();
            kept.omitted = kept.omitted.saturating_add(1);
        }
        kept.n_asked = kept.n_asked.saturating_add(1);
        let number = kept.n_asked;
        kept.exchanges.push((number, exchange, Clock.now().mono));
        Question(Some(number))
    }

    /// Notes what was answered.
    pub(crate) fn answered(&self, question: Question, status: &str, answer: &str) {
        let (Some(mut kept), Some(wanted)) = (self.kept(), question.0) else { return };
        let mut asked = kept.exchanges.iter_mut().filter(|(number, ..)| *number == wanted);
        if let Some((_, exchange, asked_at)) = asked.next() {
            exchange.took_ms = millis(*asked_at);
            status.clone_into(&mut exchange.status);
            answer.clone_into(&mut exchange.answer);
        }
    }

    /// Notes why no answer came, or which one ended the try.
    pub(crate) fn failed(&self, question: Question, error: &SendError) {
        if let SendError::Refused { code, text, .. } = error {
            self.answered(question, &code.to_string(), text);
        } else {
            self.answered(question, "", &error.text());
        }
    }

    /// Notes what came of a question that is the whole delivery.
    pub(crate) fn ended(
        &self,
        question: Question,
        status: &str,
        result: &Result<Delivered, SendError>,
    ) {
        match result {
            Ok(delivered) => self.answered(question, status, &delivered.text),
            Err(error) => self.failed(question, error),
        }
    }

    /// Returns `text` without secrets.
    pub fn clean(&self, text: &str) -> String {
        let (Some(inner), Some(kept)) = (&self.0, self.kept()) else { return text.to_owned() };
        kept.tokens.clean(&inner.masks.clean(text))
    }

    /// Takes out what was asked and answered, without secrets and shortened, and how much more there was.
    pub fn take(&self) -> (Vec<Exchange>, u32) {
        let (exchanges, omitted) = match self.kept() {
            Some(mut kept) => (std::mem::take(&mut kept.exchanges), kept.omitted),
            None => return (Vec::new(), 0),
        };
        // Cleaned before it is cut: the half of a secret would not be known as one.
        let clean = |text: &str, most: usize| cut(self.clean(text), most);
        let shown = exchanges.into_iter().map(|(_, exchange, _)| Exchange {
            asked: clean(&exchange.asked, MAX_LINE),
            headers: exchange
                .headers
                .iter()
                .take(MAX_HEADERS)
                .map(|(name, value)| (clean(name, MAX_LINE), clean(value, MAX_LINE)))
                .collect(),
            body: clean(&exchange.body, MAX_BODY),
            answer: clean(&exchange.answer, MAX_ANSWER),
            status: clean(&exchange.status, MAX_LINE),
            ..exchange
        });
        (shown.collect(), omitted)
    }

    fn kept(&self) -> Option<MutexGuard<'_, Kept>> {
        // What it holds is whole at every moment: a panic elsewhere does not spoil it.
        self.0.as_ref().map(|inner| inner.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Context {
    /// Returns a context whose sends are noted in `trace`.
    #[must_use]
    pub fn traced(&self, trace: Trace) -> Self {
        Self { trace, ..self.clone() }
    }
}

fn millis(since: Mono) -> u32 {
    u32::try_from(Clock.now().mono.since(since).as_millis()).unwrap_or(u32::MAX)
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str(MASK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(secret: &str) -> Trace {
        let mut masks = Masks::default();
        masks.hide(secret);
        Trace::new(Arc::new(masks))
    }

    fn asked(line: &str) -> Asked {
        Asked { line: line.to_owned(), ..Asked::default() }
    }

    #[test]
    fn an_answer_belongs_to_its_question_also_when_others_came_between() {
        let trace = trace("hunter2");
        let ask = |line: &str| trace.ask(|| Asked { line: line.to_owned(), ..Asked::default() });
        let questions: Vec<_> = (1..=6).map(|n| (n, ask(&n.to_string()))).collect();
        for (n, question) in questions.into_iter().rev() {
            trace.answered(question, "200", &format!("to {n}"));
        }
        let (exchanges, omitted) = trace.take();
        let all: Vec<_> = exchanges.iter().map(|e| (e.asked.as_str(), e.answer.as_str())).collect();
        assert_eq!(all, [("1", "to 1"), ("2", "to 2"), ("3", "to 3"), ("6", "to 6")]);
        assert_eq!(omitted, 2);
    }

    #[test]
    fn a_question_without_an_answer_is_kept_too() {
        let trace = trace("hunter22");
        let _question = trace.ask(|| asked("POST https://a.example/hunter22"));
        let (exchanges, omitted) = trace.take();
        assert_eq!(exchanges[0].asked, "POST https://a.example/…");
        assert_eq!((exchanges[0].status.as_str(), omitted), ("", 0));
        assert_eq!(trace.take().0, [], "it is given once");
    }

    #[test]
    fn of_many_questions_the_first_ones_and_the_last_one_are_kept() {
        let trace = trace("hunter22");
        for n in 0..10 {
            let question = trace.ask(|| asked(&n.to_string()));
            trace.answered(question, "200", &format!("answer {n}"));
        }
        let (exchanges, omitted) = trace.take();
        let kept: Vec<_> =
            exchanges.iter().map(|e| (e.asked.as_str(), e.answer.as_str())).collect();
        assert_eq!(
            kept,
            [("0", "answer 0"), ("1", "answer 1"), ("2", "answer 2"), ("9", "answer 9")]
        );
        assert_eq!(omitted, 6);
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_kept_is_not_cut_in_two() {
        let trace = trace("hunter22");
        let body = format!("{}hunter22{}", "x".repeat(MAX_BODY - 4), "y".repeat(100));
        let question = trace.ask(|| Asked { body: body.clone(), ..Asked::default() });
        trace.answered(question, "400", &body);
        let (exchanges, _) = trace.take();
        assert!(!exchanges[0].body.contains("hunt"));
        assert_eq!(exchanges[0].body_bytes, body.len() as u64);
        assert!(exchanges[0].body.len() <= MAX_BODY + 2 * MASK.len());
        assert!(exchanges[0].answer.len() <= MAX_ANSWER + MASK.len());
    }

    #[test]
    fn a_token_that_comes_up_later_is_hidden_in_what_came_before() {
        let trace = trace("hunter22");
        let _question = trace.ask(|| asked("link https://h.example/a/abcdefgh"));
        trace.hide("abcdefgh");
        assert_eq!(trace.take().0[0].asked, "link https://h.example/a/…");
    }

    #[test]
    fn without_anybody_who_wants_it_nothing_is_kept() {
        let trace = Trace::default();
        let _question = trace.ask(|| unreachable!("nobody asked for it"));
        assert_eq!(trace.take(), (Vec::new(), 0));
    }
}
