//! Where a check goes to: the settings that every type with an address has, and the way there.
//!
//! A type adds [`stream_keys`] or [`plain_keys`] to its own keys, reads an [`Endpoint`], opens it,
//! speaks its protocol over the [`Link`], and hands what it saw to [`Endpoint::judge`], which adds
//! what holds for every connection: the time of each part, its limits, the certificate.

use std::net::SocketAddr;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::time::Clock;
use hark_net::{Dial, Family, Guard, Tls, TlsError, Unreached, connect, find};
use tokio::net::UdpSocket;

use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::link::{Datagrams, Link, Seen};
use crate::net::{
    FAMILY_KEY, TIMEOUT_KEY, TimeLimits, chain, host_port, judge_unreached, read_host, read_timeout,
};
use crate::tls::{
    CA_FILE_KEY, CERTIFICATE_CRITICAL_KEY, CERTIFICATE_WARNING_KEY, INSECURE_KEY, TlsSettings,
};
use crate::{Context, Given};

/// The settings of an endpoint without TLS; `port` is what holds if none is set.
pub(crate) const fn plain_keys(port: &'static str) -> [Key; 6] {
    let port_key = Key::new("port", Kind::Integer, "Port to go to.");
    [
        Key::new(
            "address",
            Kind::Text,
            "Name or address to go to; by default that of the check's host.",
        ),
        if port.is_empty() { port_key.required() } else { port_key.default(port) },
        FAMILY_KEY,
        Key::new("warning", Kind::Duration, "Warning from this time on, all steps together."),
        Key::new("critical", Kind::Duration, "Critical from this time on."),
        TIMEOUT_KEY,
    ]
}

const TLS_KEYS: &[Key] = &[
    Key::new(
        "tls",
        Kind::Either(&[Kind::Bool, Kind::OneOf(&["starttls"])]),
        "Speak TLS: `true` from the start, `starttls` after asking for it in the clear, where the type can.",
    ),
    Key::new("tls_name", Kind::Text, "Name the certificate must have, if it is not `address`."),
    CA_FILE_KEY,
    INSECURE_KEY,
    CERTIFICATE_WARNING_KEY,
    CERTIFICATE_CRITICAL_KEY,
];

/// The settings of an endpoint that may speak TLS.
pub(crate) const fn stream_keys(port: &'static str) -> [Key; 12] {
    join(&plain_keys(port), TLS_KEYS)
}

/// What [`Endpoint::judge`] says about every connection, for conditions: a type adds its own.
pub(crate) const FACTS: &[FactKey] = &[
    FactKey::new("address", "address that was gone to"),
    FactKey::new("resolve_seconds", "time to find the address"),
    FactKey::new("connect_seconds", "time to connect"),
    FactKey::new("tls_seconds", "time to agree on TLS"),
    FactKey::new("first_byte_seconds", "time from then to the first byte of the other side"),
    FactKey::new("total_seconds", "time of everything"),
    FactKey::new("tls_version", "version of TLS, such as `TLSv1.3`"),
    FactKey::new("tls_cipher", "cipher suite"),
    FactKey::new("certificate_days", "days until the certificate ends"),
    FactKey::new("certificate_subject", "whom the certificate is for"),
    FactKey::new("certificate_issuer", "who vouches for it"),
    FactKey::new("certificate_names", "the names it is good for"),
    FactKey::new("certificate_serial", "its serial number, as hexadecimal digits"),
];

/// How an endpoint speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Not at all.
    #[default]
    Off,
    /// From the start.
    Direct,
    /// After asking for it: the type calls [`Link::upgrade`].
    StartTls,
}

/// What holds for the endpoints of one type where the settings say nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// The port; none means that it must be set.
    pub(crate) port: Option<u16>,
    /// The port when TLS is spoken from the start, if it is another one.
    pub(crate) tls_port: Option<u16>,
    /// How TLS is spoken; none means never, and that there are no settings of it.
    pub(crate) tls: Option<TlsMode>,
    /// Whether the type can change to TLS on the way.
    pub(crate) starttls: bool,
    /// The protocols that are offered (ALPN).
    pub(crate) alpn: &'static [&'static [u8]],
}

impl Defaults {
    /// An endpoint that never speaks TLS: for [`plain_keys`].
    pub(crate) const fn plain(port: Option<u16>) -> Self {
        Self { port, tls_port: None, tls: None, starttls: false, alpn: &[] }
    }

    /// An endpoint that speaks TLS where asked to: for [`stream_keys`].
    pub(crate) const fn stream(port: Option<u16>) -> Self {
        Self { tls: Some(TlsMode::Off), ..Self::plain(port) }
    }
}

/// Where a check goes to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The name or address.
    pub(crate) address: String,
    /// The port.
    pub(crate) port: u16,
    /// Which of its addresses.
    pub(crate) family: Family,
    /// How TLS is spoken.
    pub(crate) mode: TlsMode,
    /// Whom TLS trusts; there where the type can speak it.
    pub(crate) tls: Option<TlsSettings>,
    /// The name that the certificate must have.
    pub(crate) tls_name: String,
    /// How long everything may take without being called slow.
    pub(crate) limits: TimeLimits,
    /// The time for one run.
    pub(crate) timeout: Duration,
}

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

