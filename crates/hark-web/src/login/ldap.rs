//! Directories, as configured.

use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Secret;

use super::groups::{self, Membership};

/// Keys of one directory.
pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Its address: `ldaps://HOST`, or `ldap://HOST` with STARTTLS.")
        .required(),
    Key::new(
        "starttls",
        Kind::Bool,
        "With `ldap://`: agree on TLS before anything else. Without is for this machine alone.",
    )
    .default("true"),
    Key::new(
        "ca_file",
        Kind::Text,
        "File with the authorities (PEM) that vouch for it; by default those of the system.",
    ),
    Key::new("bind_dn", Kind::Text, "As whom users are searched for; without one as nobody."),
    Key::new("bind_password", Kind::Secret, "The password of that name."),
    Key::new("base", Kind::Text, "Below which entry users are.").required(),
    Key::new("filter", Kind::Text, "What finds a user; `{name}` is what was typed.")
        .default("(uid={name})"),
    Key::new("id_attribute", Kind::Text, "The attribute of a user that never changes.")
        .default("entryUUID"),
    Key::new(
        "name_attribute",
        Kind::Text,
        "The attribute that is taken as the name to log in with.",
    )
    .default("uid"),
    Key::new("full_name_attribute", Kind::Text, "The attribute with the name for people.")
        .default("cn"),
    Key::new("member_of", Kind::Text, "The attribute of a user with the names of his groups.")
        .default("memberOf"),
    Key::new(
        "group_base",
        Kind::Text,
        "Below which entry groups are, where users do not say theirs.",
    ),
    Key::new(
        "group_filter",
        Kind::Text,
        "What finds the groups of a user; `{dn}` is his entry, `{name}` what was typed.",
    )
    .default("(member={dn})"),
    Key::new("group_attribute", Kind::Text, "The attribute with the name of such a group.")
        .default("cn"),
    Key::new(
        "nested_groups",
        Kind::Bool,
        "Whether the groups that a group of the user is in count as well, and so on.",
    )
    .default("false"),
    Key::new("timeout", Kind::Duration, "How long a log-in may take there.").default("5s"),
    groups::KEYS[0],
    groups::KEYS[1],
    groups::KEYS[2],
];

/// The shortest time that a log-in may take at one of them.
const LEAST: Duration = Duration::from_secs(1);

/// The longest time that a log-in may take at all of them, one after the other: a request has half a minute.
const MOST: Duration = Duration::from_secs(20);

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapSettings {
    /// Its name here.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and when TLS is spoken.
    pub way: LdapWay,
    /// Who vouches for it.
    pub ca_file: Option<String>,
    /// As whom users are searched for.
    pub bind: Option<(String, Secret)>,
    /// Where users are.
    pub base: String,
    /// What finds one.
    pub filter: String,
    /// The attribute that never changes.
    pub id_attribute: String,
    /// The attribute with the name.
    pub name_attribute: String,
    /// The attribute with the name for people.
    pub full_name_attribute: String,
    /// The attribute with the groups.
    pub member_of: String,
    /// Where groups are, if users do not say theirs.
    pub groups: Option<LdapGroups>,
    /// How long a log-in may take.
    pub timeout: Duration,
    /// What becomes of its users.
    pub membership: Membership,
}

/// How the groups of a user are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapGroups {
    /// Where they are.
    pub base: String,
    /// What finds those of a user.
    pub filter: String,
    /// The attribute with their name.
    pub attribute: String,
    /// Whether groups of groups count.
    pub are_nested: bool,
}

/// Whether and when TLS is spoken with a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapWay {
    /// From the start.
    Tls,
    /// After a word in the clear.
    StartTls,
    /// Never.
    Plain,
}

