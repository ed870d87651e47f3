//! Which hosts and checks a filter covers.

use hark_model::record::Matcher;
use hark_model::{Severity, Tag};

use crate::plan::RouteMatch;

/// What a filter is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The host's name.
    pub(crate) host: &'a str,
    /// The check's name; `None` when a host as a whole is meant.
    pub(crate) check: Option<&'a str>,
    /// The host's tags.
    pub(crate) tags: &'a [Tag],
    /// How bad it is; `None` when that does not matter.
    pub(crate) severity: Option<Severity>,
}

/// Returns true if a silence's filter covers the subject.
pub(crate) fn covers(matcher: &Matcher, subject: Subject<'_>) -> bool {
    parts_match(&matcher.hosts, &matcher.checks, &matcher.tags, matcher.severity, subject)
}

/// Returns true if a filter covers a host with these tags, whatever is the matter with it.
pub fn covers_host(matcher: &Matcher, host: &str, tags: &[Tag]) -> bool {
    covers(matcher, Subject { host, check: None, tags, severity: None })
}

/// Returns true if a filter covers a check of a host with these tags, whatever is the matter with it.
pub fn covers_check(matcher: &Matcher, host: &str, tags: &[Tag], check: &str) -> bool {
    covers(matcher, Subject { host, check: Some(check), tags, severity: None })
}

/// Returns true if a route is for the subject, events left aside.
pub(crate) fn routes(matches: &RouteMatch, subject: Subject<'_>) -> bool {
    parts_match(&matches.hosts, &matches.checks, &matches.tags, matches.severity, subject)
}

fn parts_match(
    hosts: &[String],
    checks: &[String],
    tags: &[Tag],
    severity: Option<Severity>,
    subject: Subject<'_>,
) -> bool {
    let any = |patterns: &[String], text: &str| {
        patterns.is_empty() || patterns.iter().any(|p| glob(p, text))
    };
    any(hosts, subject.host)
        && subject.check.is_none_or(|check| any(checks, check))
        && (tags.is_empty() || tags.iter().any(|tag| subject.tags.contains(tag)))
        && severity.is_none_or(|least| subject.severity.is_none_or(|is| is >= least))
}

/// Returns true if `text` fits `pattern`: `*` stands for any letters, `?` for one.
///
/// Work is at most the product of the two lengths, whatever the pattern.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == text[t] || c == b'?' => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases = [
            ("*", "", true),
            ("web*", "web1", true),
            ("web?", "web", false),
            ("*.example.net", "a.b.example.net", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("disk_monitor.*.percent", "disk_monitor./.percent", true),
            ("web1", "web10", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn all_given_parts_must_match() {
        let tags = [Tag::new("role:db").unwrap()];
        let subject = Subject {
            host: "db1",
            check: Some("host"),
            tags: &tags,
            severity: Some(Severity::Warning),
        };
        let matcher = |hosts: &[&str], checks: &[&str], tag: &[&str], severity| Matcher {
            hosts: hosts.iter().map(|s| (*s).to_owned()).collect(),
            checks: checks.iter().map(|s| (*s).to_owned()).collect(),
            tags: tag.iter().map(|s| Tag::new(s).unwrap()).collect(),
            severity,
        };
        assert!(covers(&matcher(&[], &[], &[], None), subject));
        assert!(covers(&matcher(&["db*"], &["host"], &["role:db"], None), subject));
        assert!(!covers(&matcher(&["web*"], &[], &[], None), subject));
        assert!(!covers(&matcher(&[], &[], &["role:web"], None), subject));
        assert!(!covers(&matcher(&[], &[], &[], Some(Severity::Critical)), subject));
        assert!(covers(&matcher(&[], &[], &[], Some(Severity::Unknown)), subject));
    }
}
