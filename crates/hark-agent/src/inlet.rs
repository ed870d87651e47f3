//! The way from the agent's other threads to its main one: what they found, in order, bounded.
//!
//! Whoever finds something holds an [`Inlet`] and never waits: when the main thread is behind by
//! [`MOST_WAITING`] things, what comes is lost and counted. The main thread waits for the [`Outlet`]
//! together with its sockets.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use hark_model::{SeriesDef, Unix};
use hark_plugin::{Bell, Waited, bells, waited};
use hark_proto::ReportItem;

/// Bound on what waits for the main thread, which looks within milliseconds: a burst of a hundred
/// results at the same moment and twice that again.
pub(crate) const MOST_WAITING: usize = 256;

/// Something that was found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A check's result, an event, or facts: reported once.
    Report(ReportItem),
    /// Values: they go with the next heartbeat.
    Batch(Batch),
}

/// The values of one source at one time.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Who measured: all its batches are one growing set of series.
    pub(crate) source: Arc<str>,
    /// When.
    pub(crate) taken_at: Unix,
    /// The series. The same `Arc` as in the batch before is the same series without looking.
    pub(crate) series: Arc<[SeriesDef]>,
    /// One value for each series; NaN stands for "absent".
    pub(crate) values: Vec<f64>,
}

/// Where things are put in.
#[derive(Clone, Debug)]
pub(crate) struct Inlet(Way);

#[derive(Clone, Debug)]
enum Way {
    /// To another thread.
    Over { sender: SyncSender<Found>, shared: Arc<Shared> },
    /// To whoever asks for it on the same one.
    Here(Gathered),
}

/// What was put into an inlet without another thread. Bounded by who puts in: each thing that looks
/// finds one or two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered(Arc<Mutex<Vec<Found>>>);

/// Where they come out.
#[derive(Debug)]
pub(crate) struct Outlet {
    receiver: Receiver<Found>,
    shared: Arc<Shared>,
    bell: Bell,
}

#[derive(Debug)]
struct Shared {
    /// The other end of the outlet's descriptor.
    bell: Bell,
    /// Whether the bell was rung and not yet heard.
    rung: AtomicBool,
    /// Whether something was put in since.
    unheard: AtomicBool,
    lost: AtomicU64,
}

/// Makes an inlet whose other end is on the same thread.
pub(crate) fn gathering() -> (Inlet, Gathered) {
    let gathered = Gathered::default();
    (Inlet(Way::Here(gathered.clone())), gathered)
}

impl Gathered {
    /// Takes out everything.
    pub(crate) fn take(&self) -> Vec<Found> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes both ends.
///
/// # Errors
/// If the process has no descriptors left.
pub(crate) fn inlet() -> io::Result<(Inlet, Outlet)> {
    let (here, there) = bells()?;
    here.set_nonblocking(true)?;
    there.set_nonblocking(true)?;
    let (sender, receiver) = sync_channel(MOST_WAITING);
    let shared = Arc::new(Shared {
        bell: there,
        rung: AtomicBool::new(false),
        unheard: AtomicBool::new(false),
        lost: AtomicU64::new(0),
    });
    let inlet = Inlet(Way::Over { sender, shared: Arc::clone(&shared) });
    Ok((inlet, Outlet { receiver, shared, bell: here }))
}

impl Inlet {
    /// Puts something in. Returns false if there is no room, or nobody takes it out any more: then
    /// it is lost, and counted. It is heard of with the next [`Inlet::ring`].
    pub(crate) fn offer(&self, found: Found) -> bool {
        match &self.0 {
            Way::Over { sender, shared } => {
                let taken = sender.try_send(found).is_ok();
                if taken {
                    shared.unheard.store(true, Ordering::Release);
                } else {
                    shared.lost.fetch_add(1, Ordering::Relaxed);
                    self.ring();
                }
                taken
            }
            Way::Here(gathered) => {
                gathered.0.lock().unwrap_or_else(PoisonError::into_inner).push(found);
                true
            }
        }
    }

