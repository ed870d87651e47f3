//! Times on the wire.

use std::fmt;

use hark_model::Unix;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment as RFC 3339 in UTC with milliseconds where there are any: `2026-11-20T21:16:12Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Unix);

impl Timestamp {
    /// Returns the moment for an RFC 3339 text; `None` if it is none. Any offset is accepted.
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Self(Unix(at.as_millisecond())))
    }
}

impl From<Unix> for Timestamp {
    fn from(at: Unix) -> Self {
        Self(at)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock outside the years -9999 to 9999 is broken; the nearest end shows that better
        // than an error in the middle of an answer would.
        let at = jiff::Timestamp::from_millisecond(self.0.0).unwrap_or(if self.0.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        write!(f, "{at}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("expected a time such as 2026-11-20T21:16:12Z"))
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::DateTime,
            )))
            .description(Some("A moment as RFC 3339 in UTC."))
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_in_utc() {
        assert_eq!(Timestamp(Unix(0)).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(Unix(1_795_210_572_250)).to_string(), "2026-11-20T21:36:12.25Z");
        assert_eq!(
            Timestamp::parse("2026-11-20T22:36:12.25+01:00").unwrap().0.0,
            1_795_210_572_250
        );
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_broken_clock_does_not_break_an_answer() {
        assert!(Timestamp(Unix(i64::MAX)).to_string().starts_with("9999-"));
        assert!(Timestamp(Unix(i64::MIN)).to_string().starts_with("-009999-"));
    }

    #[test]
    fn json_round_trips() {
        let at = Timestamp(Unix(1_773_325_335_000));
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), at);
        assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    }
}
