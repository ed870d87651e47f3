//! Takes secrets out of texts that are kept and shown, by their values.
//!
//! What is secret about a receiver or a service is known from its settings: every value of the kind
//! [`Kind::Secret`]. Wherever one of them stands in a text, it becomes `…`: as it is, as a part of an
//! address (percent-encoded), of a JSON document, or of a base64 text, alone or with something before and
//! after it, as `user:password` is sent. Of an address that is a secret, its path, its query and what
//! looks like a token in them are looked for as well. A value of a few letters would be found by chance:
//! it is taken out where it stands as a word of its own.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hark_config::{Key, Kind, Section, Value};

use crate::percent::encoded;

/// What stands in the place of a secret.
pub const MASK: &str = "…";

/// A secret shorter than this is looked for as a word of its own: it would stand in others by chance.
const SHORT: usize = 6;

/// A part of an address of this length is a token: words of addresses are shorter.
const TOKEN: usize = 16;

/// A part of an address of this length is one too if it has something else than the small letters and
/// hyphens of a word.
const TOKEN_OF_SIGNS: usize = 8;

/// A path shorter than this hides nothing.
const MIN_PATH: usize = 3;

/// Secrets, of a receiver or a service, in every form in which they are looked for.
#[derive(Clone, Default)]
pub struct Masks {
    /// Longest first: a secret that begins with another one must go whole.
    anywhere: Vec<String>,
    words: Vec<String>,
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks(…)")
    }
}

impl Masks {
    /// Learns every secret among the settings of something with the keys `keys`.
    pub fn of(section: &Section<'_>, keys: &[Key]) -> Self {
        let mut masks = Self::default();
        for key in keys {
            if let Some(value) = section.value(key.name) {
                masks.learn(&key.kind, &value);
            }
        }
        masks
    }

    fn learn(&mut self, kind: &Kind, value: &Value<'_>) {
        match kind {
            Kind::Secret => {
                if let Some(secret) = value.secret() {
                    self.hide(secret.expose());
                }
            }
            Kind::OneOrMany(inner) => {
                value.one_or_many().iter().for_each(|value| self.learn(inner, value));
            }
            Kind::List(inner) => value.items().iter().for_each(|value| self.learn(inner, value)),
            Kind::Named(inner) => {
                for (_, value) in value.section().iter().flat_map(Section::entries) {
                    self.learn(inner, &value);
                }
            }
            Kind::Section(keys) => {
                if let Some(section) = value.section() {
                    let below = Self::of(&section, keys);
                    self.anywhere.extend(below.anywhere);
                    self.words.extend(below.words);
                    self.sort();
                }
            }
            Kind::Text
            | Kind::Bool
            | Kind::Integer
            | Kind::Number
            | Kind::Duration
            | Kind::Size
            | Kind::OneOf(_)
            | Kind::Either(_)
            | Kind::Any => {}
        }
    }

    /// Hides `secret` and what is secret in it.
    pub fn hide(&mut self, secret: &str) {
        let secret = secret.trim();
        self.hide_one(secret);
        if let Some((scheme, rest)) = secret.split_once("://") {
            let is_web =
                scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            // The host of a web address is shown; elsewhere a token can stand in its place.
            let start = if is_web { rest.find(['/', '?']).unwrap_or(rest.len()) } else { 0 };
            let (authority, below) = rest.split_at(start);
            self.learn_path(below);
            if let Some((user, _)) = authority.rsplit_once('@') {
                self.hide_one(user);
                user.split(':').for_each(|part| self.hide_one(part));
            }
        } else if let Some((_, credential)) = secret.split_once(' ')
            && !credential.contains(' ')
        {
            // `Bearer abc` is also known as `abc`.
            self.hide_one(credential);
        }
        self.sort();
    }

    /// Hides the path and the query of an address, and what is secret in them.
    pub fn hide_path(&mut self, path: &str) {
        self.learn_path(path);
        self.sort();
    }

