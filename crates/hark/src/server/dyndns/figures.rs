//! Figures of the names in DNS.

use std::sync::atomic::{AtomicU64, Ordering};

use hark_dns::{Checked, Machine, Outcome};

/// How many names there are, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    names: AtomicU64,
    published: AtomicU64,
    verified: AtomicU64,
    failing: AtomicU64,
    updates: AtomicU64,
    failures: AtomicU64,
}

impl Figures {
    /// Counts what came of a job.
    pub(super) fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Published(Ok(_)) => self.updates.fetch_add(1, Ordering::Relaxed),
            Outcome::Published(Err(_)) => self.failures.fetch_add(1, Ordering::Relaxed),
            Outcome::Found(_) | Outcome::NotBegun(_) => 0,
        };
    }

    /// Takes over how names are now.
    pub(super) fn show(&self, machine: &Machine) {
        let views = machine.views();
        let count = |n: usize| n as u64;
        let put = |figure: &AtomicU64, n: usize| figure.store(count(n), Ordering::Relaxed);
        put(&self.names, views.len());
        put(&self.published, views.iter().filter(|view| !view.published.is_empty()).count());
        let verified = views.iter().filter(|view| matches!(view.checked, Checked::Right(_)));
        put(&self.verified, verified.count());
        put(&self.failing, views.iter().filter(|view| view.error.is_some()).count());
    }

    /// Returns them all with their words.
    pub(crate) fn all(&self) -> [(&'static str, u64); 6] {
        let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        [
            ("dns_names", get(&self.names)),
            ("dns_published", get(&self.published)),
            ("dns_verified", get(&self.verified)),
            ("dns_failing", get(&self.failing)),
            ("dns_updates", get(&self.updates)),
            ("dns_failures", get(&self.failures)),
        ]
    }
}
