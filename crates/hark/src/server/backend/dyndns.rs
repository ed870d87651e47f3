//! Names in DNS that follow hosts.

use hark_api::dns::{Dns, DnsOrdered};
use hark_model::HostName;
use hark_web::{Answer, DnsAction, Sight};
use tokio::sync::oneshot;

use super::{ServerBackend, ending};
use crate::server::dyndns::ToDns;

impl ServerBackend {
    pub(super) fn all_names(&self, sight: &Sight) -> Answer<Dns> {
        let mut dns = self.ask_dns(ToDns::List)?;
        dns.names.retain(|name| sight.covers(&name.host));
        if *sight != Sight::Everything {
            dns.zones.clear();
        }
        Ok(dns)
    }

    pub(super) fn host_of_name(&self, name: &str) -> Answer<HostName> {
        let name = name.to_owned();
        self.ask_dns(|reply| ToDns::HostOf { name, reply })?
    }

    pub(super) fn order_names(&self, name: &str, action: DnsAction) -> Answer<DnsOrdered> {
        let name = name.to_owned();
        self.ask_dns(|reply| ToDns::Order { name, action, reply })?
    }

    fn ask_dns<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> ToDns) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        self.links.dns.blocking_send(ask(reply)).map_err(|_| ending())?;
        answer.blocking_recv().map_err(|_| ending())
    }
}