impl Endpoint {
    /// Reads the settings; what is wrong is reported.
    pub(crate) fn read(
        section: &Section<'_>,
        given: Given<'_>,
        defaults: &Defaults,
    ) -> Option<Self> {
        let set_port = section.opt_u64("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        if defaults.port.is_none() {
            section.required("port");
        }
        let (mut mode, mut tls, mut tls_name) = (TlsMode::Off, None, None);
        if let Some(default) = defaults.tls {
            mode = read_mode(section, defaults.starttls).unwrap_or(default);
            tls = Some(TlsSettings::read(section, defaults.alpn));
            tls_name = section.opt_str("tls_name").map(str::to_owned);
        }
        let limits = TimeLimits::read(section);
        let timeout = read_timeout(section);
        let address = read_host(section, "address", given.host)?;
        let default_port = match mode {
            TlsMode::Direct => defaults.tls_port.or(defaults.port),
            TlsMode::Off | TlsMode::StartTls => defaults.port,
        };
        Some(Self {
            tls_name: tls_name.unwrap_or_else(|| address.clone()),
            port: set_port.or(default_port)?,
            family: given.family,
            address,
            mode,
            tls,
            limits,
            timeout,
        })
    }

    /// Returns it as people write it: `mail.example.net:25`.
    pub(crate) fn target(&self) -> String {
        host_port(&self.address, self.port)
    }

    /// Returns the time for everything that waits for the other side.
    pub(crate) fn limit(&self) -> Duration {
        self.timeout.saturating_sub(RESERVE)
    }

    /// Returns where to go to, and how.
    fn dial(&self, guard: Guard) -> Dial<'_> {
        let dial = Dial::new(&self.address, self.port, self.limit());
        Dial { family: self.family, guard, ..dial }
    }

    /// Connects, and agrees on TLS where it is spoken from the start.
    ///
    /// # Errors
    /// What not getting there means, as a finding.
    pub(crate) async fn open(&self, context: &Context) -> Result<Link, Finding> {
        let began = Clock.micros();
        let connected = connect(&*context.resolver, self.dial(context.guard)).await;
        let connected = connected.map_err(|unreached| judge_unreached(&unreached))?;
        let mut link = Link::new(connected, began, self.limit());
        if self.mode == TlsMode::Direct {
            self.secure(&mut link).await?;
        }
        Ok(link)
    }

    /// Agrees on TLS over a connection that was opened in the clear (STARTTLS).
    ///
    /// # Errors
    /// What not getting there means, as a finding.
    pub(crate) async fn secure(&self, link: &mut Link) -> Result<(), Finding> {
        let Some(settings) = &self.tls else { return Ok(()) };
        self.secure_with(link, &settings.tls).await
    }

    /// Agrees on TLS with whom `tls` trusts.
    ///
    /// # Errors
    /// What not getting there means, as a finding.
    pub(crate) async fn secure_with(&self, link: &mut Link, tls: &Tls) -> Result<(), Finding> {
        let address = link.address();
        link.upgrade(tls, &self.tls_name).await.map_err(|error| no_tls(address, &error))
    }

    /// Finds the address and makes a socket for datagrams to and from there alone.
    ///
    /// # Errors
    /// What not getting there means, as a finding.
    pub(crate) async fn open_udp(&self, context: &Context) -> Result<Datagrams, Finding> {
        let began = Clock.micros();
        let found = find(&*context.resolver, self.dial(context.guard)).await;
        let found = found.map_err(|unreached| judge_unreached(&unreached))?;
        let resolve = Duration::from_micros(Clock.micros().since(began));
        let ip = found.first().copied().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
        let address = SocketAddr::new(ip, self.port);
        let made = async {
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        let socket = made
            .await
            .map_err(|source| judge_unreached(&Unreached::Refused { address, source }))?;
        Ok(Datagrams::new(socket, address, resolve, began, self.limit()))
    }

    /// Completes what a type found: adds the time of each part, judges the whole by the limits, and
    /// the certificate by its days.
    pub(crate) fn judge(&self, seen: &Seen, mut finding: Finding) -> Finding {
        finding = finding.saw("address", seen.address.ip().to_string());
        let phases = &seen.phases;
        let parts = [
            ("resolve_seconds", Some(phases.resolve)),
            ("connect_seconds", phases.connect),
            ("tls_seconds", phases.tls),
            ("first_byte_seconds", phases.first_byte),
        ];
        for (name, time) in parts {
            finding.measures.extend(time.map(|time| Measure::seconds(name, time)));
        }
        let (warning, critical) = self.limits.seconds();
        let total = Measure::seconds("total_seconds", phases.total).limits(warning, critical);
        finding.measures.push(total);
        finding.status = finding.status.worse(self.limits.judge(phases.total));
        if let Some(tls) = &seen.tls {
            finding = tls.tell(finding);
            if let (Some(certificate), Some(settings)) = (&tls.certificate, &self.tls) {
                let (by_days, measure) = settings.judge_days(certificate.days_left);
                finding.status = finding.status.worse(by_days);
                finding = finding
                    .measured(measure)
                    .and(&format!(", certificate good for {:.0} days", certificate.days_left));
            }
        }
        finding.and(&format!(", {:.1} ms", phases.total.as_secs_f64() * 1000.0))
    }

    /// Judges a dialogue that broke off: `doing` says where, such as `no greeting`.
    pub(crate) fn broken(&self, seen: &Seen, doing: &str, error: &std::io::Error) -> Finding {
        let text = format!("{} is open, but {doing}: {}", seen.address, chain(error));
        self.judge(seen, Finding::new(Status::Critical, text))
    }
}

fn no_tls(address: SocketAddr, error: &TlsError) -> Finding {
    Finding::new(Status::Critical, format!("no TLS with {address}: {}", chain(error)))
}

fn read_mode(section: &Section<'_>, starttls: bool) -> Option<TlsMode> {
    section.parse("tls", |text| match text {
        "true" => Ok(TlsMode::Direct),
        "false" => Ok(TlsMode::Off),
        "starttls" if starttls => Ok(TlsMode::StartTls),
        _ if starttls => Err("true, false or starttls is expected"),
        _ => Err("true or false is expected"),
    })
}
