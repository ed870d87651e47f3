//! The standard plugins and the check types that do the same.
//!
//! A command line becomes a check type only if every option of it has a counterpart; otherwise the plugin
//! is run as it is, so that no check means something else than before.

use super::arguments::{Given, KnownOption, read};
use crate::yaml::Map;

/// Makes a check of a command line: its type and settings.
pub(super) fn check_of(line: &[String]) -> (&'static str, Map) {
    native(line).unwrap_or_else(|| {
        let mut map = Map::new();
        map.put("command", line.to_vec());
        ("plugin", map)
    })
}

fn native(line: &[String]) -> Option<(&'static str, Map)> {
    let (program, words) = line.split_first()?;
    let program = program.rsplit('/').next()?;
    let (_, word, table, make) = MAPPINGS.iter().find(|(names, ..)| names.contains(&program))?;
    let given = read(words, table)?;
    let mut map = Map::new();
    make(&given, &mut map)?;
    match (given.has('4'), given.has('6')) {
        (true, true) => return None,
        (true, false) => drop(map.put("family", "ipv4")),
        (false, true) => drop(map.put("family", "ipv6")),
        (false, false) => {}
    }
    if let Some(timeout) = given.get('t') {
        map.put("timeout", seconds(timeout)?);
    }
    Some((word, map))
}

type Mapping = (
    &'static [&'static str],
    &'static str,
    &'static [KnownOption],
    fn(&Given, &mut Map) -> Option<()>,
);

/// Options that most network plugins share.
const HOST: KnownOption = ('H', &["hostname", "host", "url"], true);
const PORT: KnownOption = ('p', &["port"], true);
const WARNING: KnownOption = ('w', &["warning"], true);
const CRITICAL: KnownOption = ('c', &["critical"], true);
const TIMEOUT: KnownOption = ('t', &["timeout"], true);
const IPV4: KnownOption = ('4', &["use-ipv4"], false);
const IPV6: KnownOption = ('6', &["use-ipv6"], false);

const MAPPINGS: &[Mapping] = &[
    (
        &["check_ping"],
        "ping",
        &[HOST, WARNING, CRITICAL, ('p', &["packets"], true), TIMEOUT, IPV4, IPV6],
        |given, map| ping(given, given.get('p'), map),
    ),
    (
        &["check_icmp", "check_host", "check_rta_multi", "check_fping"],
        "ping",
        &[HOST, WARNING, CRITICAL, ('n', &["number"], true), TIMEOUT, IPV4, IPV6],
        |given, map| ping(given, given.get('n'), map),
    ),
    (
        &["check_tcp"],
        "tcp",
        &[
            HOST,
            PORT,
            ('s', &["send"], true),
            ('e', &["expect"], true),
            ('E', &["escape"], false),
            ('S', &["ssl"], false),
            WARNING,
            CRITICAL,
            TIMEOUT,
            IPV4,
            IPV6,
        ],
        tcp,
    ),
    (
        &["check_smtp"],
        "smtp",
        &[
            HOST,
            PORT,
            ('e', &["expect"], true),
            ('f', &["from"], true),
            ('F', &["fqdn"], true),
            ('S', &["starttls"], false),
            WARNING,
            CRITICAL,
            TIMEOUT,
            IPV4,
            IPV6,
        ],
        smtp,
    ),
    (&["check_ssh"], "ssh", &[HOST, PORT, TIMEOUT, IPV4, IPV6], |given, map| {
        address(given, map)?;
        port(given, map)
    }),
    (&["check_ftp"], "ftp", SESSION, session),
    (&["check_imap"], "imap", SESSION, session),
    (&["check_pop"], "pop3", SESSION, session),
    (&["check_simap"], "imap", SESSION, |given, map| secure(given, map)),
    (&["check_spop"], "pop3", SESSION, |given, map| secure(given, map)),
    (&["check_jabber"], "xmpp", SESSION, session),
    (
        &["check_dns"],
        "dns",
        &[
            ('H', &["hostname"], true),
            ('s', &["server"], true),
            ('a', &["expected-address"], true),
            WARNING,
            CRITICAL,
            TIMEOUT,
        ],
        dns,
    ),
    (
        &["check_ntp_time", "check_ntp_peer"],
        "ntp",
        &[HOST, PORT, WARNING, CRITICAL, TIMEOUT, IPV4, IPV6, ('q', &["quiet"], false)],
        ntp,
    ),
    (
        &["check_http", "check_curl"],
        "http",
        &[
            ('H', &["hostname"], true),
            ('I', &["IP-address"], true),
            PORT,
            ('u', &["uri", "url"], true),
            ('S', &["ssl"], false),
            ('n', &["sni"], false),
            ('e', &["expect"], true),
            ('s', &["string"], true),
            ('r', &["regex", "ereg"], true),
            ('j', &["method"], true),
            ('P', &["post"], true),
            ('k', &["header"], true),
            ('f', &["onredirect"], true),
            WARNING,
            CRITICAL,
            TIMEOUT,
            IPV4,
            IPV6,
        ],
        http,
    ),
];

