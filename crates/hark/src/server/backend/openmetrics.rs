//! Figures of the server as `OpenMetrics`, for Prometheus and its kind; here those of receivers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hark_model::time::Clock;
use hark_model::{ReceiverName, Unix};
use hark_web::Answer;

use super::{ServerBackend, server_figures};
use crate::server::outbox::figures::{CLASSES, OfReceiver};

/// Each family: its name, its type, its unit if it has one, and what it counts.
const FAMILIES: &[(&str, &str, &str, &str)] = &[
    ("hark_receiver_tries", "counter", "", "Tries to deliver a message that have ended."),
    ("hark_receiver_delivered", "counter", "", "Messages that arrived."),
    ("hark_receiver_failed", "counter", "", "Tries that failed, by why."),
    ("hark_receiver_given_up", "counter", "", "Messages that were given up."),
    ("hark_receiver_try_seconds", "histogram", "seconds", "How long tries took."),
    ("hark_receiver_waiting", "gauge", "", "Messages that wait, those on their way among them."),
    (
        "hark_receiver_oldest_waiting_seconds",
        "gauge",
        "seconds",
        "How long ago the oldest message that waits was decided; 0 if none waits.",
    ),
    ("hark_receiver_failing", "gauge", "", "1 while the receiver is failing."),
];

impl ServerBackend {
    /// Returns the figures of all receivers.
    #[expect(clippy::unnecessary_wraps, reason = "as all that the web asks")]
    pub(super) fn metrics_text(&self) -> Answer<String> {
        let receivers = self.receivers.load();
        let kind = |name: &ReceiverName| receivers.find(name).map_or("", |c| c.kind);
        let mut text = render(&self.links.telling.all(), kind, Clock.now().unix);
        server_figures::put(self, &mut text);
        text.push_str("# EOF\n");
        Ok(text)
    }
}

fn render(
    all: &BTreeMap<ReceiverName, OfReceiver>,
    kind: impl Fn(&ReceiverName) -> &'static str,
    now: Unix,
) -> String {
    let mut text = String::new();
    for (family, word, unit, help) in FAMILIES {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "# TYPE {family} {word}");
        if !unit.is_empty() {
            let _written = writeln!(text, "# UNIT {family} {unit}");
        }
        let _written = writeln!(text, "# HELP {family} {help}");
        for (name, figures) in all {
            let labels = format!("receiver=\"{}\",type=\"{}\"", escaped(name.as_str()), kind(name));
            samples(&mut text, family, &labels, figures, now);
        }
    }
    text
}

fn samples(text: &mut String, family: &str, labels: &str, of: &OfReceiver, now: Unix) {
    let mut sample = |suffix: &str, more: &str, value: &dyn std::fmt::Display| {
        let _written = writeln!(text, "{family}{suffix}{{{labels}{more}}} {value}");
    };
    match family {
        "hark_receiver_tries" => sample("_total", "", &of.tries),
        "hark_receiver_delivered" => sample("_total", "", &of.delivered),
        "hark_receiver_given_up" => sample("_total", "", &of.given_up),
        "hark_receiver_failed" => {
            for (why, n) in &of.failed {
                sample("_total", &format!(",reason=\"{}\"", escaped(why)), n);
            }
        }
        "hark_receiver_try_seconds" => {
            let mut below = 0;
            let bounds = CLASSES.iter().map(|ms| seconds(*ms)).chain(["+Inf".to_owned()]);
            for (bound, n) in bounds.zip(of.classes) {
                below += n;
                sample("_bucket", &format!(",le=\"{bound}\""), &below);
            }
            sample("_count", "", &below);
            sample("_sum", "", &of.took.as_secs_f64());
        }
        "hark_receiver_waiting" => sample("", "", &of.waiting),
        "hark_receiver_oldest_waiting_seconds" => {
            let age = of.oldest.map(|at| now.since(at)).unwrap_or_default();
            sample("", "", &age.as_secs_f64());
        }
        _ => sample("", "", &u8::from(of.is_failing)),
    }
}

/// Returns milliseconds as seconds, always with a point: `0.005`, `1.0`.
fn seconds(ms: u64) -> String {
    let fraction = format!("{:03}", ms % 1000);
    let fraction = fraction.trim_end_matches('0');
    format!("{}.{}", ms / 1000, if fraction.is_empty() { "0" } else { fraction })
}

pub(super) fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::outbox::figures::{End, Figures};

    #[test]
    fn figures_are_written_as_openmetrics_wants_them() {
        let (figures, chat) = (Figures::default(), ReceiverName::new("chat").unwrap());
        figures.tried(&chat, Duration::from_millis(5), End::Delivered);
        figures.tried(&chat, Duration::from_millis(1500), End::GivenUp("refused"));
        let mut all = figures.all();
        let shown = all.get_mut(&chat).unwrap();
        (shown.waiting, shown.oldest, shown.is_failing) = (2, Some(Unix(1_000)), true);
        let text = render(&all, |_| "slack", Unix(3_500));
        let labels = "{receiver=\"chat\",type=\"slack\"";
        for line in [
            "# TYPE hark_receiver_tries counter".to_owned(),
            format!("hark_receiver_tries_total{labels}}} 2"),
            format!("hark_receiver_delivered_total{labels}}} 1"),
            format!("hark_receiver_failed_total{labels},reason=\"refused\"}} 1"),
            format!("hark_receiver_given_up_total{labels}}} 1"),
            "# UNIT hark_receiver_try_seconds seconds".to_owned(),
            format!("hark_receiver_try_seconds_bucket{labels},le=\"0.005\"}} 1"),
            format!("hark_receiver_try_seconds_bucket{labels},le=\"1.0\"}} 1"),
            format!("hark_receiver_try_seconds_bucket{labels},le=\"5.0\"}} 2"),
            format!("hark_receiver_try_seconds_bucket{labels},le=\"+Inf\"}} 2"),
            format!("hark_receiver_try_seconds_count{labels}}} 2"),
            format!("hark_receiver_try_seconds_sum{labels}}} 1.505"),
            format!("hark_receiver_waiting{labels}}} 2"),
            format!("hark_receiver_oldest_waiting_seconds{labels}}} 2.5"),
            format!("hark_receiver_failing{labels}}} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
        assert_eq!(text.matches("# TYPE ").count(), FAMILIES.len());
    }
}
