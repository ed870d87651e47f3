//! What agents bring over HTTPS: handed to ingest, answered when it is on the disk.

use std::net::IpAddr;
use std::time::Duration;

use hark_api::reports::{AgentNews, GivenConfiguration, GivenOrder, ReportStored};
use hark_model::time::{Clock, Mono};
use hark_web::{AgentClaim, AgentProof, Answer, Batch, Refused};

use super::{ServerBackend, ending};
use crate::server::intake::{Brought, Taken};
use crate::server::messages::ToIntake;

/// How long a batch is offered to ingest: a set of series is known after some 50 ms, so whatever takes
/// longer is out of order, and the agent keeps its samples.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long between two offers.
const STEP: Duration = Duration::from_millis(20);

impl ServerBackend {
    pub(super) fn check_claim(&self, claim: &AgentClaim) -> Answer<AgentProof> {
        let (reply, proof) = tokio::sync::oneshot::channel();
        self.tell_intake(ToIntake::Prove(Box::new(claim.clone()), reply))?;
        proof.blocking_recv().map_err(|_| ending())
    }

    pub(super) fn bring(
        &self,
        place: usize,
        address: IpAddr,
        batch: Batch,
    ) -> Answer<ReportStored> {
        let end = Clock.now().mono + PATIENCE;
        let mut brought = Box::new(Brought::new(place, address, batch));
        let samples_stored = loop {
            let (reply, taken) = tokio::sync::oneshot::channel();
            self.tell_intake(ToIntake::Brought(brought, reply))?;
            match taken.blocking_recv().map_err(|_| ending())? {
                Taken::Stored => break true,
                Taken::NotKept => break false,
                Taken::Again(_) if is_over(end) => {
                    let why = "an agent's samples could not be entered in time";
                    return Err(Refused::Unavailable(why.to_owned()));
                }
                Taken::Again(back) => brought = back,
            }
            std::thread::park_timeout(STEP);
        };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
        let now_unix_s = Clock.now().unix.0 as f64 / 1000.0;
        let AgentNews { config_revision, order } = self.news_of(place)?;
        Ok(ReportStored { samples_stored, held_seconds: 0.0, now_unix_s, config_revision, order })
    }

    pub(super) fn configuration_of(&self, place: usize) -> Answer<GivenConfiguration> {
        let (reply, given) = tokio::sync::oneshot::channel();
        self.tell_intake(ToIntake::Given(place, reply))?;
        let none = || GivenConfiguration { revision: 0, text: String::new() };
        let given = given.blocking_recv().map_err(|_| ending())?;
        Ok(given.map_or_else(none, |given| GivenConfiguration {
            revision: given.revision,
            text: String::from_utf8_lossy(&given.text).into_owned(),
        }))
    }

    pub(super) fn news_of(&self, place: usize) -> Answer<AgentNews> {
        let (reply, news) = tokio::sync::oneshot::channel();
        self.tell_intake(ToIntake::News(place, reply))?;
        let (config_revision, order) = news.blocking_recv().map_err(|_| ending())?;
        Ok(AgentNews { config_revision, order })
    }

    pub(super) fn order_of(&self, place: usize, number: u32) -> Answer<GivenOrder> {
        let (reply, text) = tokio::sync::oneshot::channel();
        self.tell_intake(ToIntake::TakeOrder(place, number, reply))?;
        let text = text.blocking_recv().map_err(|_| ending())?;
        Ok(GivenOrder { number, text: text.map_or_else(String::new, |text| text.to_string()) })
    }

    fn tell_intake(&self, message: ToIntake) -> Answer<()> {
        self.links.intake.send(message).map_err(|_| ending())?;
        self.links.bell.ring();
        Ok(())
    }
}

fn is_over(end: Mono) -> bool {
    Clock.now().mono >= end
}