    fn learn_path(&mut self, below: &str) {
        let (path, query) = below.split_once('?').unwrap_or((below, ""));
        let whole = [below.trim_end_matches(['/', '?']), path.trim_end_matches('/'), query];
        for whole in whole.into_iter().filter(|part| part.len() >= MIN_PATH) {
            self.hide_one(whole);
        }
        let parts = below.split(|c: char| "/?&=:@,;#".contains(c) || c.is_whitespace());
        parts.filter(|part| is_token(part)).for_each(|part| self.hide_one(part));
        let values = query.split('&').filter_map(|field| Some(field.split_once('=')?.1));
        let values = values.filter(|value| value.len() >= SHORT && !value.contains('{'));
        values.for_each(|value| self.hide_one(value));
    }

    fn hide_one(&mut self, secret: &str) {
        if secret.is_empty() || secret == "/" {
            return;
        }
        let percent = encoded(secret);
        let quoted = serde_json::Value::from(secret).to_string();
        let quoted = quoted.trim_matches('"').to_owned();
        let forms = [
            secret.to_owned(),
            lower_digits(&percent),
            percent.replace("%2F", "/"),
            percent.replace("%20", "+"),
            percent,
            quoted.replace('/', "\\/"),
            quoted,
        ];
        if secret.len() < SHORT {
            self.words.extend(forms);
            return;
        }
        self.anywhere.extend(forms);
        for before in 0..3 {
            self.anywhere.extend(base64_core(secret, before));
        }
    }

    fn sort(&mut self) {
        for forms in [&mut self.anywhere, &mut self.words] {
            let unique: BTreeSet<String> = forms.drain(..).collect();
            forms.extend(unique);
            forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        }
    }

    /// Returns `text` without the secrets.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.anywhere {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), MASK);
            }
        }
        for word in &self.words {
            text = without_word(&text, word);
        }
        text
    }
}

fn is_token(part: &str) -> bool {
    // A part with a template in it is not sent as it stands here.
    let is_plain = !part.contains(['{', '}']);
    let is_word = part.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_');
    is_plain && (part.len() >= TOKEN || (!is_word && part.len() >= TOKEN_OF_SIGNS))
}

