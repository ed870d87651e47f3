//! Collectors that may take long, on a thread of their own: a heartbeat never waits for them.
//!
//! What reads sensors over a slow bus, asks a program or another process is looked at here, one after
//! the other. A collector is asked when it is due and answers in a later round; while its answer is
//! missing there are no values of it, and it is not asked again. One that hangs for ever holds up
//! the others of this thread, and nothing else. The thread is only made if there is work for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use hark_model::{Mono, SeriesDef};

use crate::collectors::{Absent, Change, Collector, Noticed};

/// Stack of the thread: it reads lists and parses JSON, nothing that goes deep.
const STACK: usize = 512 * 1024;

/// What one look of a slow collector gave.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Values, and what the collector is like now, if that has changed.
    Found { values: Vec<f64>, other: Option<Other>, noticed: Vec<Noticed> },
    /// The source is missing.
    Absent(Absent),
    /// It panicked, and is not asked again.
    Broken,
}

/// A collector's series and facts after they have changed.
#[derive(Debug)]
pub(crate) struct Other {
    /// Its series.
    pub(crate) series: Vec<SeriesDef>,
    /// Its facts.
    pub(crate) facts: Vec<(String, String)>,
}

type Place = Arc<Mutex<Option<Answer>>>;

/// The thread, before it runs: it is given its collectors first.
#[derive(Debug, Default)]
pub(crate) struct SlowThread {
    collectors: Vec<(Box<dyn Collector>, Place)>,
}

/// One of the thread's collectors, as the sampler sees it.
#[derive(Debug)]
pub(crate) struct SlowCollector {
    index: usize,
    answer: Place,
    is_asked: bool,
}

/// How the sampler asks the thread.
#[derive(Debug)]
pub(crate) struct Asking(Option<SyncSender<(usize, Mono)>>);

impl SlowThread {
    /// Gives the thread another collector.
    pub(crate) fn add(&mut self, collector: Box<dyn Collector>) -> SlowCollector {
        let index = self.collectors.len();
        let answer = Place::default();
        self.collectors.push((collector, Arc::clone(&answer)));
        SlowCollector { index, answer, is_asked: false }
    }

    /// Starts the thread, if it has anything to do. It ends when what is returned is dropped.
    pub(crate) fn start(self) -> Asking {
        if self.collectors.is_empty() {
            return Asking(None);
        }
        // Each collector has at most one question under way.
        let (ask, asked) = sync_channel(self.collectors.len());
        let builder = std::thread::Builder::new().name("hark-slow".into()).stack_size(STACK);
        match builder.spawn(move || work(self.collectors, &asked)) {
            Ok(_) => Asking(Some(ask)),
            Err(error) => {
                tracing::error!(%error, "no thread for slow collectors: their values are absent");
                Asking(None)
            }
        }
    }
}

impl SlowCollector {
    /// Asks for a look, unless one is under way.
    pub(crate) fn ask(&mut self, asking: &Asking, at: Mono) {
        if let Some(thread) = asking.0.as_ref().filter(|_| !self.is_asked) {
            self.is_asked = thread.try_send((self.index, at)).is_ok();
        }
    }

    /// Takes the answer, once it is there.
    pub(crate) fn take(&mut self) -> Option<Answer> {
        if !self.is_asked {
            return None;
        }
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.is_asked = answer.is_none();
        answer
    }
}

fn work(mut collectors: Vec<(Box<dyn Collector>, Place)>, asked: &Receiver<(usize, Mono)>) {
    while let Ok((index, at)) = asked.recv() {
        let Some((collector, place)) = collectors.get_mut(index) else { continue };
        let answer = catch_unwind(AssertUnwindSafe(|| look(collector.as_mut(), at)));
        *place.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(answer.unwrap_or(Answer::Broken));
    }
}

fn look(collector: &mut dyn Collector, at: Mono) -> Answer {
    let mut values = Vec::new();
    match collector.collect(at, &mut values) {
        Err(absent) => Answer::Absent(absent),
        Ok(change) => Answer::Found {
            values,
            other: (change == Change::Other)
                .then(|| Other { series: collector.series(), facts: collector.facts() }),
            noticed: collector.noticed(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// Waits for the test twice in each look, and then does what it was told.
    #[derive(Debug)]
    struct Waits(Arc<Barrier>, Result<f64, bool>);

    impl Collector for Waits {
        fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
            self.0.wait();
            let value = match self.1 {
                Ok(value) => value,
                Err(true) => panic!("broken on purpose"),
                Err(false) => return Err(Absent::Form { path: "/x".into() }),
            };
            values.push(value);
            Ok(if at == Mono(0) { Change::Other } else { Change::Same })
        }

        fn series(&self) -> Vec<SeriesDef> {
            Vec::new()
        }
    }

    fn answer(slow: &mut SlowCollector) -> Answer {
        loop {
            if let Some(answer) = slow.take() {
                return answer;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_answer_comes_later_and_nobody_is_asked_twice_at_once() {
        let barrier = Arc::new(Barrier::new(2));
        let mut thread = SlowThread::default();
        let mut slow = thread.add(Box::new(Waits(Arc::clone(&barrier), Ok(7.0))));
        let asking = thread.start();
        assert!(slow.take().is_none());
        for _ in 0..5 {
            slow.ask(&asking, Mono(0));
            assert!(slow.take().is_none(), "it waits for the test");
        }
        barrier.wait();
        let Answer::Found { values, other, .. } = answer(&mut slow) else { panic!() };
        assert_eq!((values, other.is_some()), (vec![7.0], true));
        assert!(slow.take().is_none());
        slow.ask(&asking, Mono(1));
        barrier.wait();
        let Answer::Found { other, .. } = answer(&mut slow) else { panic!() };
        assert!(other.is_none());
    }

    #[test]
    fn one_that_is_absent_or_breaks_leaves_the_others() {
        let barrier = Arc::new(Barrier::new(2));
        let mut thread = SlowThread::default();
        let mut made = [Err(true), Err(false), Ok(1.0)]
            .map(|what| thread.add(Box::new(Waits(Arc::clone(&barrier), what))));
        let asking = thread.start();
        for slow in &mut made {
            slow.ask(&asking, Mono(0));
            barrier.wait();
        }
        let [broken, absent, works] = &mut made;
        assert!(matches!(answer(broken), Answer::Broken));
        assert!(matches!(answer(absent), Answer::Absent(_)));
        assert!(matches!(answer(works), Answer::Found { .. }));
    }

    #[test]
    fn without_collectors_there_is_no_thread() {
        assert!(SlowThread::default().start().0.is_none());
    }
}
