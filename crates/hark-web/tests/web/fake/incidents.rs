//! What the fake says of incidents, and what is done with them.
#![expect(clippy::unnecessary_wraps, reason = "they stand for methods of the trait")]

use super::*;

impl Fake {
    pub(super) fn overview_shown(&self, sight: &Sight) -> Answer<Overview> {
        if self.stored().broken {
            return Err(Refused::Unavailable("disk on fire".to_owned()));
        }
        assert!(!self.stored().panics, "the fake was told to panic");
        let silences = self.silences(sight)?;
        let (maintenance, silences) = silences.into_iter().partition(|s| s.maintenance);
        Ok(Overview {
            at_unix_s: THEN.seconds(),
            verdict: Verdict { text: "2 hosts need attention".to_owned(), sub: String::new() },
            counts: self.counts(sight)?,
            kpis: Kpis { availability_24h: Some(0.999), ..Kpis::default() },
            receivers: 1,
            problems: self.problems(sight)?,
            more: 0,
            quiet: Quiet { silences, maintenance },
            events: self.events(sight, None, None, &PageQuery::default())?.items,
        })
    }

    pub(super) fn events_shown(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
    ) -> Answer<Page<Activity>> {
        if let Some(host) = host {
            self.check(host)?;
        }
        let hosts = self.seen(sight);
        let mut all: Vec<Activity> = hosts.iter().map(|name| activity(Some(name))).collect();
        all.push(activity(None));
        all.retain(|line| {
            sight.covers_activity(line)
                && host.is_none_or(|host| line.host.as_deref() == Some(host.as_str()))
        });
        Ok(Page::whole(all))
    }

    pub(super) fn incident_shown(&self, sight: &Sight, incident: IncidentId) -> Answer<Incident> {
        let row = found(self.rows_of(sight).into_iter().find(|row| row.id == incident.0))?;
        let check = row.check.clone();
        Ok(Incident {
            notifications: vec![delivery(&row.host, 1)],
            timeline: vec![activity(Some(&row.host))],
            symptoms_list: vec![Symptom { id: 9, host: row.host.clone(), check }],
            said: None,
            resolvable: false,
            derived: None,
            flapping_since_at: None,
            row,
            further_lines: String::new(),
            rule: "above 90".to_owned(),
            value: Some(97.0),
            unit: "percent".to_owned(),
            limits: Limits::default(),
            comments: Vec::new(),
            seen_before: vec![Earlier {
                id: 0,
                since_at: Timestamp(THEN),
                duration_seconds: Some(60.0),
                resolution: "recovered".to_owned(),
            }],
        })
    }

    pub(super) fn explain_shown(&self, incident: IncidentId) -> Answer<Explanation> {
        self.incident_of(incident)?;
        let line = ExplainLine {
            present: true,
            at: Timestamp(THEN),
            receiver: Some("ops-mail".to_owned()),
            decision: Decision::Withheld,
            block: Some("silence".to_owned()),
            message: None,
            message_state: None,
            text: "silenced by mira".to_owned(),
        };
        Ok(Explanation { lines: vec![line], repair: None, derived: None })
    }

    pub(super) fn acknowledged(&self, incident: IncidentId, order: &AckOrder) -> Answer<()> {
        let hold = self.stored().hold.clone();
        if let Some(hold) = hold {
            hold.wait();
            hold.wait();
        }
        let ack = Ack {
            by: order.by.to_string(),
            comment: order.comment.clone(),
            until_unix_s: order.until.map(Unix::seconds),
            sticky: order.sticky,
        };
        self.stored().acks.insert(incident.0, ack);
        Ok(())
    }

    pub(super) fn related(&self, incident: IncidentId, cause: Option<IncidentId>) -> Answer<()> {
        let mut stored = self.stored();
        match cause {
            Some(cause) => stored.causes.insert(incident.0, cause.0),
            None => stored.causes.remove(&incident.0),
        };
        Ok(())
    }
}

pub(super) fn activity(host: Option<&str>) -> Activity {
    Activity {
        at_unix_s: THEN.seconds(),
        kind: if host.is_some() { Kind::Transition } else { Kind::Server },
        host: host.map(ToOwned::to_owned),
        check: host.map(|_| "cpu_monitor.cpu_percent".to_owned()),
        incident: host.map(|_| 1),
        state: host.map(|_| State::Crit),
        message_state: None,
        text: "cpu is at 97".to_owned(),
    }
}

pub(super) fn incident_row(host: &str, id: u64, ack: Option<Ack>) -> IncidentRow {
    IncidentRow {
        id,
        host: host.to_owned(),
        check: "cpu_monitor.cpu_percent".to_owned(),
        state: State::Crit,
        peak: State::Crit,
        status: Status::Critical,
        text: "cpu is at 97".to_owned(),
        since_at: Timestamp(THEN),
        since_unix_s: THEN.seconds(),
        resolved_at: None,
        ack,
        silenced_until_at: None,
        cause: None,
        caused_by_hand: false,
        symptoms: 1,
        last_notification: Some(LastNotification {
            receiver: "ops-mail".to_owned(),
            result: Told::Sent,
            at: Timestamp(THEN),
            text: "sent".to_owned(),
        }),
    }
}

pub(super) fn problem(host: &str, incident: u64, ack: Option<Ack>) -> Problem {
    Problem {
        incident,
        host: host.to_owned(),
        check: "cpu_monitor.cpu_percent".to_owned(),
        state: State::Crit,
        text: "cpu is at 97".to_owned(),
        since_unix_s: THEN.seconds(),
        ack,
        silenced_until_unix_s: None,
        symptoms: 0,
        soft: Some(Soft { attempt: 2, of: 3 }),
        strip: "o46c2".to_owned(),
        spark: vec![Some(1.0), None, Some(97.0)],
        limit: Some(90.0),
        flapping: false,
    }
}
