//! What a request wants of a list.

use std::cmp::Ordering;

use hark_api::list::{Cursor, limit};
use hark_api::sought::Sought;
use http::{HeaderMap, Uri, header};
use serde_json::Value;

use crate::failure::{Failure, Reply};

/// What a request wants of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    q: Option<Sought>,
    sort: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
    format: Format,
    /// It is a short list whose answer is a page: it is always cut.
    page: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// JSON, since nothing else is said.
    #[default]
    Unsaid,
    Json,
    /// CSV if there is such a thing here.
    Accepted,
    /// CSV and nothing else.
    Csv,
}

impl Asked {
    /// Reads the query and what the client accepts.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Reply<Self> {
        let mut asked = Self::default();
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("text/csv")) {
            asked.format = Format::Accepted;
        }
        for (key, value) in pairs(uri) {
            match key.as_str() {
                "q" => asked.q = Some(Sought::new(&value)),
                "sort" => asked.sort = Some(value),
                "cursor" => asked.cursor = Some(value),
                "limit" => {
                    let number = value.parse().map_err(|_| Failure::field("limit", "not a number"));
                    asked.limit = Some(number?);
                }
                "format" => {
                    asked.format = match value.as_str() {
                        "csv" => Format::Csv,
                        "json" => Format::Json,
                        _ => return Err(Failure::field("format", "expected csv or json")),
                    }
                }
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Says that the answer is a page of a short list.
    pub(super) fn expect_page(&mut self) {
        self.page = true;
    }

    /// Returns whether the answer is a page of a short list.
    pub(super) fn wants_page(&self) -> bool {
        self.page
    }

    /// Returns whether anything is asked for that is done here.
    pub(super) fn is_anything(&self) -> bool {
        *self != Self::default()
    }

    pub(super) fn wants_csv(&self) -> bool {
        matches!(self.format, Format::Csv | Format::Accepted)
    }

    /// Returns whether nothing but CSV will do.
    pub(super) fn insists(&self) -> bool {
        self.format == Format::Csv
    }

    /// Returns the address as routes know it: they refuse what they do not know.
    pub(super) fn for_route(&self, uri: &Uri) -> Reply<Uri> {
        if self.page {
            return with(uri, &["format", "q", "sort", "cursor", "limit"].map(|key| (key, None)));
        }
        match self.format {
            Format::Csv | Format::Json => with(uri, &[("format", None)]),
            Format::Unsaid | Format::Accepted => Ok(uri.clone()),
        }
    }

    /// Returns how many items a page has.
    pub(super) fn limit(&self) -> usize {
        limit(self.limit)
    }

    /// Returns how many rows an export has.
    pub(super) fn most_rows(&self, most: usize) -> usize {
        self.limit.map_or(most, |limit| (limit as usize).clamp(1, most))
    }

    /// Returns the page of a whole list, and the cursor of the next one.
    pub(super) fn cut(
        &self,
        mut all: Vec<Value>,
        most: usize,
    ) -> Reply<(Vec<Value>, Option<String>)> {
        if let Some(q) = &self.q {
            all.retain(|item| mentions(item, q));
        }
        if let Some(sort) = &self.sort {
            order(&mut all, sort)?;
        }
        let start = match &self.cursor {
            None => 0,
            Some(cursor) => position(cursor).ok_or_else(|| {
                Failure::field("cursor", "expected that of the `Link` of an earlier page")
            })?,
        };
        // A list that nobody has asked to cut stays whole: it is short.
        let is_cut = self.page || self.limit.is_some() || self.cursor.is_some();
        let most = if is_cut { most } else { all.len().max(1) };
        let more = all.len().saturating_sub(start) > most;
        let next = more.then(|| Cursor::of_number((start + most) as u64).to_string());
        Ok((all.into_iter().skip(start).take(most).collect(), next))
    }
}

/// Reads how many items the pages before have had.
fn position(cursor: &str) -> Option<usize> {
    cursor.strip_prefix('n')?.parse().ok()
}

/// Returns whether any text in `value` has `q` in it.
fn mentions(value: &Value, q: &Sought) -> bool {
    match value {
        Value::String(text) => q.is_in(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, q)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, q)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Orders `all` by a field, backwards if it begins with `-`. What is alike stays in its order.
fn order(all: &mut [Value], sort: &str) -> Reply<()> {
    let (field, is_backwards) = match sort.strip_prefix('-') {
        Some(field) => (field, true),
        None => (sort, false),
    };
    if let Some(Value::Object(first)) = all.first()
        && !first.contains_key(field)
    {
        let known: Vec<&str> = first.keys().map(String::as_str).collect();
        return Err(Failure::field("sort", format!("expected one of {}", known.join(", "))));
    }
    all.sort_by(|a, b| {
        let order = compare(&a[field], &b[field]);
        if is_backwards { order.reverse() } else { order }
    });
    Ok(())
}

fn compare(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| value.as_f64();
    match (number(a), number(b), a.as_str(), b.as_str()) {
        (Some(a), Some(b), _, _) => a.total_cmp(&b),
        (_, _, Some(a), Some(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        // What is absent comes last.
        _ if a.is_null() != b.is_null() => a.is_null().cmp(&b.is_null()),
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// Returns the parts of a query, decoded.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    pairs.map(|axum::extract::Query(pairs)| pairs).unwrap_or_default()
}

/// Returns `uri` with other values of some parts of its query; without those that have none.
pub(super) fn with(uri: &Uri, changes: &[(&str, Option<&str>)]) -> Reply<Uri> {
    let is_changed = |part: &&str| {
        let key = part.split('=').next().unwrap_or_default();
        changes.iter().any(|(changed, _)| *changed == key)
    };
    let kept = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
    let mut parts: Vec<String> =
        kept.filter(|part| !is_changed(part)).map(ToOwned::to_owned).collect();
    for (key, value) in changes {
        parts.extend(value.map(|value| format!("{key}={}", encoded(value))));
    }
    let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
    let text = format!("{}{query}", uri.path());
    text.parse().map_err(|_| Failure::Malformed("the query cannot be read".to_owned()))
}

/// Writes a value as it may stand in a query.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing into a String cannot fail.
            byte => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(query: &str) -> Asked {
        Asked::read(&format!("/api/0/x?{query}").parse().unwrap(), &HeaderMap::new()).unwrap()
    }

    fn names(items: &[Value]) -> Vec<&str> {
        items.iter().map(|item| item["name"].as_str().unwrap()).collect()
    }

    fn people() -> Vec<Value> {
        vec![
            json!({"name": "mira", "age": 41, "left": null}),
            json!({"name": "Ben", "age": 7, "left": "2026"}),
            json!({"name": "ada", "age": 41, "left": "2025"}),
        ]
    }

    #[test]
    fn a_whole_list_is_searched_ordered_and_cut() {
        let cut = |query: &str| read(query).cut(people(), read(query).limit()).unwrap();
        assert_eq!(names(&cut("sort=name").0), ["ada", "Ben", "mira"]);
        assert_eq!(names(&cut("sort=-name").0), ["mira", "Ben", "ada"]);
        assert_eq!(names(&cut("sort=age").0), ["Ben", "mira", "ada"], "what is alike stays");
        assert_eq!(names(&cut("sort=left").0), ["ada", "Ben", "mira"], "what is absent is last");
        assert_eq!(names(&cut("q=BE").0), ["Ben"]);
        let (first, next) = cut("sort=name&limit=2");
        assert_eq!((names(&first), next.as_deref()), (vec!["ada", "Ben"], Some("n2")));
        let (last, next) = cut("sort=name&limit=2&cursor=n2");
        assert_eq!((names(&last), next), (vec!["mira"], None));
        assert_eq!(cut("sort=name&limit=2&cursor=n99").0, [json!(null); 0]);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_field() {
        let wrong = |query: &str| match read(query).cut(people(), 10) {
            Err(Failure::Wrong(errors)) => errors[0].field.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong("sort=colour"), "sort");
        assert_eq!(wrong("cursor=sabc"), "cursor");
        let uri: Uri = "/api/0/x?format=xml".parse().unwrap();
        assert!(Asked::read(&uri, &HeaderMap::new()).is_err());
        let uri: Uri = "/api/0/x?limit=many".parse().unwrap();
        assert!(Asked::read(&uri, &HeaderMap::new()).is_err());
    }

    #[test]
    fn parts_of_a_query_are_changed_and_the_others_stay_as_they_were() {
        let uri: Uri = "/api/0/hosts?q=a%20b&format=csv&cursor=n1".parse().unwrap();
        let changed = with(&uri, &[("format", None), ("cursor", Some("sdb/1 x"))]).unwrap();
        assert_eq!(changed.to_string(), "/api/0/hosts?q=a%20b&cursor=sdb%2F1%20x");
        assert_eq!(with(&changed, &[("q", None), ("cursor", None)]).unwrap(), "/api/0/hosts");
    }
}
