//! A report: what is told of a period.

use hark_model::Unix;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::facts::Facts;
use crate::overdue::Overdue;
use crate::plan::{Kind, Plan};
use crate::summary::Summary;
use crate::{Span, render};

/// What is told of a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Its name in the configuration.
    pub name: String,
    /// The subject.
    pub title: String,
    /// The beginning of the period, in seconds since 1970.
    pub from_unix_s: i64,
    /// The end of the period, in seconds since 1970.
    pub until_unix_s: i64,
    /// The time zone in which times are written.
    pub zone: String,
    /// What there is to say.
    #[serde(flatten)]
    pub content: Content,
}

/// What there is to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// What the period was like.
    Summary(Box<Summary>),
    /// What has been failing for long.
    Failures(Overdue),
}

impl Report {
    /// Makes the report `plan` of `period`.
    pub fn make(plan: &Plan, facts: &Facts, period: Span) -> Self {
        let content = match plan.kind {
            Kind::Summary => Content::Summary(Box::new(Summary::make(facts, period))),
            Kind::Failures { older_than } => {
                Content::Failures(Overdue::make(facts, period, older_than))
            }
        };
        let mut report = Self {
            name: plan.name.clone(),
            title: String::new(),
            from_unix_s: period.from.seconds(),
            until_unix_s: period.until.seconds(),
            zone: plan.zone.iana_name().unwrap_or("UTC").to_owned(),
            content,
        };
        report.title = plan.subject.clone().unwrap_or_else(|| report.usual_title());
        report
    }

    /// Returns true if there is nothing that anybody should be told: no failure is old.
    pub fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Failures(overdue) if overdue.failures.is_empty())
    }

    /// Returns the report as plain text.
    pub fn text(&self) -> String {
        render::text(self)
    }

    /// Returns the report as a page that mail programs show: no script, no foreign address.
    /// `page` is the public address of hark's own page for links; empty if it has none.
    pub fn html(&self, page: &str) -> String {
        render::html(self, page)
    }

    /// Returns the report as JSON.
    pub fn json(&self) -> String {
        // Nothing in it can fail: keys are words, numbers that are none become null.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn usual_title(&self) -> String {
        let day = |seconds: i64| self.local(seconds).strftime("%Y-%m-%d").to_string();
        match &self.content {
            Content::Summary(_) => {
                format!(
                    "Report {}: {} to {}",
                    self.name,
                    day(self.from_unix_s),
                    day(self.until_unix_s)
                )
            }
            Content::Failures(overdue) => {
                let all = overdue.failures.len() + overdue.more;
                format!("Report {}: {all} failing for long", self.name)
            }
        }
    }

    pub(crate) fn local(&self, seconds: i64) -> jiff::Zoned {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        at.to_zoned(zone)
    }

    /// Returns the end of the period.
    pub fn until(&self) -> Unix {
        Unix(self.until_unix_s.saturating_mul(1000))
    }
}