fn seconds(text: &str) -> Option<String> {
    let number: f64 = text.trim_end_matches('s').parse().ok()?;
    (number > 0.0).then(|| format!("{number}s"))
}

/// Puts the address of `-H`, or of the word that stands alone.
fn address(given: &Given, map: &mut Map) -> Option<()> {
    let host = given.get('H').or(given.words.first().map(String::as_str))?;
    map.put("address", host);
    Some(())
}

/// Reads `100.0,20%`: milliseconds and percent.
fn trip_and_loss(text: &str) -> Option<(f64, f64)> {
    let (trip, loss) = text.split_once(',')?;
    let trip = trip.trim_end_matches("ms").parse().ok()?;
    Some((trip, loss.strip_suffix('%')?.parse().ok()?))
}

fn ping(given: &Given, count: Option<&str>, map: &mut Map) -> Option<()> {
    address(given, map)?;
    if let Some(count) = count {
        map.put("count", count.parse::<u32>().ok().filter(|count| (1..=100).contains(count))?);
    }
    for (letter, time, loss) in
        [('w', "warning", "loss_warning"), ('c', "critical", "loss_critical")]
    {
        if let Some(limits) = given.get(letter) {
            let (trip, percent) = trip_and_loss(limits)?;
            map.put(time, format!("{trip}ms")).put(loss, percent);
        }
    }
    Some(())
}

/// Puts the limits of the time, which are plain numbers of seconds.
fn times(given: &Given, map: &mut Map) -> Option<()> {
    for (letter, key) in [('w', "warning"), ('c', "critical")] {
        if let Some(limit) = given.get(letter) {
            map.put(key, seconds(limit)?);
        }
    }
    Some(())
}

fn tcp(given: &Given, map: &mut Map) -> Option<()> {
    address(given, map)?;
    map.put("port", given.get('p')?.parse::<u16>().ok().map(f64::from)?);
    if let Some(send) = given.get('s') {
        map.put("send", if given.has('E') { send.to_owned() } else { send.replace('\\', "\\\\") });
    }
    // Several expectations are alternatives there.
    match given.all('e').as_slice() {
        [] => {}
        [expect] => drop(map.put("expect", expect.replace('\\', "\\\\"))),
        _ => return None,
    }
    if given.has('S') {
        map.put("tls", true).put("insecure", true);
    }
    times(given, map)
}

/// Options of the plugins that are `check_tcp` under another name; those of what is sent and expected
/// there are the protocol's own here.
const SESSION: &[KnownOption] =
    &[HOST, PORT, ('S', &["ssl"], false), WARNING, CRITICAL, TIMEOUT, IPV4, IPV6];

fn session(given: &Given, map: &mut Map) -> Option<()> {
    if given.has('S') {
        return secure(given, map);
    }
    address(given, map)?;
    port(given, map)?;
    times(given, map)
}

