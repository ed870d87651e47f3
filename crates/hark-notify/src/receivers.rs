//! The section `receivers` of the configuration: names, types, and the chains of fallbacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use hark_config::{Key, Kind, Section, Span};
use hark_model::ReceiverName;
use hark_net::Masks;

use crate::web_push::Whose;
use crate::{Receiver, TYPES, types};

/// The settings of one receiver: those of its type, by name, one a line, then what all have.
#[rustfmt::skip]
pub const RECEIVER_KEYS: &[Key] = &[
    Key::new("alertmanager", Kind::Section(types::alertmanager::KEYS), "Feeds an Alertmanager."),
    Key::new("apprise", Kind::Section(types::apprise::KEYS), "Sends through an Apprise API, and so to whatever Apprise knows."),
    Key::new("discord", Kind::Section(types::discord::KEYS), "Posts to a channel of Discord."),
    Key::new("dweet", Kind::Section(types::dweet::KEYS), "Posts to a thing of dweet.io or its kind."),
    Key::new("email", Kind::Section(types::email::KEYS), "Sends mail."),
    Key::new("exec", Kind::Section(types::exec::KEYS), "Runs a program."),
    Key::new("github", Kind::Section(types::github::KEYS), "Opens and closes issues at GitHub."),
    Key::new("gitlab", Kind::Section(types::gitlab::KEYS), "Opens and closes issues at GitLab."),
    Key::new("google_chat", Kind::Section(types::google_chat::KEYS), "Posts to a space of Google Chat, in threads."),
    Key::new("gotify", Kind::Section(types::gotify::KEYS), "Pushes through Gotify."),
    Key::new("hark", Kind::Section(types::hark::KEYS), "Hands messages to another hark as events."),
    Key::new("home_assistant", Kind::Section(types::home_assistant::KEYS), "Notifies through Home Assistant."),
    Key::new("line", Kind::Section(types::line::KEYS), "Pushes to a chat of LINE."),
    Key::new("matrix", Kind::Section(types::matrix::KEYS), "Writes to a room of Matrix, in threads."),
    Key::new("mattermost", Kind::Section(types::mattermost::KEYS), "Posts to a channel of Mattermost."),
    Key::new("mqtt", Kind::Section(types::mqtt::KEYS), "Publishes at an MQTT broker."),
    Key::new("ntfy", Kind::Section(types::ntfy::KEYS), "Publishes to a topic of ntfy."),
    Key::new("opsgenie", Kind::Section(types::opsgenie::KEYS), "Opens and closes alerts at Opsgenie."),
    Key::new("pagerduty", Kind::Section(types::pagerduty::KEYS), "Opens and resolves alerts at PagerDuty."),
    Key::new("pushbullet", Kind::Section(types::pushbullet::KEYS), "Pushes to accounts of Pushbullet."),
    Key::new("pushover", Kind::Section(types::pushover::KEYS), "Pushes through Pushover, with emergencies."),
    Key::new("rocketchat", Kind::Section(types::rocketchat::KEYS), "Posts to a room of Rocket.Chat."),
    Key::new("signal", Kind::Section(types::signal::KEYS), "Writes through signal-cli."),
    Key::new("slack", Kind::Section(types::slack::KEYS), "Posts to a channel of Slack, in threads."),
    Key::new("syslog", Kind::Section(types::syslog::KEYS), "Writes to syslog."),
    Key::new("teams", Kind::Section(types::teams::KEYS), "Posts to a channel or chat of Microsoft Teams."),
    Key::new("telegram", Kind::Section(types::telegram::KEYS), "Writes to a chat of Telegram."),
    Key::new("twilio", Kind::Section(types::twilio::KEYS), "Sends text messages or calls by telephone."),
    Key::new("url", Kind::Section(types::url::KEYS), "Fetches an address with fields in its query."),
    Key::new("web_push", Kind::Section(types::web_push::KEYS), "Shows notifications in the browsers of a user, a team or whoever is on call, also while the page is closed."),
    Key::new("webex", Kind::Section(types::webex::KEYS), "Writes to a room or person of Webex."),
    Key::new("webhook", Kind::Section(types::webhook::KEYS), "Calls a web address."),
    Key::new("xmpp", Kind::Section(types::xmpp::KEYS), "Writes to people and rooms over XMPP (Jabber)."),
    Key::new("zulip", Kind::Section(types::zulip::KEYS), "Writes to a topic of Zulip."),
    Key::new(
        "severity",
        Kind::OneOf(&["info", "unknown", "warning", "critical"]),
        "The lowest severity that it gets.",
    )
    .default("info"),
    Key::new(
        "better",
        Kind::Bool,
        "Whether it is told of a problem that got better but is not over.",
    )
    .default("true"),
    Key::new(
        "acknowledged",
        Kind::Bool,
        "Whether it is told that somebody took what it was told of.",
    )
    .default("true"),
    Key::new("hours", Kind::Text, "A period: what comes outside of it is told when it opens."),
    Key::new(
        "except",
        Kind::OneOf(&["info", "unknown", "warning", "critical"]),
        "From this severity on it is told at any time.",
    ),
    Key::new(
        "fallback",
        Kind::Text,
        "Receiver that gets critical messages when this one fails or takes more than 5 minutes.",
    ),
];

