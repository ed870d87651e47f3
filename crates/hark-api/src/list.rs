//! Lists that are read page by page.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{IntoParams, ToSchema};

/// How many items a page has if the request does not say.
pub const DEFAULT_LIMIT: u32 = 100;

/// The most items of a page: keeps one answer below about a megabyte.
pub const MAX_LIMIT: u32 = 1000;

/// Bound on a cursor's text: a longer one was not made here. It has room for the names of a host and a check.
const MAX_CURSOR: usize = 600;

/// Where the next page begins. Clients hand it back as they got it and read nothing into it; for
/// the server it is the sort key of the last item, so a page is right even if items came or went.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(String);

impl Cursor {
    /// Makes a cursor of a number that orders the list.
    pub fn of_number(number: u64) -> Self {
        Self(format!("n{number}"))
    }

    /// Makes a cursor of a name that orders the list; `None` if the name is too long for one.
    pub fn of_name(name: &str) -> Option<Self> {
        (name.len() < MAX_CURSOR).then(|| Self(format!("s{name}")))
    }

    /// Returns the number, if the cursor is one.
    pub fn number(&self) -> Option<u64> {
        self.0.strip_prefix('n')?.parse().ok()
    }

    /// Returns the name, if the cursor is one.
    pub fn name(&self) -> Option<&str> {
        self.0.strip_prefix('s')
    }

    fn parse(text: &str) -> Option<Self> {
        let cursor = Self(text.to_owned());
        let known = cursor.number().is_some() || cursor.name().is_some();
        (known && text.len() <= MAX_CURSOR).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("expected the `next` of an earlier page"))
    }
}

impl utoipa::PartialSchema for Cursor {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("The `next` of an earlier page; not to be read."))
            .build()
            .into()
    }
}

impl ToSchema for Cursor {}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of a whole, short list.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// What the items of a list can be put in order by.
pub trait SortField: Copy + PartialEq + 'static {
    /// What the words are called in the document of the API.
    const NAME: &'static str;
    /// Every field with its word.
    const WORDS: &'static [(&'static str, Self)];
}

/// The order of a list: a field, and whether the whole order is backwards, which a minus in front says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort<F> {
    /// The field.
    pub by: F,
    /// Whether the last comes first.
    pub is_backwards: bool,
}

impl<F: SortField> Sort<F> {
    /// Returns the order by a field, forwards.
    pub fn by(by: F) -> Self {
        Self { by, is_backwards: false }
    }

    /// Returns it the other way round.
    #[must_use]
    pub fn backwards(self) -> Self {
        Self { is_backwards: !self.is_backwards, ..self }
    }

    fn words() -> impl Iterator<Item = String> {
        F::WORDS.iter().flat_map(|(word, _)| [(*word).to_owned(), format!("-{word}")])
    }
}

impl<F: SortField> Serialize for Sort<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = F::WORDS.iter().find(|(_, field)| *field == self.by);
        let word = known.map_or("", |(word, _)| *word);
        serializer.collect_str(&format_args!("{}{word}", if self.is_backwards { "-" } else { "" }))
    }
}

impl<'de, F: SortField> Deserialize<'de> for Sort<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (word, is_backwards) = match text.strip_prefix('-') {
            Some(word) => (word, true),
            None => (text.as_str(), false),
        };
        let known = F::WORDS.iter().find(|(other, _)| *other == word);
        let by = known.map(|(_, field)| *field).ok_or_else(|| {
            let all: Vec<String> = Self::words().collect();
            de::Error::custom(format!("expected one of {}", all.join(", ")))
        })?;
        Ok(Self { by, is_backwards })
    }
}

impl<F: SortField> utoipa::PartialSchema for Sort<F> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::words()))
            .description(Some(
                "In which order; with a minus in front the whole order is backwards.",
            ))
            .build()
            .into()
    }
}

impl<F: SortField> ToSchema for Sort<F> {
    fn name() -> std::borrow::Cow<'static, str> {
        F::NAME.into()
    }
}

/// The order of a list of what happened: the newest first (`-at`) if nothing is said, or the oldest.
pub type TimeSort = Sort<Moment>;

/// What a list of what happened is put in order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When it was written down.
    At,
}

impl SortField for Moment {
    const NAME: &'static str = "TimeSort";
    const WORDS: &'static [(&'static str, Self)] = &[("at", Self::At)];
}

/// Which page of a list of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// In which order; `-at` if not given.
    pub sort: Option<TimeSort>,
    /// The `next` of the page before; none for the first.
    pub cursor: Option<Cursor>,
    /// How many items at most: 1 to 1000, 100 if not given.
    pub limit: Option<u32>,
}

/// Returns the number of items wanted: `limit` within 1 to [`MAX_LIMIT`].
pub fn limit(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        for cursor in [Cursor::of_number(42), Cursor::of_name("db1.example.net").unwrap()] {
            let text = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        }
        assert_eq!(Cursor::of_number(7).number(), Some(7));
        assert_eq!(Cursor::of_number(7).name(), None);
        assert_eq!(Cursor::of_name("a").unwrap().name(), Some("a"));
    }

    #[test]
    fn a_cursor_of_somebody_else_is_refused() {
        for text in ["", "x", "n", "n-1", "n99999999999999999999", &format!("s{}", "a".repeat(700))]
        {
            assert!(
                serde_json::from_value::<Cursor>(serde_json::json!(text)).is_err(),
                "{text:?} was accepted"
            );
        }
        assert!(Cursor::of_name(&"a".repeat(700)).is_none());
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Field {
        Name,
        Age,
    }

    impl SortField for Field {
        const NAME: &'static str = "FieldSort";
        const WORDS: &'static [(&'static str, Self)] = &[("name", Self::Name), ("age", Self::Age)];
    }

    #[test]
    fn every_field_orders_both_ways_and_others_are_refused() {
        for (text, expected) in [
            ("name", Sort::by(Field::Name)),
            ("-name", Sort::by(Field::Name).backwards()),
            ("-age", Sort::by(Field::Age).backwards()),
        ] {
            let read: Sort<Field> = serde_json::from_value(serde_json::json!(text)).unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(serde_json::to_value(read).unwrap(), text);
        }
        for text in ["", "-", "--age", "colour"] {
            let error = serde_json::from_value::<Sort<Field>>(serde_json::json!(text)).unwrap_err();
            assert_eq!(error.to_string(), "expected one of name, -name, age, -age", "{text}");
        }
    }

    #[test]
    fn limits_have_a_bottom_and_a_top() {
        assert_eq!(
            [limit(None), limit(Some(0)), limit(Some(7)), limit(Some(99_999))],
            [100, 1, 7, 1000]
        );
    }
}
