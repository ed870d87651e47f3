//! What the fake says of silences and maintenance, and what is done with them.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "they stand for methods of the trait"
)]

use super::*;

impl Fake {
    pub(super) fn silences_shown(&self, sight: &Sight) -> Answer<Vec<Silence>> {
        let stored = self.stored();
        let seen = |silence: &&Silence| {
            *sight == Sight::Everything
                || silence.matcher.hosts.iter().any(|host| sight.covers(host))
        };
        Ok(stored.silences.values().filter(seen).cloned().collect())
    }

    pub(super) fn preview_shown(&self, sight: &Sight) -> Answer<Preview> {
        let names = self.seen(sight);
        let incidents = self.rows_of(sight);
        let incidents_list = incidents
            .iter()
            .map(|row| CoveredIncident {
                id: row.id,
                host: row.host.clone(),
                check: row.check.clone(),
                state: row.state,
            })
            .collect();
        Ok(Preview {
            hosts: names.len() as u64,
            incidents: incidents.len() as u64,
            names,
            incidents_list,
            times: Vec::new(),
        })
    }

    pub(super) fn silenced(&self, order: &SilenceOrder) -> Answer<Silence> {
        let id = self.stored().silences.len() as u64 + 1;
        Ok(self.put_silence(id, order))
    }

    pub(super) fn put_silence(&self, id: u64, order: &SilenceOrder) -> Silence {
        let terms = &order.terms;
        let silence = Silence {
            id,
            matcher: silences::Matcher {
                hosts: terms.matcher.hosts.clone(),
                checks: terms.matcher.checks.clone(),
                tags: terms.matcher.tags.iter().map(ToString::to_string).collect(),
                severity: terms.matcher.severity.map(Into::into),
            },
            by: order.by.to_string(),
            reason: terms.reason.clone(),
            from_at: Timestamp(terms.from),
            until_at: Timestamp(terms.until),
            active: true,
            maintenance: terms.maintenance,
            flexible_seconds: terms.flexible.map(|lasts| lasts.as_secs_f64()),
            begun_at: None,
            repeats: terms.repeats.as_ref().map(|again| format!("{:?}", again.when)),
            again: terms.repeats.as_ref().map(|again| silences::Again {
                repeats: silences::Repeats {
                    timezone: again.zone.clone(),
                    ..silences::Repeats::default()
                },
                from_at: Timestamp(again.from),
                until_at: again.until.map(Timestamp),
            }),
            withheld: 0,
            matches: Matches::default(),
            declared: None,
        };
        self.stored().silences.insert(id, silence.clone());
        silence
    }

    /// Knows one pattern that cannot be read, and one that never comes.
    pub(super) fn held(&self, repeats: &Repeats, n: usize) -> Result<Vec<Held>, String> {
        let RepeatsWhen::Cron { pattern, lasts_ms } = &repeats.when else {
            return Ok(vec![Held { from_at: repeats.from.into(), until_at: repeats.from.into() }]);
        };
        match pattern.as_str() {
            "x" => return Err("there is no pattern of cron in it".to_owned()),
            "0 0 30 2 *" => return Ok(Vec::new()),
            _ => {}
        }
        let until = repeats.from + std::time::Duration::from_millis(*lasts_ms);
        Ok(vec![Held { from_at: repeats.from.into(), until_at: until.into() }; n])
    }

    pub(super) fn silence_changed(
        &self,
        silence: SilenceId,
        order: &SilenceOrder,
    ) -> Answer<Silence> {
        found(self.stored().silences.get(&silence.0).cloned())?;
        Ok(self.put_silence(silence.0, order))
    }
}