/// TLS from the start, with any certificate, as the plugins take it.
fn secure(given: &Given, map: &mut Map) -> Option<()> {
    address(given, map)?;
    port(given, map)?;
    map.put("tls", true).put("insecure", true);
    times(given, map)
}

fn port(given: &Given, map: &mut Map) -> Option<()> {
    if let Some(port) = given.get('p') {
        map.put("port", f64::from(port.parse::<u16>().ok()?));
    }
    Some(())
}

fn smtp(given: &Given, map: &mut Map) -> Option<()> {
    address(given, map)?;
    port(given, map)?;
    if let Some(expect) = given.get('e') {
        map.put("greeting", expect);
    }
    if let Some(from) = given.get('f') {
        map.put("from", from);
    }
    if let Some(name) = given.get('F') {
        map.put("helo", name);
    }
    if given.has('S') {
        map.put("tls", "starttls").put("insecure", true);
    }
    times(given, map)
}

/// `-H` is the question and `-s` who is asked; without it the machine's own resolver is, which the plugin
/// asks itself.
fn dns(given: &Given, map: &mut Map) -> Option<()> {
    map.put("name", given.get('H')?).put("address", given.get('s')?);
    let expected: Vec<String> = given
        .all('a')
        .iter()
        .flat_map(|list| list.split(','))
        .map(|answer| answer.trim().to_owned())
        .collect();
    if !expected.is_empty() {
        map.put("expect", expected);
    }
    times(given, map)
}

fn ntp(given: &Given, map: &mut Map) -> Option<()> {
    address(given, map)?;
    port(given, map)?;
    for (letter, key) in [('w', "offset_warning"), ('c', "offset_critical")] {
        if let Some(limit) = given.get(letter) {
            map.put(key, seconds(limit)?);
        }
    }
    Some(())
}

fn http(given: &Given, map: &mut Map) -> Option<()> {
    let target = given.get('I').or(given.get('H')).or(given.words.first().map(String::as_str))?;
    let name = given.get('H').unwrap_or(target);
    let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    let is_tls = given.has('S');
    let scheme = if is_tls { "https" } else { "http" };
    let port = match given.get('p') {
        Some(port) => format!(":{}", port.parse::<u16>().ok()?),
        None => String::new(),
    };
    let path = given.get('u').unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    map.put("url", format!("{scheme}://{name}{port}{slash}{path}"));
    if given.get('I').is_some_and(|address| Some(address) != given.get('H')) {
        map.put("address", target);
    }
    if is_tls {
        // The plugin judges no certificate unless it is asked for its days.
        map.put("insecure", true);
    }
    if let Some(expect) = given.get('e') {
        let codes: Option<Vec<String>> =
            expect.split(',').map(|word| word.split_whitespace().find_map(status)).collect();
        map.put("status", codes?);
    }
    if let Some(text) = given.get('s') {
        map.put("contains", text);
    }
    if let Some(pattern) = given.get('r') {
        map.put("matches", pattern);
    }
    match given.get('f') {
        None | Some("ok") => {}
        Some("follow") => drop(map.put("redirects", 15_u32)),
        Some(_) => return None,
    }
    let method = given.get('j').or(given.get('P').map(|_| "POST"));
    if let Some(method) = method {
        map.put("method", method);
    }
    if let Some(body) = given.get('P') {
        map.put("body", body);
    }
    headers(given, map)?;
    times(given, map)
}

fn headers(given: &Given, map: &mut Map) -> Option<()> {
    let mut headers = Map::new();
    for header in given.all('k') {
        let (name, value) = header.split_once(':')?;
        headers.put(name.trim(), value.trim());
    }
    if !headers.is_empty() {
        map.put("headers", headers);
    }
    Some(())
}

/// Reads the number of `200`, `HTTP/1.1 200` or `200 OK`.
fn status(word: &str) -> Option<String> {
    let code: u16 = word.parse().ok()?;
    (100..=599).contains(&code).then(|| code.to_string())
}
