//! Who people are elsewhere: their addresses, and what services call them.
//!
//! With it, what somebody does from outside (answers a mail, presses a button) is done as the user that he
//! is, within what that user may. It gives nobody a right: what proves that a message was read is its
//! token, and a user can only have less than that.

use std::collections::BTreeMap;

use hark_config::{Key, Kind, Section};
use hark_model::UserName;
use serde_json::{Map, Value, json};

/// The section `known_as` of a user: kinds of receivers that say who somebody is.
pub(crate) const KEYS: &[Key] = &[
    Key::new("email", Kind::OneOrMany(&Kind::Text), "Addresses that answers to mails come from."),
    Key::new("slack", Kind::OneOrMany(&Kind::Text), "Member IDs, such as `U012AB3CD`."),
    Key::new("mattermost", Kind::OneOrMany(&Kind::Text), "User IDs, 26 letters and digits."),
    Key::new("telegram", Kind::OneOrMany(&Kind::Text), "Numbers of accounts."),
    Key::new("pushover", Kind::OneOrMany(&Kind::Text), "User keys."),
];

/// The kind of receivers whose people are known by addresses of mail.
pub(crate) const MAIL: &str = "email";

/// Who is meant by what other services say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownAs(BTreeMap<(&'static str, String), UserName>);

impl KnownAs {
    /// Returns the user whom a kind of receivers calls `id`.
    pub(crate) fn who(&self, kind: &str, id: &str) -> Option<&UserName> {
        let key = KEYS.iter().find(|key| key.name == kind)?;
        self.0.get(&(key.name, plain(id)?))
    }

    /// Reads what a user is known as; `user` is `None` if the name is none.
    pub(crate) fn read(&mut self, section: &Section<'_>, user: Option<&UserName>) {
        let Some(section) = section.child("known_as") else { return };
        for key in KEYS {
            let found = section.parse_many(key.name, |text| {
                plain(text).ok_or("it must not be empty: write what the service calls the person")
            });
            for id in found.into_iter().map(|found| found.value) {
                let Some(user) = user else { continue };
                let former = self.0.insert((key.name, id.clone()), user.clone());
                if let Some(former) = former.filter(|former| former != user) {
                    section.error(key.name, format!("{former} is known as {id} already"));
                }
            }
        }
        section.finish(KEYS);
    }

    /// Returns as what a user is known, for people.
    pub(crate) fn show(&self, user: &UserName) -> Value {
        let mut shown: Map<String, Value> = Map::new();
        for ((kind, id), _) in self.0.iter().filter(|(_, who)| *who == user) {
            let all = shown.entry(*kind).or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.push(json!(id));
            }
        }
        Value::Object(shown)
    }

    /// Returns those who are known as something.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserName> {
        self.0.values()
    }
}

/// Returns an address or number as it is compared.
fn plain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (KnownAs, String) {
        let document = Document::single(text);
        let mut known = KnownAs::default();
        for (key, section) in document.root(&NoSecrets).children("users") {
            known.read(&section, UserName::new(key.value).ok().as_ref());
        }
        (known, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn people_are_known_by_kind_and_in_any_case() {
        let (known, said) = read(
            "users:\n  mira: {known_as: {email: [Mira@Example.net, m@x], telegram: 42}}\n  \
             ben: {known_as: {slack: U1}}\n",
        );
        assert_eq!(said, "");
        let who = |kind, id| known.who(kind, id).map(UserName::as_str);
        assert_eq!(who("email", "mira@example.NET"), Some("mira"));
        assert_eq!(who("telegram", "42"), Some("mira"));
        assert_eq!(who("slack", "42"), None, "a number of another service");
        assert_eq!((who("slack", "U1"), who("slack", "")), (Some("ben"), None));
        let shown = known.show(&UserName::new("mira").unwrap());
        assert_eq!(shown, json!({"email": ["m@x", "mira@example.net"], "telegram": ["42"]}));
    }

    #[test]
    fn one_address_is_one_persons() {
        let (_, said) = read(
            "users:\n  a: {known_as: {email: x@y}}\n  b: {known_as: {email: X@y, phone: 1}}\n",
        );
        assert!(said.contains("a is known as x@y already"), "{said}");
        assert!(said.contains("`phone`"), "{said}");
    }
}
