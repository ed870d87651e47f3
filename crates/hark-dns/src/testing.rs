//! What tests of this crate share: a zone whose way is a list.

use std::sync::Arc;
use std::time::Duration;

use hark_model::Secret;
use hark_net::BoxFuture;

use crate::name::DnsName;
use crate::way::{Change, Context, Failure, Way};
use crate::zone::{Source, Verify, Zone};

#[derive(Debug)]
pub(crate) struct Nowhere {
    pub(crate) removes: bool,
    pub(crate) pace: Duration,
}

impl Way for Nowhere {
    fn target(&self) -> String {
        "nowhere".to_owned()
    }

    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }

    fn pace(&self) -> Duration {
        self.pace
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn removes(&self) -> bool {
        self.removes
    }

    fn publish<'a>(
        &'a self,
        _change: &'a Change,
        _context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async { Ok(String::new()) })
    }
}

pub(crate) fn zone(name: &str) -> Zone {
    let name = DnsName::new(name).unwrap();
    Zone {
        kind: "nowhere",
        way: Arc::new(Nowhere { removes: true, pace: Duration::ZERO }),
        domains: vec![name.clone()],
        name,
        hosts: Vec::new(),
        except: Vec::new(),
        names: [].into(),
        v4: Source::Heartbeat,
        v6: Source::Heartbeat,
        interface: None,
        private: false,
        ttl: Duration::from_mins(1),
        hold: Duration::from_secs(30),
        per_hour: 6,
        remove_after: None,
        verify: Verify::ByName,
        recheck: Duration::from_hours(1),
        fingerprint: 1,
    }
}