/// One receiver as configured.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The word of its type.
    pub kind: &'static str,
    /// What sends.
    pub receiver: Arc<dyn Receiver>,
    /// What must not be shown of what it asks and hears.
    pub masks: Arc<Masks>,
    /// Who steps in for it.
    pub fallback: Option<ReceiverName>,
    /// Where it stands in the configuration.
    pub span: Span,
}

/// All receivers by name.
#[derive(Clone, Debug, Default)]
pub struct Receivers(BTreeMap<ReceiverName, Configured>);

impl Receivers {
    /// Reads the section `receivers` of the root of the configuration. What is wrong is reported
    /// there; receivers that could be read are returned.
    pub fn read(root: &Section<'_>) -> Self {
        let mut receivers = BTreeMap::new();
        // Fallbacks are looked at by name alone, so that a mistake in a receiver's settings neither
        // hides a mistake in its fallback nor makes another's fallback look unknown.
        let mut chain = Fallbacks::default();
        for (key, section) in root.children("receivers") {
            let name = match ReceiverName::new(key.value) {
                Ok(name) => name,
                Err(error) => {
                    root.diagnostics().error(key.span, error.to_string());
                    read_one(&section);
                    continue;
                }
            };
            let fallback = section.opt_str("fallback").map(str::to_owned);
            chain.0.insert(name.clone(), (fallback, section.value_span("fallback")));
            if let Some(configured) = read_one(&section) {
                check_screens(root, &section, &*configured.receiver);
                receivers.insert(name, configured);
            }
        }
        for (name, fallback) in chain.check(root) {
            if let Some(configured) = receivers.get_mut(&name) {
                configured.fallback = Some(fallback);
            }
        }
        Self(receivers)
    }

    /// Returns the receiver called `name`.
    pub fn find(&self, name: &ReceiverName) -> Option<&Configured> {
        self.0.get(name)
    }

    /// Returns all receivers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ReceiverName, &Configured)> {
        self.0.iter()
    }

    /// Returns names with fallbacks, as [`crate::outbox::Outbox::new`] takes them.
    pub fn fallbacks(&self) -> impl Iterator<Item = (ReceiverName, Option<ReceiverName>)> + '_ {
        self.0.iter().map(|(name, configured)| (name.clone(), configured.fallback.clone()))
    }
}

/// Reports a team or a rota that a receiver means and that there is none of.
fn check_screens(root: &Section<'_>, section: &Section<'_>, receiver: &dyn Receiver) {
    let (key, what, name, place) = match receiver.screens() {
        Some(Whose::Team(team)) => ("team", "team", team.as_str(), "teams"),
        Some(Whose::OnCall(rota)) => ("oncall", "rota", rota.as_str(), "oncall"),
        Some(Whose::User(_)) | None => return,
    };
    let there = root.child(place).map(|section| section.entries()).unwrap_or_default();
    let known = there.iter().map(|(key, _)| key.value);
    if !known.clone().any(|known| known == name) {
        let settings = section.child("web_push");
        let span = settings.map_or(section.span(), |settings| settings.value_span(key));
        let wrong = root.diagnostics().error(span, format!("there is no {what} `{name}`"));
        drop(wrong.nearest(name, known).hint(format!("{what}s stand under `{place}`")));
    }
}

/// Every receiver that has a name, with the fallback as written and its place.
#[derive(Default)]
struct Fallbacks(BTreeMap<ReceiverName, (Option<String>, Span)>);