impl LdapSettings {
    /// Reads the directories; what is wrong is reported there.
    pub(super) fn read_all(section: &Section<'_>) -> Vec<Self> {
        let children = section.children("ldap").into_iter();
        let read: Vec<Self> =
            children.filter_map(|(key, child)| Self::read(key.value, &child)).collect();
        if read.iter().map(|one| one.timeout).sum::<Duration>() > MOST {
            let wrong = section.error("ldap", "together their `timeout` is more than 20 s");
            drop(wrong.hint("they are asked one after the other, and a log-in has half a minute"));
        }
        read
    }

    fn read(name: &str, section: &Section<'_>) -> Option<Self> {
        let place = section.required("url").and_then(|value| value.parse(place));
        let base = section.required("base").and_then(|value| value.str().map(str::to_owned));
        let text = |key, default: &str| section.str(key, default).to_owned();
        let way = way(section, place.as_ref());
        let timeout = section.duration("timeout", Bare::Seconds, Duration::from_secs(5));
        if timeout < LEAST {
            drop(section.error("timeout", "use one second or more"));
        }
        let [id_attribute, name_attribute, full_name_attribute, member_of] = [
            text("id_attribute", "entryUUID"),
            text("name_attribute", "uid"),
            text("full_name_attribute", "cn"),
            text("member_of", "memberOf"),
        ];
        let filter = filter(section, "filter", "(uid={name})", &["{name}"], "everybody is found");
        let (ca_file, bind) = (section.opt_str("ca_file").map(str::to_owned), bind(section));
        let (groups, membership) = (groups(section), Membership::read(section));
        section.finish(KEYS);
        let (host, port, _) = place?;
        Some(Self {
            name: name.to_owned(),
            host,
            port,
            way,
            ca_file,
            bind,
            base: base?,
            filter,
            id_attribute,
            name_attribute,
            full_name_attribute,
            member_of,
            groups,
            timeout,
            membership,
        })
    }

    /// Returns what its users are stored as coming from.
    pub(crate) fn provider(&self) -> String {
        format!("ldap {}", self.name)
    }
}

/// Reads whether and when TLS is spoken; without, passwords go no further than this machine.
fn way(section: &Section<'_>, place: Option<&(String, u16, bool)>) -> LdapWay {
    let starttls = section.bool("starttls", true);
    match place {
        Some((_, _, true)) => LdapWay::Tls,
        Some((host, _, false)) if !starttls && is_here(host) => LdapWay::Plain,
        Some(_) if !starttls => {
            let wrong = "passwords would be read on their way: this is for 127.0.0.1 alone";
            drop(section.error("starttls", wrong));
            LdapWay::StartTls
        }
        Some(_) | None => LdapWay::StartTls,
    }
}

/// Reads as whom this server asks.
fn bind(section: &Section<'_>) -> Option<(String, Secret)> {
    match (section.opt_str("bind_dn"), section.opt_secret("bind_password")) {
        (Some(dn), Some(password)) if !dn.is_empty() && !password.expose().is_empty() => {
            Some((dn.to_owned(), password))
        }
        (None, None) => None,
        _ => {
            let wrong = section.error("bind_dn", "`bind_dn` and `bind_password` need each other");
            drop(wrong.hint("directories take a name without a password for nobody"));
            None
        }
    }
}

fn groups(section: &Section<'_>) -> Option<LdapGroups> {
    let says = ["{dn}", "{name}"];
    let filter = filter(section, "group_filter", "(member={dn})", &says, "all groups are found");
    let attribute = section.str("group_attribute", "cn").to_owned();
    let are_nested = section.bool("nested_groups", false);
    let base = section.opt_str("group_base");
    let settings = ["group_filter", "group_attribute", "nested_groups"];
    if base.is_none() && settings.iter().any(|key| section.has(key)) {
        drop(section.error("group_base", "no groups are searched for without it"));
    }
    if are_nested && !filter.contains("{dn}") {
        let wrong = "groups are in groups by their entry: `group_filter` must say `{dn}`";
        drop(section.error("nested_groups", wrong));
    }
    base.map(|base| LdapGroups { base: base.to_owned(), filter, attribute, are_nested })
}

