//! The key that signs updates (TSIG): from settings, or from a file as `tsig-keygen` writes it.

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::tsig::{Algorithm, Key, KeyName};
use hark_config::{Key as Setting, Kind, Section};
use hark_model::Secret;

/// The settings of a key.
pub(crate) const KEY_FILE: Setting = Setting::new(
    "key_file",
    Kind::Text,
    "File with the key as `tsig-keygen` writes it; others must not be able to read it.",
);
pub(crate) const KEY: Setting = Setting::new("key", Kind::Text, "Name of the key.");
pub(crate) const ALGORITHM: Setting = Setting::new(
    "algorithm",
    Kind::OneOf(&["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"]),
    "Algorithm of the key.",
)
.default("hmac-sha256");
pub(crate) const SECRET: Setting =
    Setting::new("secret", Kind::Secret, "Secret of the key, in base64.");

const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("hmac-sha1", Algorithm::Sha1),
    ("hmac-sha256", Algorithm::Sha256),
    ("hmac-sha384", Algorithm::Sha384),
    ("hmac-sha512", Algorithm::Sha512),
];

/// A key that signs.
#[derive(Clone)]
pub(crate) struct TsigKey {
    /// As the library wants it.
    pub(crate) key: Key,
    /// The word of its algorithm.
    pub(crate) algorithm: &'static str,
    /// Its secret in base64.
    pub(crate) secret: Secret,
}

impl std::fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TsigKey({})", self.key.name())
    }
}

impl TsigKey {
    fn new(name: &str, algorithm: Algorithm, secret: Secret) -> Result<Self, String> {
        let name = KeyName::from_str(name).map_err(|_| format!("`{name}` is no name of a key"))?;
        let bytes = STANDARD.decode(secret.expose().trim());
        let bytes = bytes.map_err(|_| "the secret of a key is written in base64".to_owned())?;
        if bytes.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        let key = Key::new(algorithm, &bytes, name, None, None);
        let key = key.map_err(|error| error.to_string())?;
        let word = ALGORITHMS.iter().find(|(_, known)| *known == algorithm);
        Ok(Self { key, algorithm: word.map_or("hmac-sha256", |(word, _)| word), secret })
    }

    /// Reads the key of a section; nothing if it has none. What is wrong is reported.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let algorithm = section.word("algorithm", ALGORITHMS).unwrap_or(Algorithm::Sha256);
        let secret = section.opt_secret("secret");
        if section.has("key_file") {
            for other in ["key", "secret", "algorithm"] {
                if section.has(other) {
                    section.error(other, "`key_file` has this already: only one of both");
                }
            }
            let text = section.opt_key_file("key_file")?;
            return match Self::parse(text.expose()) {
                Ok(key) => Some(key),
                Err(error) => {
                    let report = section.error("key_file", error);
                    drop(report.hint("make one with `tsig-keygen -a hmac-sha256 NAME`"));
                    None
                }
            };
        }
        let name = match (section.opt_str("key"), &secret) {
            (Some(name), Some(_)) => name,
            (Some(_), None) => {
                if !section.has("secret") {
                    section.error("key", "a key needs its `secret`");
                }
                return None;
            }
            (None, Some(_)) => {
                section.error("secret", "a secret needs the name of its `key`");
                return None;
            }
            (None, None) => return None,
        };
        match Self::new(name, algorithm, secret?) {
            Ok(key) => Some(key),
            Err(error) => {
                section.error("secret", error);
                None
            }
        }
    }

    /// Reads `key "NAME" { algorithm WORD; secret "BASE64"; };`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "this is no key file: `key \"NAME\" { algorithm …; secret \"…\"; };`".to_owned();
        let spaced = text.lines().map(uncommented).collect::<Vec<_>>().join(" ");
        let spaced = spaced.replace(['{', '}', ';'], " ");
        let words: Vec<&str> =
            spaced.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let ["key", name, rest @ ..] = &words[..] else { return Err(wrong()) };
        let after = |key: &str| {
            let at = rest.iter().position(|word| *word == key)?;
            rest.get(at + 1).copied()
        };
        let algorithm = after("algorithm").ok_or_else(wrong)?;
        let (_, algorithm) = ALGORITHMS
            .iter()
            .find(|(word, _)| algorithm.eq_ignore_ascii_case(word))
            .ok_or_else(|| format!("`{algorithm}` is no algorithm that keys have here"))?;
        Self::new(name, *algorithm, Secret::new(after("secret").ok_or_else(wrong)?))
    }
}

/// Returns a line up to its comment; what stands in quotes is none: base64 has `//`.
fn uncommented(line: &str) -> &str {
    let mut is_quoted = false;
    for (at, c) in line.char_indices() {
        let rest = line.get(at..).unwrap_or_default();
        match c {
            '"' => is_quoted = !is_quoted,
            _ if !is_quoted && (c == '#' || rest.starts_with("//")) => {
                return line.get(..at).unwrap_or_default();
            }
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_slashes_is_no_comment() {
        let text = "key \"ab\" { algorithm hmac-sha256; secret \"aGFy//aa\"; }; # mine";
        let error = TsigKey::parse(text).map(|key| key.secret.expose().to_owned());
        assert!(error.is_ok_and(|secret| secret == "aGFy//aa"));
    }

    #[test]
    fn keys_are_read_as_they_are_made() {
        let text = "key \"ddns\" {\n\talgorithm hmac-sha512;\n\tsecret \"aGFyaw==\"; // mine\n};\n";
        let key = TsigKey::parse(text).unwrap();
        assert_eq!((key.key.name().to_string(), key.algorithm), ("ddns".to_owned(), "hmac-sha512"));
        assert_eq!(key.secret.expose(), "aGFyaw==");
        assert_eq!(format!("{key:?}"), "TsigKey(ddns)", "no secret");
        for (wrong, why) in [
            ("", "no key file"),
            ("key a { secret \"aGFyaw==\"; };", "no key file"),
            ("key a { algorithm hmac-md5; secret \"aGFyaw==\"; };", "hmac-md5"),
            ("key a { algorithm hmac-sha256; secret \"!\"; };", "base64"),
        ] {
            assert!(TsigKey::parse(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }
}
