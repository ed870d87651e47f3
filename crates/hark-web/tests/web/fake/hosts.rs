//! What the fake says of hosts, their checks and their series.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "they stand for methods of the trait"
)]

use super::*;

impl Fake {
    pub(super) fn fleet_shown(&self, sight: &Sight) -> Answer<Fleet> {
        let name = self.seen(sight);
        let n = name.len();
        Ok(Fleet {
            etag: format!("r{n}"),
            at_unix_s: THEN.seconds(),
            id: (1..).take(n).collect(),
            state: "c".repeat(n),
            site: vec![0; n],
            sites: vec![String::new()],
            tags: vec![vec!["role:db".to_owned()]; n],
            text: vec!["cpu is at 97".to_owned(); n],
            since_unix_s: vec![THEN.seconds(); n],
            last_heard_unix_s: vec![None; n],
            cpu: vec![Some(97.0); n],
            mem: vec![None; n],
            disk: vec![None; n],
            strip: vec!["o48".to_owned(); n],
            address: vec![None; n],
            os: vec![String::new(); n],
            uptime_s: vec![None; n],
            name,
        })
    }

    pub(super) fn hosts_shown(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).unwrap_or_default().to_owned();
        let mut rest = self.seen(sight);
        rest.retain(|name| name.as_str() > after.as_str());
        let more = rest.len() > limit(query.limit);
        rest.truncate(limit(query.limit));
        let next = rest.last().filter(|_| more).and_then(|name| Cursor::of_name(name));
        let items = rest.into_iter().zip(1..).map(|(name, id)| HostRow {
            id,
            name,
            state: Letter::Critical,
            text: "cpu is at 97".to_owned(),
            last_heard_at: Some(Timestamp(THEN)),
            interval_seconds: 30.0,
            address: Some("192.0.2.7".to_owned()),
            tags: vec!["site:fra".to_owned()],
        });
        Ok(Page { items: items.collect(), next })
    }

    pub(super) fn host_shown(&self, host: &HostName) -> Answer<Host> {
        self.check(host)?;
        Ok(Host {
            id: 1,
            name: host.to_string(),
            state: Letter::Critical,
            word: "Critical".to_owned(),
            text: "cpu is at 97".to_owned(),
            since_at: Some(Timestamp(THEN)),
            address: None,
            tags: vec!["role:db".to_owned()],
            owner: Some("root".to_owned()),
            facts: BTreeMap::from([("os".to_owned(), "Debian 12".to_owned())]),
            interval_seconds: 30.0,
            last_heard_at: None,
            rtt_seconds: Some(0.001),
            agent_version: "0.1.0".to_owned(),
            loss_ratio: None,
            checks: vec![check("cpu_monitor.cpu_percent"), check("backup")],
            incidents: vec![1],
            parents: Vec::new(),
            children: Vec::new(),
            profile: Vec::new(),
            unreachable_because: None,
            not_reproven: false,
            limits_without_values: vec!["disk_monitor./boot.percent".to_owned()],
            declared: None,
        })
    }

    pub(super) fn metrics_shown(&self, host: &HostName) -> Answer<Metrics> {
        self.check(host)?;
        Ok(Metrics {
            items: vec![Metric {
                path: "cpu_monitor.cpu_percent".to_owned(),
                collector: "cpu_monitor".to_owned(),
                instance: String::new(),
                metric: "cpu_percent".to_owned(),
                unit: "percent".to_owned(),
                kind: MetricKind::Gauge,
                last: Some(97.0),
                at_unix_s: Some(THEN.seconds()),
            }],
        })
    }

    pub(super) fn series_shown(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series> {
        self.check(host)?;
        // Each host has its own height.
        let height = if host.as_str() == "db1" { 1.0 } else { 2.5 };
        let column = vec![vec![Some(height), None]; order.names.len()];
        Ok(Series {
            from_unix_s: order.from.seconds(),
            to_unix_s: order.to.seconds(),
            step_s: 60.0,
            at_unix_s: vec![order.from.seconds(), order.from.seconds() + 60],
            names: order.names.clone(),
            units: vec!["percent".to_owned(); order.names.len()],
            kinds: vec![MetricKind::Gauge; order.names.len()],
            min: column.clone(),
            avg: column.clone(),
            max: column,
            incidents: vec![IncidentSpan {
                from_unix_s: order.from.seconds(),
                to_unix_s: None,
                id: 1,
                state: State::Warn,
            }],
            limits: BTreeMap::from([("a".to_owned(), Limits::default())]),
        })
    }

    pub(super) fn checks_shown(
        &self,
        sight: &Sight,
        query: &ChecksQuery,
    ) -> Answer<Page<CheckRow>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).unwrap_or_default().to_owned();
        let mut seen = self.seen(sight);
        seen.retain(|name| name.as_str() > after.as_str());
        let more = seen.len() > limit(query.limit);
        seen.truncate(limit(query.limit));
        let next = seen.last().filter(|_| more).and_then(|name| Cursor::of_name(name));
        let rows = seen.into_iter().map(|host| CheckRow {
            host,
            check: "cpu_monitor.cpu_percent".to_owned(),
            status: Status::Critical,
            value: Some(97.0),
            unit: "percent".to_owned(),
            text: "97.0".to_owned(),
            changed_at: Some(Timestamp(THEN)),
            seen_at: None,
            incident: Some(1),
        });
        Ok(Page { items: rows.collect(), next })
    }

    pub(super) fn check_summaries_shown(&self, sight: &Sight) -> Answer<Vec<CheckSummary>> {
        let hosts = self.seen(sight).len() as u64;
        let summary = CheckSummary {
            check: "cpu_monitor.cpu_percent".to_owned(),
            description: None,
            kinds: vec!["limit".to_owned()],
            interval_seconds: Some(15.0),
            p95_seconds: None,
            host: self.seen(sight).first().filter(|_| hosts == 1).cloned(),
            hosts,
            critical: hosts,
            warning: 0,
            unknown: 0,
            ok: 0,
            pending: 0,
            changed_at: Some(Timestamp(THEN)),
        };
        Ok(if hosts == 0 { Vec::new() } else { vec![summary] })
    }

    pub(super) fn metric_names_shown(&self, sight: &Sight) -> Answer<Vec<MetricSummary>> {
        let hosts = self.seen(sight).len() as u64;
        let summary = MetricSummary {
            name: "hark_cpu_percent".to_owned(),
            collector: "cpu_monitor".to_owned(),
            metric: "cpu_percent".to_owned(),
            unit: "percent".to_owned(),
            kind: MetricKind::Gauge,
            hosts,
        };
        Ok(if hosts == 0 { Vec::new() } else { vec![summary] })
    }

    pub(super) fn metric_on_hosts_shown(
        &self,
        sight: &Sight,
        metric: &str,
        query: &MetricHostsQuery,
    ) -> Answer<Page<MetricOnHost>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).unwrap_or_default().to_owned();
        let mut seen = self.seen(sight);
        // One that all hosts have, and one that a single host has.
        seen.retain(|name| match metric {
            "hark_cpu_percent" => true,
            other => other.strip_prefix("hark_of_") == Some(name),
        });
        if seen.is_empty() {
            return Err(Refused::Absent);
        }
        seen.retain(|name| name.as_str() > after.as_str());
        let more = seen.len() > limit(query.limit);
        seen.truncate(limit(query.limit));
        let next = seen.last().filter(|_| more).and_then(|name| Cursor::of_name(name));
        let rows = seen.into_iter().map(|host| MetricOnHost {
            host,
            instance: String::new(),
            path: "cpu_monitor.cpu_percent".to_owned(),
            last: Some(97.0),
            at_unix_s: None,
        });
        Ok(Page { items: rows.collect(), next })
    }

    pub(super) fn alerts_shown(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts> {
        if let Some(host) = host {
            self.check(host)?;
        }
        let mut seen = self.seen(sight);
        seen.retain(|name| host.is_none_or(|host| host.as_str() == name));
        let alerts = seen.into_iter().map(|host| Alert {
            host,
            check: "cpu_monitor.cpu_percent".to_owned(),
            status: Status::Critical,
            value: Some(97.0),
            text: String::new(),
            since_at: None,
            acknowledged: false,
        });
        Ok(Alerts { alerts: alerts.collect() })
    }

    pub(super) fn rows_shown(&self, sight: &Sight, hosts: &[HostId]) -> Answer<Rows> {
        let stored = self.stored();
        let mut rows = Rows::default();
        for (name, id) in stored.hosts.iter().zip(1..) {
            if hosts.contains(&HostId(id)) && sight.covers(name) {
                rows.id.push(id);
                rows.state.push('c');
                rows.since_unix_s.push(0);
                rows.cpu.push(Some(stored.cpu));
                rows.mem.push(None);
                rows.disk.push(None);
                rows.last_heard_unix_s.push(None);
                rows.text.push(String::new());
            }
        }
        Ok(rows)
    }

    pub(super) fn host_change_shown(&self, host: &HostName) -> Answer<HostChange> {
        self.check(host)?;
        let sample = (1.5, Some(self.stored().cpu));
        Ok(HostChange {
            state: "c".to_owned(),
            samples: BTreeMap::from([("cpu_monitor.cpu_percent".to_owned(), sample)]),
            ..HostChange::default()
        })
    }

    pub(super) fn looked_at(&self, host: &HostName, check: Option<&CheckName>) -> Answer<Looking> {
        self.check(host)?;
        match check.map(CheckName::as_str) {
            None => Ok(Looking { checks: 2 }),
            Some("web") => Ok(Looking { checks: 1 }),
            Some(_) => Err(Refused::Absent),
        }
    }

    pub(super) fn dropped_shown(&self) -> Answer<Vec<DroppedHost>> {
        let was_dropped = |name: &String| DroppedHost {
            name: name.clone(),
            by: "owner".to_owned(),
            dropped_at: Unix(1_000).into(),
            until_at: Unix(3_601_000).into(),
            is_back: true,
        };
        Ok(self.stored().hosts.iter().map(was_dropped).collect())
    }

    pub(super) fn lanes_shown(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes> {
        self.check(host)?;
        let (from_unix_s, to_unix_s) = (from.seconds(), to.seconds());
        let spans = vec![LaneSpan { from_unix_s, to_unix_s, state: Letter::None }];
        let backup = LaneSpan { from_unix_s, to_unix_s, state: Letter::Ok };
        Ok(Lanes {
            lanes: vec![
                Lane { check: "host".to_owned(), spans },
                Lane { check: "backup".to_owned(), spans: vec![backup] },
            ],
        })
    }

    pub(super) fn newest_shown(
        &self,
        sight: &Sight,
        filter: &NewestFilter,
        piece: &mut dyn FnMut(String) -> bool,
    ) -> Answer<()> {
        for host in ["db1", "web1"].into_iter().filter(|host| sight.covers(host)) {
            if !piece(format!("{}{{host=\"{host}\"}} 1\n", filter.metrics.join(","))) {
                return Ok(());
            }
        }
        piece("# EOF\n".to_owned());
        Ok(())
    }
}

fn check(name: &str) -> Check {
    Check {
        name: name.to_owned(),
        description: Some("Whether people can buy".to_owned()),
        hidden: false,
        status: Status::Critical,
        hard: Status::Pending,
        soft: None,
        value: Some(97.0),
        unit: "percent".to_owned(),
        text: "97".to_owned(),
        further_lines: String::new(),
        rule: "above 90, clears at 81".to_owned(),
        is_looked_at: false,
        active: None,
        sites: Vec::new(),
        changed_at: None,
        seen_at: None,
        fresh: Fresh::Late,
        flapping: false,
        incident: Some(1),
        limits: Limits { warning: None, critical: Some(90.0) },
    }
}
