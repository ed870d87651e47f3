//! What registries say, read by their words.

use hark_model::Unix;
use jiff::civil::Date;
use serde_json::Value;

/// A domain's registration, as far as the answer says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Registration {
    pub(super) expires: Option<Expiry>,
    pub(super) registrar: Option<String>,
    pub(super) statuses: Vec<String>,
    /// Nobody has registered it.
    pub(super) is_free: bool,
    /// The server that knows more.
    pub(super) refer: Option<String>,
}

/// When a registration ends: registries say the day; its begin in UTC is taken, the cautious side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) date: Date,
    pub(super) at: Unix,
}

/// Words before the day on which a registration ends, in small letters.
const EXPIRY: &[&str] = &[
    "registry expiry date",
    "registrar registration expiration date",
    "expiry date",
    "expiration date",
    "expiration time",
    "expires on",
    "expires at",
    "expires",
    "expire",
    "expire date",
    "expire-date",
    "paid-till",
    "renewal date",
    "valid until",
    "validity",
    "domain expires",
    "domain expiration date",
    "record expires on",
];

/// Words of servers for a domain that nobody has.
const FREE: &[&str] = &[
    "no match for",
    "not found",
    "no data found",
    "no entries found",
    "no object found",
    "status: free",
    "status: available",
    "domain not registered",
    "is free",
];

/// Most words of status that are kept.
const MAX_STATUSES: usize = 20;

/// Reads an answer of WHOIS.
pub(super) fn whois(answer: &str) -> Registration {
    let mut read = Registration::default();
    let mut is_expected = false;
    for line in answer.lines() {
        let line = line.trim().trim_start_matches(['[', '*', '.']).trim();
        if line.starts_with(['%', '#']) || line.starts_with(">>>") {
            continue;
        }
        let Some((key, value)) = line.split_once([':', ']']) else {
            // Some put the value into the next line.
            if is_expected {
                read.expires = read.expires.or_else(|| day(line));
                is_expected = false;
            }
            continue;
        };
        let (key, value) = (key.trim().trim_end_matches('.').to_lowercase(), value.trim());
        if EXPIRY.contains(&key.as_str()) {
            is_expected = value.is_empty();
            read.expires = read.expires.or_else(|| day(value));
        }
        match key.as_str() {
            "refer" | "whois" | "registrar whois server" | "whois server" if !value.is_empty() => {
                let host = value.trim_start_matches("whois://").trim_end_matches('/');
                read.refer.get_or_insert_with(|| host.to_lowercase());
            }
            "registrar" | "registrar name" | "sponsoring registrar" if !value.is_empty() => {
                read.registrar.get_or_insert_with(|| value.to_owned());
            }
            "domain status" | "status" | "state" if read.statuses.len() < MAX_STATUSES => {
                let word = value.split_whitespace().next().unwrap_or_default();
                read.statuses.push(word.to_lowercase());
            }
            _ => {}
        }
    }
    let lower = answer.to_lowercase();
    read.is_free = read.expires.is_none()
        && read.registrar.is_none()
        && FREE.iter().any(|words| lower.contains(words));
    read
}

/// Reads an answer of RDAP (RFC 9083); `None` if it is none.
pub(super) fn rdap(body: &[u8]) -> Option<Registration> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    if answer.get("objectClassName")?.as_str()? != "domain" {
        return None;
    }
    let list = |key: &str| answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let expires = list("events").iter().find_map(|event| {
        let is_end = event.get("eventAction")?.as_str()? == "expiration";
        is_end.then(|| event.get("eventDate")?.as_str().and_then(day)).flatten()
    });
    let registrar = list("entities").iter().find_map(|entity| {
        let roles = entity.get("roles")?.as_array()?;
        let is_registrar = roles.iter().any(|role| role.as_str() == Some("registrar"));
        is_registrar.then(|| full_name(entity)).flatten()
    });
    let statuses = list("status");
    let statuses = statuses.iter().filter_map(Value::as_str).take(MAX_STATUSES);
    let statuses = statuses.map(str::to_lowercase).collect();
    Some(Registration { expires, registrar, statuses, ..Registration::default() })
}

/// Returns the name in the vCard of an entity.
fn full_name(entity: &Value) -> Option<String> {
    let properties = entity.get("vcardArray")?.get(1)?.as_array()?;
    let name = properties.iter().find(|p| p.get(0).and_then(Value::as_str) == Some("fn"))?;
    Some(name.get(3)?.as_str()?.to_owned())
}

/// Finds a day in the forms that registries use: `2027-03-01…`, `2027.03.01`, `2027/03/01`, `20270301`,
/// `01-Mar-2027`, `1 March 2027`, `01.03.2027`, `01/03/2027`.
pub(super) fn day(text: &str) -> Option<Expiry> {
    let word =
        text.split(['T', 't']).next().filter(|w| w.starts_with(|c: char| c.is_ascii_digit()));
    let text = word.filter(|word| word.len() >= 8).unwrap_or(text);
    let parts: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let number = |part: &str| part.parse::<i16>().ok();
    let date = match parts.as_slice() {
        [whole, ..] if whole.len() == 8 && number(whole.get(..4)?).is_some() => {
            made(number(whole.get(..4)?)?, number(whole.get(4..6)?)?, number(whole.get(6..8)?)?)
        }
        [year, month, day, ..] if year.len() == 4 => {
            made(number(year)?, month_of(month)?, number(day)?)
        }
        [day, month, year, ..] if year.len() == 4 => {
            made(number(year)?, month_of(month)?, number(day)?)
        }
        _ => None,
    }?;
    let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Expiry { date, at: Unix(seconds.checked_mul(1000)?) })
}

fn made(year: i16, month: i16, day: i16) -> Option<Date> {
    let is_plausible = (1990..2200).contains(&year);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    is_plausible.then_some(date)
}

/// Reads a month as a number or by its name.
fn month_of(text: &str) -> Option<i16> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let short = text.get(..3)?.to_lowercase();
    let at = MONTHS.iter().position(|month| *month == short)?;
    i16::try_from(at + 1).ok()
}