    /// Says that something was put in, if something was: once for all that was found together, since
    /// each time wakes the main thread.
    pub(crate) fn ring(&self) {
        let Way::Over { shared, .. } = &self.0 else { return };
        if shared.unheard.swap(false, Ordering::AcqRel) && !shared.rung.swap(true, Ordering::AcqRel)
        {
            // Full means that it is heard anyway.
            drop((&shared.bell).write(&[1]));
        }
    }
}

impl Outlet {
    /// Returns what becomes readable when something was put in.
    pub(crate) fn descriptor(&self) -> Waited<'_> {
        waited(&self.bell)
    }

    /// Takes out at most `most` things. What is left makes the descriptor readable again.
    pub(crate) fn take(&mut self, most: usize, taken: &mut Vec<Found>) {
        let mut heard = [0; 8];
        drop(self.bell.read(&mut heard));
        // Before looking: what is put in from here on rings again.
        self.shared.rung.store(false, Ordering::Release);
        let before = taken.len();
        taken.extend(self.receiver.try_iter().take(most));
        if taken.len() - before >= most && !self.shared.rung.swap(true, Ordering::AcqRel) {
            drop((&self.shared.bell).write(&[1]));
        }
    }

    /// Returns how many were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys;

    fn fact(n: usize) -> Found {
        Found::Report(ReportItem::Facts(vec![("n".into(), n.to_string())]))
    }

    fn number(found: &Found) -> usize {
        let Found::Report(ReportItem::Facts(facts)) = found else { panic!("{found:?}") };
        facts[0].1.parse().unwrap()
    }

    fn rings(outlet: &Outlet) -> bool {
        sys::readable([Some(outlet.descriptor())], Duration::ZERO).unwrap()[0]
    }

    #[test]
    fn what_is_put_in_rings_and_comes_out_in_order() {
        let (inlet, mut outlet) = inlet().unwrap();
        assert!(!rings(&outlet));
        for n in 0..10 {
            assert!(inlet.clone().offer(fact(n)));
        }
        assert!(!rings(&outlet), "once for all of them");
        inlet.ring();
        assert!(rings(&outlet));
        let mut taken = Vec::new();
        outlet.take(7, &mut taken);
        assert!(rings(&outlet), "some are left");
        outlet.take(7, &mut taken);
        assert!(!rings(&outlet));
        assert_eq!(taken.iter().map(number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        inlet.ring();
        assert!(!rings(&outlet), "nothing is new");
        assert!(inlet.offer(fact(10)));
        inlet.ring();
        assert!(rings(&outlet));
    }

    #[test]
    fn on_the_same_thread_it_is_taken_without_a_bell() {
        let (inlet, gathered) = gathering();
        assert!(inlet.offer(fact(1)) && inlet.clone().offer(fact(2)));
        inlet.ring();
        assert_eq!(gathered.take().iter().map(number).collect::<Vec<_>>(), [1, 2]);
        assert!(gathered.take().is_empty());
    }

    #[test]
    fn what_is_too_much_is_lost_and_counted_and_nobody_waits() {
        let (inlet, mut outlet) = inlet().unwrap();
        let stored = (0..MOST_WAITING + 5).filter(|n| inlet.offer(fact(*n))).count();
        assert_eq!((stored, outlet.take_lost(), outlet.take_lost()), (MOST_WAITING, 5, 0));
        let mut taken = Vec::new();
        outlet.take(MOST_WAITING, &mut taken);
        assert_eq!(number(&taken[MOST_WAITING - 1]), MOST_WAITING - 1);
        drop(outlet);
        assert!(!inlet.offer(fact(0)));
    }

    #[test]
    fn nothing_is_missed_between_two_threads() {
        let (inlet, mut outlet) = inlet().unwrap();
        let other = std::thread::spawn(move || {
            let mut n = 0;
            while n < 20_000 {
                if inlet.offer(fact(n)) {
                    inlet.ring();
                    n += 1;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < 20_000 {
            let woken =
                sys::readable([Some(outlet.descriptor())], Duration::from_secs(20)).unwrap();
            assert!(woken[0], "not rung at {next}");
            let mut taken = Vec::new();
            outlet.take(64, &mut taken);
            for found in taken {
                assert_eq!(number(&found), next);
                next += 1;
            }
        }
        other.join().unwrap();
    }
}
