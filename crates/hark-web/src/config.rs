//! The web's part of the configuration.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use hark_config::{Key, Kind, Section};

use crate::login::{LOGIN_KEYS, LoginSettings};
use crate::serve::Plain;

/// The port of the page, the API and the WebSocket.
pub const DEFAULT_PORT: u16 = 50004;

/// Top-level keys that [`WebSettings::read`] reads.
pub const KEYS: &[Key] = &[
    Key::new(
        "hbd_host",
        Kind::Text,
        "Address that the page, the API and the WebSocket are served on.",
    )
    .default("::"),
    Key::new("hbd_port", Kind::Integer, "Port of the page, the API and the WebSocket.")
        .default("50004"),
    Key::new(
        "ws_port",
        Kind::Integer,
        "A second port that serves the same, where seeds had the WebSocket.",
    ),
    Key::new(
        "wss_port",
        Kind::Integer,
        "A third port that serves the same, where seeds had the WebSocket over TLS.",
    ),
    Key::new("tls", Kind::Section(TLS_KEYS), "How the page is protected on its way."),
    Key::new("login", Kind::Section(LOGIN_KEYS), "How people log in."),
];

/// Keys within `tls`.
pub const TLS_KEYS: &[Key] = &[
    Key::new("certificate", Kind::Text, "File with the certificate chain in PEM; made at first start if absent."),
    Key::new("key", Kind::Text, "File with the private key in PEM."),
    Key::new(
        "plain",
        Kind::OneOf(&["redirect", "everywhere", "only"]),
        "Plain http from other machines: `redirect` leads it to https, `everywhere` answers it, `only` has no https at all.",
    )
    .default("redirect"),
];

/// The web's part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port.
    pub port: u16,
    /// A second port.
    pub ws_port: Option<u16>,
    /// A third port.
    pub wss_port: Option<u16>,
    /// TLS; none if only plain http is wanted.
    pub tls: Option<TlsSettings>,
    /// How people log in.
    pub login: LoginSettings,
}

/// The `tls` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificate chain and private key, both or none.
    pub files: Option<(PathBuf, PathBuf)>,
    /// What happens to plain http from other machines.
    pub plain: Plain,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            // Every address of both families; where IPv6 is off the binary falls back to 0.0.0.0.
            host: EVERYWHERE,
            port: DEFAULT_PORT,
            ws_port: None,
            wss_port: None,
            tls: Some(TlsSettings::default()),
            login: LoginSettings::default(),
        }
    }
}

impl WebSettings {
    /// Returns all ports, each once.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports = vec![self.port];
        for port in [self.ws_port, self.wss_port].into_iter().flatten() {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        ports
    }

    /// Reads [`KEYS`] from the top of the configuration; what is wrong is reported there.
    pub fn read(root: &Section<'_>) -> Self {
        let default = Self::default();
        let port = |value: u64| u16::try_from(value).ok();
        Self {
            host: address(root, "hbd_host"),
            port: port(root.u64("hbd_port", u64::from(DEFAULT_PORT), 1..=65535))
                .unwrap_or(DEFAULT_PORT),
            ws_port: root.opt_u64("ws_port", 1..=65535).and_then(port),
            wss_port: root.opt_u64("wss_port", 1..=65535).and_then(port),
            tls: match root.child("tls") {
                Some(section) => read_tls(&section),
                None => default.tls,
            },
            login: root.child("login").map(|s| LoginSettings::read(&s)).unwrap_or_default(),
        }
    }
}

/// Every address of the machine, of both families.
const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Reads where to listen, an address of the machine; `*`, as nothing, is every one.
pub fn address(root: &Section<'_>, key: &'static str) -> IpAddr {
    let address = root.parse(key, |text| match text {
        "*" => Ok(EVERYWHERE),
        text => text.parse().map_err(|_| "not an address: use one such as 0.0.0.0 or ::1"),
    });
    address.unwrap_or(EVERYWHERE)
}

fn read_tls(section: &Section<'_>) -> Option<TlsSettings> {
    let words = [
        ("redirect", Some(Plain::Redirect)),
        ("everywhere", Some(Plain::Everywhere)),
        ("only", None),
    ];
    let plain = section.word("plain", &words).unwrap_or(Some(Plain::Redirect));
    let certificate = section.opt_str("certificate").map(PathBuf::from);
    let key = section.opt_str("key").map(PathBuf::from);
    let files = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            section.error("certificate", "a certificate needs its key").hint("add `key: FILE`");
            None
        }
        (None, Some(_)) => {
            section.error("key", "a key needs its certificate").hint("add `certificate: FILE`");
            None
        }
    };
    section.finish(TLS_KEYS);
    plain.map(|plain| TlsSettings { files, plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (WebSettings, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let settings = WebSettings::read(&root);
        root.finish(KEYS);
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn an_empty_file_has_defaults() {
        let (settings, errors) = read("");
        assert_eq!(settings, WebSettings::default());
        assert_eq!(errors, "");
    }

    #[test]
    fn every_key_is_read() {
        let (settings, errors) = read(
            "hbd_host: 192.0.2.1\nhbd_port: 8080\nws_port: 50005\nwss_port: 50006\n\
             tls: {certificate: /c.pem, key: /k.pem, plain: everywhere}\n\
             login: {second_factor: administrators}\n",
        );
        assert_eq!(errors, "");
        assert_eq!(settings.host, IpAddr::from([192, 0, 2, 1]));
        assert_eq!((settings.port, settings.ws_port), (8080, Some(50005)));
        assert_eq!(settings.login.second_factor, crate::login::Demand::Administrators);
        assert_eq!(settings.ports(), [8080, 50005, 50006]);
        assert_eq!(read("hbd_port: 80\nws_port: 80\nwss_port: 80").0.ports(), [80]);
        let tls = settings.tls.unwrap();
        assert_eq!(tls.plain, Plain::Everywhere);
        assert_eq!(tls.files, Some(("/c.pem".into(), "/k.pem".into())));
        assert_eq!(read("tls: {plain: only}").0.tls, None);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, expected) in [
            ("hbd_host: example.net", "not an address"),
            ("hbd_port: 70000", "70000"),
            ("tls: {certificate: /c.pem}", "a certificate needs its key"),
            ("tls: {plain: redirct}", "redirect"),
            ("tls: {cert: /c.pem}", "certificate"),
        ] {
            let (_, errors) = read(text);
            assert!(errors.contains(expected), "{text}: {errors}");
            assert!(errors.contains(":1:"), "{text}: {errors}");
        }
    }
}
