//! What the state remembers of names and zones, as it stands there: JSON, one text each. A field that is
//! missing or wrong makes the whole text unreadable, and what is not read is published anew.

use hark_model::HostName;
use hark_model::time::Unix;
use serde_json::{Value, json};

use crate::addresses::Addresses;
use crate::name::DnsName;

/// What is remembered of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRecord {
    /// In which zone it is.
    pub zone: DnsName,
    /// Whose it is.
    pub host: HostName,
    /// What shall be published: stable for long enough, or by hand.
    pub goal: Addresses,
    /// What is published.
    pub published: Addresses,
    /// What is on its way: whether it arrived is not known until the answer is remembered.
    pub sent: Option<Addresses>,
    /// When it was published the last times, within an hour.
    pub recent: Vec<Unix>,
    /// When it was last seen at its authoritative servers.
    pub verified_at: Option<Unix>,
    /// How often it failed in a row.
    pub attempts: u32,
    /// When it may be tried again.
    pub next_try: Unix,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it is not tried again unasked.
    pub stopped: bool,
    /// Whether it was taken out by hand.
    pub withheld: bool,
}

/// What is remembered of a zone that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRecord {
    /// As [`crate::Zone::fingerprint`] when it failed.
    pub fingerprint: u64,
    /// How often in a row.
    pub attempts: u32,
    /// When it may be tried again.
    pub next_try: Unix,
    /// Why.
    pub error: String,
    /// Whether it is not tried again unasked.
    pub stopped: bool,
}

impl NameRecord {
    /// Writes it.
    pub fn text(&self) -> String {
        json!({
            "zone": self.zone.as_str(),
            "host": self.host.as_str(),
            "goal": self.goal.texts(),
            "published": self.published.texts(),
            "sent": self.sent.map(Addresses::texts),
            "recent_ms": self.recent.iter().map(|at| at.0).collect::<Vec<_>>(),
            "verified_ms": self.verified_at.map(|at| at.0),
            "attempts": self.attempts,
            "next_ms": self.next_try.0,
            "error": self.error,
            "stopped": self.stopped,
            "withheld": self.withheld,
        })
        .to_string()
    }

    /// Reads what [`NameRecord::text`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let recent = value.get("recent_ms")?.as_array()?.iter();
        Some(Self {
            zone: DnsName::new(value.get("zone")?.as_str()?).ok()?,
            host: HostName::new(value.get("host")?.as_str()?).ok()?,
            goal: addresses(value.get("goal")?)?,
            published: addresses(value.get("published")?)?,
            sent: {
                let sent = value.get("sent")?;
                if sent.is_null() { None } else { Some(addresses(sent)?) }
            },
            recent: recent.map(|at| at.as_i64().map(Unix)).collect::<Option<_>>()?,
            verified_at: value.get("verified_ms")?.as_i64().map(Unix),
            attempts: number(&value, "attempts")?,
            next_try: Unix(value.get("next_ms")?.as_i64()?),
            error: value.get("error")?.as_str().map(str::to_owned),
            stopped: value.get("stopped")?.as_bool()?,
            withheld: value.get("withheld")?.as_bool()?,
        })
    }
}

impl ZoneRecord {
    /// Writes it.
    pub fn text(&self) -> String {
        json!({
            "fingerprint": self.fingerprint,
            "attempts": self.attempts,
            "next_ms": self.next_try.0,
            "error": self.error,
            "stopped": self.stopped,
        })
        .to_string()
    }

    /// Reads what [`ZoneRecord::text`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            fingerprint: value.get("fingerprint")?.as_u64()?,
            attempts: number(&value, "attempts")?,
            next_try: Unix(value.get("next_ms")?.as_i64()?),
            error: value.get("error")?.as_str()?.to_owned(),
            stopped: value.get("stopped")?.as_bool()?,
        })
    }
}

fn number(value: &Value, key: &str) -> Option<u32> {
    value.get(key)?.as_u64()?.try_into().ok()
}

fn addresses(value: &Value) -> Option<Addresses> {
    let mut found = Addresses::NONE;
    for text in value.as_array()? {
        match text.as_str()?.parse().ok()? {
            std::net::IpAddr::V4(v4) => found.v4 = Some(v4),
            std::net::IpAddr::V6(v6) => found.v6 = Some(v6),
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_whole() {
        let name = NameRecord {
            zone: DnsName::new("example.net").unwrap(),
            host: HostName::new("web1").unwrap(),
            goal: Addresses { v4: Some([192, 0, 2, 1].into()), v6: None },
            published: Addresses { v4: None, v6: Some("2001:db8::1".parse().unwrap()) },
            sent: Some(Addresses::NONE),
            recent: vec![Unix(5), Unix(7)],
            verified_at: Some(Unix(6)),
            attempts: 3,
            next_try: Unix(9),
            error: Some("away".to_owned()),
            stopped: true,
            withheld: true,
        };
        assert_eq!(NameRecord::read(&name.text()), Some(name.clone()));
        let fresh = NameRecord { sent: None, verified_at: None, error: None, ..name };
        assert_eq!(NameRecord::read(&fresh.text()), Some(fresh));
        let zone = ZoneRecord {
            fingerprint: u64::MAX,
            attempts: 1,
            next_try: Unix(2),
            error: "wrong key".to_owned(),
            stopped: true,
        };
        assert_eq!(ZoneRecord::read(&zone.text()), Some(zone));
        for broken in ["", "{}", "[]", "{\"zone\": 1}"] {
            assert_eq!((NameRecord::read(broken), ZoneRecord::read(broken)), (None, None));
        }
    }
}
