//! The section `receivers` of the configuration: names, types, and the chains of fallbacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use hark_config::{Key, Kind, Section, Span};
use hark_model::ReceiverName;

use crate::{Receiver, TYPES, types};

/// The settings of one receiver beside those of its type.
pub const RECEIVER_KEYS: &[Key] = &[
    Key::new("email", Kind::Section(types::email::KEYS), "Sends mail."),
    Key::new("webhook", Kind::Section(types::webhook::KEYS), "Calls a web address."),
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
        let mut named = Vec::new();
        for (key, section) in root.children("receivers") {
            let name = match ReceiverName::new(key.value) {
                Ok(name) => Some(name),
                Err(error) => {
                    root.diagnostics().error(key.span, error.to_string());
                    None
                }
            };
            let configured = read_one(&section);
            let fallback = section.opt_str("fallback").map(str::to_owned);
            if let (Some(name), Some(configured)) = (name, configured) {
                named.push((name.clone(), fallback, section.value_span("fallback")));
                receivers.insert(name, configured);
            }
        }
        let mut receivers = Self(receivers);
        for (name, fallback, span) in named {
            if let Some(fallback) = fallback
                && let Err(what) = receivers.link(&name, &fallback)
            {
                let report = root.diagnostics().error(span, what);
                let known = receivers.0.keys().map(ReceiverName::as_str);
                if let Some(near) = hark_config::nearest(&fallback, known) {
                    report.suggest(near);
                }
            }
        }
        receivers
    }

    /// Makes `fallback` step in for `name`, unless that would lead back to `name`.
    fn link(&mut self, name: &ReceiverName, fallback: &str) -> Result<(), String> {
        let Some((fallback, _)) = self.0.get_key_value(fallback) else {
            return Err(format!("there is no receiver `{fallback}`"));
        };
        let fallback = fallback.clone();
        let mut chain = vec![name.clone()];
        let mut next = Some(fallback.clone());
        while let Some(link) = next {
            let is_end = chain.contains(&link);
            next = self.0.get(&link).and_then(|configured| configured.fallback.clone());
            chain.push(link);
            if is_end {
                let names: Vec<_> = chain.iter().map(ReceiverName::as_str).collect();
                return Err(format!("fallbacks lead in a circle: {}", names.join(" -> ")));
            }
        }
        if let Some(configured) = self.0.get_mut(name) {
            configured.fallback = Some(fallback);
        }
        Ok(())
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
        assert!(errors.contains("fallbacks lead in a circle"), "{errors}");
        let (_, errors) = read(&TWO.replace("fallback: hook", "fallback: mail"));
        assert!(errors.contains("mail -> mail"), "{errors}");
    }

    #[test]
    fn a_receiver_needs_exactly_one_type() {
        let (_, errors) = read("receivers: {a: {fallback: b}}");
        assert!(errors.contains("one of `email`, `webhook` is expected"), "{errors}");
    }
}