/// Reads a filter that must say one of `says`, or else `otherwise`. Whether it is one in all is known where
/// it is sent; that its brackets match and that it compares something is seen here.
fn filter(
    section: &Section<'_>,
    key: &'static str,
    default: &str,
    says: &[&str],
    otherwise: &str,
) -> String {
    let text = section.str(key, default);
    let depth = text.chars().try_fold(0_u32, |depth, c| match c {
        '(' => depth.checked_add(1),
        ')' => depth.checked_sub(1),
        _ => Some(depth),
    });
    if !says.iter().any(|word| text.contains(word)) {
        let words = says.join("` or `");
        drop(section.error(key, format!("it does not say `{words}`: {otherwise}")));
    } else if depth != Some(0) {
        drop(section.error(key, "its brackets do not match"));
    }
    text.to_owned()
}

/// Returns host, port and whether TLS is spoken from the start.
fn place(text: &str) -> Result<(String, u16, bool), &'static str> {
    let wrong = "use `ldaps://HOST` or `ldap://HOST`, with `:PORT` if it is not the usual one";
    let (rest, secure) = match (text.strip_prefix("ldaps://"), text.strip_prefix("ldap://")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        (None, None) => return Err(wrong),
    };
    let rest = rest.trim_end_matches('/');
    let usual = if secure { 636 } else { 389 };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = port.map_or(Ok(usual), str::parse).map_err(|_| wrong)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || port == 0 || !host.chars().all(is_plain) {
        return Err(wrong);
    }
    Ok((host.to_owned(), port, secure))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (Vec<LdapSettings>, String) {
        let document = Document::single(&format!(
            "ldap: {{a: {{base: 'dc=x', new_users: everybody, {text}}}}}"
        ));
        let read = LdapSettings::read_all(&document.root(&NoSecrets));
        (read, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_directory_is_spoken_to_in_tls() {
        for (url, more, place, way) in [
            ("ldaps://dir.example.net", "", ("dir.example.net", 636), LdapWay::Tls),
            ("ldap://dir.example.net/", "", ("dir.example.net", 389), LdapWay::StartTls),
            ("ldaps://[2001:db8::1]:1636", "", ("2001:db8::1", 1636), LdapWay::Tls),
            ("ldap://127.0.0.1:3389", ", starttls: false", ("127.0.0.1", 3389), LdapWay::Plain),
        ] {
            let (read, wrong) = read(&format!("url: '{url}'{more}"));
            assert_eq!(wrong, "", "{url}");
            assert_eq!(((read[0].host.as_str(), read[0].port), read[0].way), (place, way));
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let url = "url: 'ldaps://a'";
        for (text, expected) in [
            ("url: dir.example.net".to_owned(), "ldaps://HOST"),
            ("url: 'ldaps://a:b'".to_owned(), "ldaps://HOST"),
            ("url: 'ldap://a', starttls: false".to_owned(), "read on their way"),
            (format!("{url}, filter: '(uid=mira)'"), "`{name}`: everybody is found"),
            (format!("{url}, filter: '(&(a=b)(uid={{name}})'"), "brackets"),
            (format!("{url}, filter: ')uid={{name}}('"), "brackets"),
            (format!("{url}, group_base: 'dc=g', group_filter: '(cn=a)'"), "all groups are found"),
            (format!("{url}, group_filter: '(member={{dn}})'"), "without it"),
            (format!("{url}, nested_groups: true"), "without it"),
            (
                format!(
                    "{url}, group_base: 'dc=g', group_filter: '(memberUid={{name}})', nested_groups: true"
                ),
                "must say `{dn}`",
            ),
            (format!("{url}, bind_dn: 'cn=a'"), "need each other"),
            (format!("{url}, bind_dn: 'cn=a', bind_password: ''"), "need each other"),
            (format!("{url}, timeout: 100ms"), "one second"),
            (format!("{url}, timeout: 21s"), "together"),
            (format!("{url}, bind_dm: x"), "bind_dn"),
        ] {
            let (_, wrong) = read(&text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }
}