impl Fallbacks {
    /// Reports every fallback that leads nowhere or in a circle, and returns the others.
    fn check(&self, root: &Section<'_>) -> Vec<(ReceiverName, ReceiverName)> {
        let mut good = Vec::new();
        for (name, (fallback, span)) in &self.0 {
            let Some(fallback) = fallback else { continue };
            let Some((next, _)) = self.0.get_key_value(fallback.as_str()) else {
                root.diagnostics()
                    .error(*span, format!("there is no receiver `{fallback}`"))
                    .nearest(fallback, self.0.keys().map(ReceiverName::as_str));
                continue;
            };
            match self.circle(name) {
                // One report for each circle, at the first of its names.
                Some(circle) if circle.iter().min() == Some(&name) => {
                    let way: Vec<_> =
                        circle.iter().chain(circle.first()).map(|n| n.as_str()).collect();
                    let text = format!("fallbacks lead in a circle: {}", way.join(" -> "));
                    root.diagnostics().error(*span, text).hint("remove one of these fallbacks");
                }
                Some(_) => {}
                None => good.push((name.clone(), next.clone())),
            }
        }
        good
    }

    /// Returns the receivers that fallbacks lead through from `start` back to it.
    fn circle<'a>(&'a self, start: &'a ReceiverName) -> Option<Vec<&'a ReceiverName>> {
        let mut way = vec![start];
        let mut at = start;
        // A way that comes to another circle ends where it has been before.
        while let Some((next, _)) =
            self.0.get(at).and_then(|(fallback, _)| self.0.get_key_value(fallback.as_deref()?))
        {
            if next == start {
                return Some(way);
            }
            if way.contains(&next) {
                return None;
            }
            way.push(next);
            at = next;
        }
        None
    }
}

fn read_one(section: &Section<'_>) -> Option<Configured> {
    section.finish(RECEIVER_KEYS);
    let names: Vec<&'static str> = TYPES.iter().map(|kind| kind.name()).collect();
    let (word, value) = section.exactly_one_of(&names)?;
    let kind = TYPES.iter().find(|kind| kind.name() == word)?;
    let settings = value.section()?;
    settings.finish(kind.keys());
    let receiver = kind.read(&settings)?;
    Some(Configured {
        kind: kind.name(),
        receiver: Arc::from(receiver),
        masks: Arc::new(Masks::of(&settings, kind.keys())),
        fallback: None,
        span: section.span(),
    })
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Receivers, String) {
        let document = Document::single(text);
        let receivers = Receivers::read(&document.root(&NoSecrets));
        (receivers, document.diagnostics().render(Style::Plain))
    }

    const TWO: &str = "receivers:
  mail: {email: {to: ops@example.net, from: hark@example.net}, fallback: hook}
  hook: {webhook: {url: 'https://example.net/x'}}
";

    #[test]
    fn receivers_and_their_fallbacks_are_read() {
        let (receivers, errors) = read(TWO);
        assert_eq!(errors, "");
        let names: Vec<_> = receivers.iter().map(|(name, c)| (name.as_str(), c.kind)).collect();
        assert_eq!(names, [("hook", "webhook"), ("mail", "email")]);
        let mail = receivers.find(&ReceiverName::new("mail").unwrap()).unwrap();
        assert_eq!(mail.fallback.as_ref().map(ReceiverName::as_str), Some("hook"));
        assert_eq!(mail.receiver.target(), "ops@example.net");
    }

    #[test]
    fn fallbacks_that_lead_nowhere_or_in_a_circle_are_refused() {
        let (_, errors) = read(&TWO.replace("fallback: hook", "fallback: hok"));
        assert!(errors.contains("there is no receiver `hok`"), "{errors}");
        assert!(errors.contains("hook"), "{errors}");
        let circle = TWO.replace("/x'}}", "/x'}, fallback: mail}");
        let (_, errors) = read(&circle);
        assert!(errors.contains("fallbacks lead in a circle: hook -> mail -> hook"), "{errors}");
        assert_eq!(errors.matches("error:").count(), 1, "{errors}");
        let (_, errors) = read(&TWO.replace("fallback: hook", "fallback: mail"));
        assert!(errors.contains("mail -> mail"), "{errors}");
    }

    #[test]
    fn mistakes_in_fallbacks_and_in_settings_are_reported_together() {
        let text = "receivers:
  mail: {email: {to: [], from: hark@example.net}, fallback: hok}
  hook: {webhook: {url: 'https://example.net/x', methd: PUT}, fallback: mail}
  a: {webhook: {url: 'https://example.net/x'}, fallback: b}
  b: {webhook: {}, fallback: a}
";
        let (_, errors) = read(text);
        for expected in [
            "nobody would get the mail",
            "there is no receiver `hok`",
            "did you mean `hook`?",
            "unknown key `methd`",
            "fallbacks lead in a circle: a -> b -> a",
        ] {
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
        assert!(!errors.contains("there is no receiver `mail`"), "{errors}");
    }

    #[test]
    fn a_receiver_needs_exactly_one_type() {
        let (_, errors) = read("receivers: {a: {fallback: b}}");
        assert!(errors.contains("`email`") && errors.contains("is expected"), "{errors}");
    }
}
