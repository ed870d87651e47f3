//! Reports to people, asked for.

use hark_api::Timestamp;
use hark_api::summaries::{MadeReport, ReportRow};
use hark_report::Kind;
use hark_web::{Answer, Refused, ReportPeriod};
use tokio::sync::oneshot;

use super::{ServerBackend, ending};
use crate::server::reports::{Listed, ToReports};

impl ServerBackend {
    pub(super) fn all_summaries(&self) -> Answer<Vec<ReportRow>> {
        let (to, answer) = oneshot::channel();
        self.links.reports.blocking_send(ToReports::List(to)).map_err(|_| ending())?;
        let listed = answer.blocking_recv().map_err(|_| ending())?;
        Ok(listed.iter().map(row).collect())
    }

    pub(super) fn summary_of(
        &self,
        name: &str,
        period: ReportPeriod,
        send: bool,
    ) -> Answer<MadeReport> {
        let (reply, answer) = oneshot::channel();
        let make = ToReports::Make { name: name.to_owned(), period, send, reply };
        self.links.reports.blocking_send(make).map_err(|_| ending())?;
        let made = answer.blocking_recv().map_err(|_| ending())??;
        let report = serde_json::to_value(&made.report)
            .map_err(|error| Refused::Unavailable(error.to_string()))?;
        Ok(MadeReport { title: made.report.title, report, text: made.text, html: made.html })
    }
}

fn row(listed: &Listed) -> ReportRow {
    let plan = &listed.plan;
    ReportRow {
        name: plan.name.clone(),
        kind: match plan.kind {
            Kind::Summary => "summary".to_owned(),
            Kind::Failures { .. } => "failures".to_owned(),
        },
        to: plan.addressees(),
        schedule: plan.when.to_string(),
        last_at: listed.last.map(Timestamp),
        next_at: listed.next.map(Timestamp),
    }
}
