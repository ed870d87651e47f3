//! The words of notifications: the seed's short forms (seed 001, items 134 to 136) and the longer
//! text behind them.

use hark_model::record::AckRecord;
use hark_model::{Now, Reason, Status, Unix, UserName};

use crate::check::Check;
use crate::due::Due;
use crate::incident::{Incident, REPLACED};

/// A message in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// One line: subject and push text.
    pub(crate) summary: String,
    /// More lines; may be empty.
    pub(crate) detail: String,
}

/// Writes a time of day the way messages show it: `14:18:03 UTC`.
pub(crate) fn clock(at: Unix) -> String {
    let seconds = at.seconds().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Writes a number of seconds the way people say it: `95s`, `12m`, `3h 5m`, `2d 4h`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Words a message about an incident. `was` is what the receiver was told before, `passage` are
/// lines about older messages that this one replaces.
pub(crate) fn words(
    reason: Reason,
    incident: &Incident,
    check: Option<&Check>,
    was: Status,
    passage: &[String],
    now: Now,
) -> Words {
    let subject = format!("{} - {}", incident.host_name, incident.path);
    let shown = &incident.shown;
    let is = upper(incident.record.status);
    let before = upper(was);
    let ongoing = now.unix.since(incident.record.since).as_secs();
    let summary = match reason {
        Reason::Problem | Reason::Worse => format!("{is}: {subject} = {shown}"),
        Reason::Better => format!("{is}: {subject} = {shown} ({before} -> {is})"),
        Reason::Recovery | Reason::Merged => {
            format!("RECOVERED: {subject} = {shown} ({before} -> OK)")
        }
        Reason::Reminder => {
            format!("REMINDER ({is}): {subject} = {shown} (ongoing for {ongoing}s)")
        }
        Reason::Acknowledged => match &incident.record.ack {
            Some(ack) => format!("ACKNOWLEDGED ({is}): {subject} = {shown} (by {})", ack.by),
            None => format!("ACKNOWLEDGED ({is}): {subject} = {shown}"),
        },
        Reason::FlapStart => {
            let critical = check.filter(|c| is == "CRITICAL" && c.flaps_critically());
            match critical.map(|check| check.ring.criticals()) {
                Some(often) => format!("FLAPPING ({is}): {subject} = {shown} ({often})"),
                None => format!("FLAPPING: {subject} = {shown} (changes too often)"),
            }
        }
        Reason::FlapEnd => format!("STEADY: {subject} = {shown} (no longer flapping, now {is})"),
        Reason::Removed if incident.record.resolution == REPLACED => format!(
            "REPLACED: {subject} (was {before}; the dropped host is back, its checks begin anew)"
        ),
        Reason::Removed => format!("REMOVED: {subject} (was {before}, no longer watched)"),
        Reason::Summary | Reason::Event | Reason::Report | Reason::Test => subject,
    };
    Words { summary, detail: detail(reason, incident, check, passage, now) }
}

/// Words a reminder to whom was told that somebody took a problem, which is so no more.
pub(crate) fn given_back_words(
    by: &UserName,
    incident: &Incident,
    check: Option<&Check>,
    passage: &[String],
    now: Now,
) -> Words {
    let Incident { host_name, path, shown, .. } = incident;
    let is = upper(incident.record.status);
    Words {
        summary: format!("GIVEN BACK ({is}): {host_name} - {path} = {shown} (by {by})"),
        detail: detail(Reason::Reminder, incident, check, passage, now),
    }
}

/// Says since when a message was kept back for the receiver's hours.
pub(crate) fn kept_line(since: Unix) -> String {
    format!("Kept back since {}: outside the hours.", clock(since))
}

/// Says who took it, why and for how long.
pub(crate) fn taken_line(ack: &AckRecord) -> String {
    let until = ack.until.map(|until| format!(" (until {})", clock(until))).unwrap_or_default();
    format!("{} took it: {}{until}", ack.by, ack.comment)
}

/// Says by which step of an escalation a message comes.
pub(crate) fn step_line(way: &Due) -> Option<String> {
    let step = way.step?;
    let after = span(step.after.as_secs());
    let (number, route) = (step.number, &way.route);
    Some(format!("Escalation: step {number} of `{route}`, since nobody has taken it for {after}."))
}

fn detail(
    reason: Reason,
    incident: &Incident,
    check: Option<&Check>,
    passage: &[String],
    now: Now,
) -> String {
    let mut lines: Vec<String> = Vec::new();
    let record = &incident.record;
    lines.extend(check.and_then(|check| measured(check, incident)));
    if let Some((_, rest)) = check.and_then(|c| c.text().split_once('\n')) {
        lines.push(rest.to_owned());
    }
    let lasted = |until: Unix| span(until.since(record.since).as_secs());
    lines.push(match record.resolved_at {
        Some(end) => match incident.again {
            Some(again) => format!(
                "Was {} again from {} to {} ({}), first at {}.",
                record.peak,
                clock(again),
                clock(end),
                span(end.since(again).as_secs()),
                clock(record.since)
            ),
            None => format!(
                "Was {} from {} to {} ({}).",
                record.peak,
                clock(record.since),
                clock(end),
                lasted(end)
            ),
        },
        None => match incident.again {
            Some(again) => format!(
                "Again since {} ({}), first at {}.",
                clock(again),
                span(now.unix.since(again).as_secs()),
                clock(record.since)
            ),
            None => format!("Since {} ({}).", clock(record.since), lasted(now.unix)),
        },
    });
    match (incident.symptoms, record.resolved_at) {
        (0, _) => {}
        (1, None) => lines.push("1 further problem follows from it.".to_owned()),
        (n, None) => lines.push(format!("{n} further problems follow from it.")),
        (1, Some(_)) => lines.push("1 problem that followed from it is still open.".to_owned()),
        (n, Some(_)) => lines.push(format!("{n} problems that followed from it are still open.")),
    }
    let repair = check.and_then(|check| check.rule.repair());
    if let (Some(repair), Some(done)) = (repair, record.repair) {
        lines.push(format!("Repair: {}.", repair.tried(done.tries)));
    }
    if reason == Reason::Merged {
        lines.push("It was over before the message of the problem had arrived.".to_owned());
    }
    lines.extend(passage.iter().cloned());
    lines.join("\n")
}

/// Says what was measured and which limit that is held against: the short form is the value alone, as in the
/// seed. The detail may be read without the line above it, so it names the metric again.
fn measured(check: &Check, incident: &Incident) -> Option<String> {
    if let Some(value) = check.compared_in_words() {
        return Some(format!("Value: {} is {value}.", incident.path));
    }
    let (limits, unit) = (check.rule.threshold()?, check.rule.unit());
    Some(format!("Limit: {}.", limits.limit_in_words(incident.record.peak, unit)))
}

pub(crate) fn upper(status: Status) -> String {
    status.word().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(clock(Unix(1_763_648_283_000)), "14:18:03 UTC");
        assert_eq!(clock(Unix(-1000)), "23:59:59 UTC");
        let cases = [(95, "95s"), (720, "12m"), (11_100, "3h 5m"), (187_200, "2d 4h")];
        for (seconds, expected) in cases {
            assert_eq!(span(seconds), expected);
        }
    }
}
