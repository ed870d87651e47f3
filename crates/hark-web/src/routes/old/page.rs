//! What a list is asked with, and the envelope that it is told in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{BASE, Refusal, Resource, Told};
use crate::oidc::form;

/// The most that is told at once.
pub(super) const MAX_LIMIT: usize = 1000;

/// What of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) limit: usize,
    pub(super) offset: usize,
    /// By filter, `id__in` with its comparison; each with its text.
    pub(super) filters: BTreeMap<String, String>,
}

impl Asked {
    /// Reads a query.
    pub(super) fn read(query: &str, resource: Resource) -> Told<Self> {
        let kind = resource.kind;
        let mut asked = Self { limit: kind.limit(), offset: 0, filters: BTreeMap::new() };
        let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(
            &format!("/?{query}").parse().map_err(|_| wrong("The query cannot be read."))?,
        )
        .map_err(|_| wrong("The query cannot be read."))?
        .0;
        for (key, value) in pairs {
            match key.as_str() {
                // What it is told as is always the same.
                "format" => {}
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| {
                        wrong(&format!(
                            "Invalid limit '{value}' provided. Please provide a positive integer."
                        ))
                    })?;
                    asked.limit = if limit == 0 { MAX_LIMIT } else { limit.min(MAX_LIMIT) };
                }
                "offset" => {
                    asked.offset = value.parse().map_err(|_| {
                        wrong(&format!(
                            "Invalid offset '{value}' provided. Please provide a positive integer."
                        ))
                    })?;
                }
                "order_by" => {
                    let field = value.trim_start_matches('-');
                    return Err(wrong(&format!("The '{field}' field does not allow ordering.")));
                }
                _ if is_filter(&key, kind.filters()) => drop(asked.filters.insert(key, value)),
                _ => {
                    let field = key.split("__").next().unwrap_or_default();
                    return Err(wrong(&format!("The '{field}' field does not allow filtering.")));
                }
            }
        }
        Ok(asked)
    }

    /// Returns the number that one of these filters wants.
    pub(super) fn number(&self, filters: &[&str]) -> Told<Option<u64>> {
        let found = filters.iter().find_map(|filter| self.filters.get(*filter));
        found.map(|text| number(text)).transpose()
    }

    /// Returns whether `id` is one that is wanted.
    pub(super) fn wants(&self, id: u64) -> Told<bool> {
        for (filter, text) in &self.filters {
            let is_wanted = match filter.as_str() {
                "id" | "id__exact" => id == number(text)?,
                "id__gt" => id > number(text)?,
                "id__gte" => id >= number(text)?,
                "id__lt" => id < number(text)?,
                "id__lte" => id <= number(text)?,
                "id__in" => {
                    let all: Vec<u64> = text.split(',').map(number).collect::<Told<_>>()?;
                    all.contains(&id)
                }
                _ => true,
            };
            if !is_wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns those of `all` that are on this page.
    pub(super) fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }

    /// Returns a page of `total` objects.
    pub(super) fn envelope(&self, resource: Resource, objects: &[Value], total: usize) -> Value {
        let at = |offset: usize| {
            let (offset, limit) = (offset.to_string(), self.limit.to_string());
            let mut fields = vec![("offset", offset.as_str()), ("limit", limit.as_str())];
            fields.extend(self.filters.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            format!("{BASE}{}/?{}", resource.name, form(&fields))
        };
        let after = self.offset.saturating_add(self.limit);
        let next = (after < total).then(|| at(after));
        let previous = self.offset.checked_sub(self.limit).map(at);
        let meta = json!({"limit": self.limit, "next": next, "offset": self.offset,
            "previous": previous, "total_count": total});
        json!({"meta": meta, "objects": objects})
    }
}

/// Returns whether a key is one of these filters; a number can be compared in other ways, too.
fn is_filter(key: &str, filters: &[&str]) -> bool {
    const BY_NUMBER: [&str; 6] = ["exact", "in", "gt", "gte", "lt", "lte"];
    let compared =
        key.strip_prefix("id__").is_some_and(|how| filters == ["id"] && BY_NUMBER.contains(&how));
    filters.contains(&key) || compared
}

pub(super) fn number(text: &str) -> Told<u64> {
    text.parse().map_err(|_| wrong("Invalid resource lookup data provided (mismatched type)."))
}

pub(super) fn wrong(text: &str) -> Refusal {
    Refusal::Wrong(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str) -> Resource {
        Resource::find(name).unwrap()
    }

    fn refused(query: &str, name: &str) -> String {
        match Asked::read(query, resource(name)) {
            Err(Refusal::Wrong(why)) => why,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_its_words() {
        assert_eq!(
            refused("limit=abc", "agent"),
            "Invalid limit 'abc' provided. Please provide a positive integer."
        );
        assert_eq!(
            refused("offset=-1", "agent"),
            "Invalid offset '-1' provided. Please provide a positive integer."
        );
        let filtering = "The 'hostname' field does not allow filtering.";
        assert_eq!(refused("hostname=db1", "agent"), filtering);
        assert_eq!(refused("hostname__gt=1", "agent"), filtering);
        assert_eq!(
            refused("service__id=1", "windowsservicelog"),
            "The 'service' field does not allow filtering."
        );
        assert_eq!(
            refused("order_by=-id", "windowsservice"),
            "The 'id' field does not allow ordering."
        );
    }

    #[test]
    fn pages_lead_to_their_neighbours() {
        let of = |query: &str| Asked::read(query, resource("windowsservice")).unwrap();
        assert_eq!((of("").limit, of("limit=0").limit, of("limit=5000").limit), (1000, 1000, 1000));
        let page = of("limit=2&offset=2&agent__id=1&format=xml").envelope(
            resource("windowsservice"),
            &[],
            5,
        );
        assert_eq!(
            page["meta"],
            json!({"limit": 2, "offset": 2, "total_count": 5,
                "next": "/api/v1/windowsservice/?offset=4&limit=2&agent__id=1",
                "previous": "/api/v1/windowsservice/?offset=0&limit=2&agent__id=1"})
        );
        let only = of("").envelope(resource("windowsservice"), &[], 1000);
        assert_eq!(
            (&only["meta"]["next"], &only["meta"]["previous"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(of("offset=18446744073709551615").cut(vec![1, 2]), [0; 0]);
    }

    #[test]
    fn agents_are_found_by_their_numbers_in_every_comparison() {
        for (query, expected) in [
            ("id=3", [false, false, true]),
            ("id__in=1,3", [true, false, true]),
            ("id__gt=1&id__lte=2", [false, true, false]),
            ("id__gte=2", [false, true, true]),
            ("id__lt=2", [true, false, false]),
            ("", [true, true, true]),
        ] {
            let asked = Asked::read(query, resource("agent")).unwrap();
            assert_eq!([1, 2, 3].map(|id| asked.wants(id).unwrap()), expected, "{query}");
        }
        let asked = Asked::read("id=a", resource("agent")).unwrap();
        assert!(matches!(asked.wants(1), Err(Refusal::Wrong(_))));
    }
}