/// Returns a percent-encoded text with the digits of its codes in small letters.
fn lower_digits(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(part.len().min(2));
        lower.push('%');
        lower.push_str(&code.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// Returns what is the same in every base64 text of something that has `secret` behind `before` bytes
/// (three more make no difference): its first and last sign may also depend on its neighbours.
fn base64_core(secret: &str, before: usize) -> Vec<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    // Of the first three bytes' four signs, those of the unknown ones.
    let skipped = [0, 2, 3].get(before).copied().unwrap_or(0);
    let open = usize::from(!bytes.len().is_multiple_of(3));
    [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]
        .into_iter()
        .filter_map(|text| text.get(skipped..text.len().saturating_sub(open)).map(str::to_owned))
        .filter(|core| core.len() >= SHORT)
        .collect()
}

fn without_word(text: &str, word: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let after = found.strip_prefix(word).unwrap_or_default();
        clean.push_str(before);
        let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_word = !in_word(clean.chars().next_back()) && !in_word(after.chars().next());
        clean.push_str(if is_word { MASK } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use hark_config::{Document, NoSecrets};
    use proptest::prelude::*;

    use super::*;

    fn hiding(secrets: &[&str]) -> Masks {
        let mut masks = Masks::default();
        for secret in secrets {
            masks.hide(secret);
        }
        masks
    }

    #[test]
    fn a_secret_goes_in_whatever_form_it_stands() {
        let masks = hiding(&["a/b c\"ü+9"]);
        for text in [
            "x a/b c\"ü+9 y",
            "x a%2Fb%20c%22%C3%BC%2B9 y",
            "x a%2fb%20c%22%c3%bc%2b9 y",
            "x a/b%20c%22%C3%BC%2B9 y",
            "x a%2Fb+c%22%C3%BC%2B9 y",
            "x a/b c\\\"ü+9 y",
            "x a\\/b c\\\"ü+9 y",
        ] {
            assert_eq!(masks.clean(text), "x … y", "{text}");
        }
    }

    #[test]
    fn a_short_secret_goes_as_a_word_alone() {
        let masks = hiding(&["abc"]);
        assert_eq!(masks.clean("abc, key=abc&x; abcd xabc \"abc\""), "…, key=…&x; abcd xabc \"…\"");
    }

    #[test]
    fn the_credential_of_a_header_is_known_without_its_scheme() {
        let masks = hiding(&["Bearer xoxb-12345"]);
        assert_eq!(masks.clean("Authorization: Bearer xoxb-12345"), "Authorization: …");
        assert_eq!(masks.clean("the Bearer sent xoxb-12345"), "the Bearer sent …");
    }

    #[test]
    fn of_a_secret_address_the_host_stays_and_its_tokens_go() {
        let masks =
            hiding(&["https://hooks.example.net/services/T0123456/B7/abcdefghijklmnop?k=secretly"]);
        assert_eq!(
            masks.clean("services at hooks.example.net: abcdefghijklmnop, secretly, T0123456"),
            "services at hooks.example.net: …, …, …"
        );
        let apprise = hiding(&["slack://xoxb1234567/abc/QWERTZUIOPASDFGHJ"]);
        assert_eq!(apprise.clean("xoxb1234567 QWERTZUIOPASDFGHJ"), "… …");
        let user = hiding(&["https://me:hunter2@example.net/x"]);
        assert_eq!(user.clean("me says hunter2 to example.net"), "… says … to example.net");
    }

    #[test]
    fn a_secret_path_goes_whole_and_in_its_parts() {
        let mut masks = Masks::default();
        masks.hide_path("/services/T0K3N/B0123456789?sig=abc-Def-0123");
        for (said, shown) in [
            ("no /services/T0K3N/B0123456789?sig=abc-Def-0123", "no …"),
            ("no /services/T0K3N/B0123456789 here", "no … here"),
            ("sig=abc-Def-0123, B0123456789", "…, …"),
            ("services of abc-Def-0123", "services of …"),
        ] {
            assert_eq!(masks.clean(said), shown);
        }
        let mut none = Masks::default();
        none.hide_path("/");
        none.hide_path("?");
        assert_eq!(none.clean("/ and ?"), "/ and ?");
    }

    #[test]
    fn every_secret_among_the_settings_is_known() {
        const BELOW: &[Key] = &[Key::new("pin", Kind::Secret, "")];
        const KEYS: &[Key] = &[
            Key::new("one", Kind::Secret, ""),
            Key::new("many", Kind::OneOrMany(&Kind::Secret), ""),
            Key::new("list", Kind::List(&Kind::Secret), ""),
            Key::new("named", Kind::Named(&Kind::Secret), ""),
            Key::new("below", Kind::Section(BELOW), ""),
            Key::new("open", Kind::Text, ""),
        ];
        let text = "one: secret-a\nmany: [secret-b, secret-c]\nlist: [secret-d]\n\
                    named: {X: secret-e}\nbelow: {pin: secret-f}\nopen: no-secret\n";
        let document = Document::single(text);
        let masks = Masks::of(&document.root(&NoSecrets), KEYS);
        let all = "secret-a secret-b secret-c secret-d secret-e secret-f no-secret";
        assert_eq!(masks.clean(all), "… … … … … … no-secret");
        assert!(!format!("{masks:?}").contains("secret-"));
    }

    proptest! {
        #[test]
        fn no_base64_text_around_a_secret_keeps_more_of_it_than_its_edges(
            before in "[ -~]{0,9}", secret in "[a-zA-Z0-9!$ü]{8,24}", after in "[ -~]{0,9}",
        ) {
            let masks = hiding(&[&secret]);
            let whole = format!("{before}{secret}{after}");
            for text in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                let clean = masks.clean(&text);
                prop_assert!(clean.contains(MASK), "{clean}");
                // What is left on each side is what was there before, and at most one sign more.
                let kept: Vec<&str> = clean.split(MASK).collect();
                let (first, last) = (kept[0].len(), kept[kept.len() - 1].len());
                prop_assert!(first <= before.len() * 4 / 3 + 2, "{clean}");
                prop_assert!(last <= after.len().div_ceil(3) * 4 + 4, "{clean}");
            }
        }

        #[test]
        fn no_text_with_a_secret_keeps_it(
            before in ".{0,20}", secret in "[a-z0-9/+=& ]{6,20}", after in ".{0,20}",
        ) {
            let secret = secret.trim();
            prop_assume!(secret.len() >= SHORT);
            let clean = hiding(&[secret]).clean(&format!("{before}{secret}{after}"));
            prop_assert!(!clean.contains(secret), "{clean}");
        }
    }
}
