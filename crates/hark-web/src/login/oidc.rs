//! Providers of `OpenID` Connect, as configured.

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use http::Uri;

use super::groups::{self, Membership};

/// Keys of one provider.
pub(crate) const KEYS: &[Key] = &[
    Key::new("issuer", Kind::Text, "Its address, as it says it itself.").required(),
    Key::new("client_id", Kind::Text, "What it calls this server.").required(),
    Key::new(
        "client_secret",
        Kind::Secret,
        "What this server proves itself with there; a public client has none.",
    ),
    Key::new("label", Kind::Text, "What its button says; by default its name here."),
    Key::new("scopes", Kind::OneOrMany(&Kind::Text), "What it is asked for beside `openid`.")
        .default("profile"),
    Key::new("name_claim", Kind::Text, "What is taken as the name to log in with.")
        .default("preferred_username"),
    Key::new("groups_claim", Kind::Text, "What is taken as the groups.").default("groups"),
    Key::new(
        "ca_file",
        Kind::Text,
        "File with the authorities (PEM) that vouch for it; by default those of the system.",
    ),
    groups::KEYS[0],
    groups::KEYS[1],
    groups::KEYS[2],
];

/// The longest name of a provider: it stands in addresses and in the audit.
const MAX_NAME: usize = 40;

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// Its name here.
    pub name: String,
    /// Its address, without a slash at the end unless it has one.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// What this server proves itself with.
    pub client_secret: Option<Secret>,
    /// What its button says.
    pub label: String,
    /// What it is asked for, `openid` among it.
    pub scopes: Vec<String>,
    /// The claim with the name.
    pub name_claim: String,
    /// The claim with the groups.
    pub groups_claim: String,
    /// Who vouches for it.
    pub ca_file: Option<String>,
    /// What becomes of its users.
    pub membership: Membership,
}

impl OidcSettings {
    /// Reads the providers; what is wrong is reported there.
    pub(super) fn read_all(section: &Section<'_>) -> Vec<Self> {
        let children = section.children("oidc").into_iter();
        children
            .filter_map(|(key, child)| {
                if !is_name(key.value) {
                    let wrong = section.diagnostics().error(
                        key.span,
                        "a provider is called by up to 40 small letters, digits and dashes",
                    );
                    drop(wrong);
                }
                Self::read(key.value, &child)
            })
            .collect()
    }

    fn read(name: &str, section: &Section<'_>) -> Option<Self> {
        let issuer = section.required("issuer").and_then(|value| value.parse(issuer));
        let text = |key, default: &str| section.str(key, default).to_owned();
        let client_id =
            section.required("client_id").and_then(|value| value.str().map(str::to_owned));
        let mut scopes: Vec<String> = section
            .one_or_many("scopes")
            .iter()
            .filter_map(|value| value.str().map(str::to_owned))
            .collect();
        if !section.has("scopes") {
            scopes.push("profile".to_owned());
        }
        scopes.retain(|scope| scope != "openid");
        scopes.insert(0, "openid".to_owned());
        let client_secret = section.opt_secret("client_secret");
        let label = text("label", name);
        let (name_claim, groups_claim) =
            (text("name_claim", "preferred_username"), text("groups_claim", "groups"));
        let ca_file = section.opt_str("ca_file").map(str::to_owned);
        let membership = Membership::read(section);
        section.finish(KEYS);
        Some(Self {
            name: name.to_owned(),
            issuer: issuer?,
            client_id: client_id?,
            client_secret,
            label,
            scopes,
            name_claim,
            groups_claim,
            ca_file,
            membership,
        })
    }

    /// Returns what its users are stored as coming from.
    pub(crate) fn provider(&self) -> String {
        format!("oidc {}", self.name)
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_plain)
}

fn issuer(text: &str) -> Result<String, &'static str> {
    is_safe(text).then(|| text.to_owned()).ok_or(
        "use an address that begins with https:// (http:// on this machine alone), without `?` and `#`",
    )
}

/// Returns whether what is sent to `address` can be read by nobody on its way.
pub(crate) fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_plain = !address.contains(['?', '#']);
    is_plain
        && match uri.scheme_str() {
            Some("https") => true,
            Some("http") => is_here,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (Vec<OidcSettings>, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let read = OidcSettings::read_all(&root);
        (read, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_provider_needs_an_issuer_a_client_and_somebody_to_let_in() {
        let (read, wrong) = read(
            "oidc:\n  work:\n    issuer: https://id.example.net/realms/x\n    client_id: hark\n    \
             new_users: everybody\n  lab: {issuer: 'http://127.0.0.1:9000', client_id: a, \
             client_secret: s, label: Lab, scopes: [email, openid, groups], name_claim: email, \
             groups_claim: roles, groups: {x: {admin: true}}}\n",
        );
        assert_eq!(wrong, "");
        let [lab, work] = <[_; 2]>::try_from(read)
            .map(|mut two| {
                two.sort_by(|a, b| a.name.cmp(&b.name));
                two
            })
            .unwrap();
        assert_eq!((work.label.as_str(), work.provider().as_str()), ("work", "oidc work"));
        assert_eq!(work.scopes, ["openid", "profile"]);
        assert_eq!(
            (work.name_claim.as_str(), work.groups_claim.as_str()),
            ("preferred_username", "groups")
        );
        assert_eq!(lab.scopes, ["openid", "email", "groups"]);
        assert_eq!(lab.client_secret, Some(Secret::new("s")));
        assert!(lab.membership.groups["x"].admin);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let with =
            |more: &str| format!("oidc: {{a: {{client_id: x, new_users: everybody, {more}}}}}");
        for (text, expected) in [
            (with("issuer: 'http://id.example.net'"), "https://"),
            (with("issuer: 'https://id.example.net?x=1'"), "without `?`"),
            (with("issuer: id.example.net"), "https://"),
            (with("isuer: 'https://a'"), "issuer"),
            (
                "oidc: {A B: {issuer: 'https://a', client_id: x, new_users: nobody}}".to_owned(),
                "small letters",
            ),
            ("oidc: {a: {issuer: 'https://a', new_users: nobody}}".to_owned(), "client_id"),
        ] {
            let (_, wrong) = read(&text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn what_is_sent_without_tls_stays_on_this_machine() {
        for (address, expected) in [
            ("https://id.example.net/a", true),
            ("http://127.0.0.1:9/a", true),
            ("http://[::1]:9/a", true),
            ("http://localhost", true),
            ("http://localhost.example.net", false),
            ("http://id.example.net", false),
            ("ftp://id.example.net", false),
            ("javascript:alert(1)", false),
            ("/a", false),
        ] {
            assert_eq!(is_safe(address), expected, "{address}");
        }
    }
}
