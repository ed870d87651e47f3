//! How long a session lives.

use std::time::Duration;

use hark_model::Unix;

use crate::backend::{ApiTokenRecord, SessionRecord};
use crate::login::LoginSettings;

/// How exactly the last use is stored: to the minute, so that reading does not mean writing.
const TOUCH: Duration = Duration::from_mins(1);

/// The most sessions of one user: with one more, the one that was unused for longest ends.
pub(crate) const MAX_SESSIONS: usize = 50;

/// The most API tokens of one user.
pub(crate) const MAX_TOKENS: usize = 100;

/// The most bytes kept of what a browser calls itself.
const MAX_AGENT: usize = 200;

/// Returns true if `session` is valid at `now`. A wall clock that was set back does not end it.
pub(crate) fn alive(session: &SessionRecord, now: Unix, login: &LoginSettings) -> bool {
    now.since(session.last_seen) < login.idle && now.since(session.created) < login.longest
}

/// Returns true if `token` is valid at `now`.
pub(crate) fn token_alive(token: &ApiTokenRecord, now: Unix) -> bool {
    token.expires.is_none_or(|expires| now < expires)
}

/// Returns true if the last use, stored as `last`, is to be stored anew.
pub(crate) fn to_touch(last: Option<Unix>, now: Unix) -> bool {
    last.is_none_or(|last| now.since(last) >= TOUCH)
}

/// Returns what is kept of the name that a browser gives itself.
pub(crate) fn agent(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = clean.floor_char_boundary(MAX_AGENT);
    clean.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(created_days: u64, seen_days: u64) -> (SessionRecord, Unix) {
        let day = |n: u64| Duration::from_hours(24 * n);
        let now = Unix(1_800_000_000_000);
        let record = SessionRecord {
            hash: [0; 32],
            user: hark_model::UserName::new("mira").unwrap(),
            created: now - day(created_days),
            last_seen: now - day(seen_days),
            address: [127, 0, 0, 1].into(),
            agent: String::new(),
        };
        (record, now)
    }

    #[test]
    fn sessions_end_when_idle_and_at_last() {
        for (created, seen, expected) in
            [(0, 0, true), (6, 6, true), (7, 7, false), (29, 1, true), (30, 0, false)]
        {
            let (record, now) = session(created, seen);
            let alive = alive(&record, now, &LoginSettings::default());
            assert_eq!(alive, expected, "made {created}, seen {seen} days ago");
        }
    }

    #[test]
    fn limits_are_those_of_the_configuration() {
        let hours = Duration::from_hours;
        let login =
            LoginSettings { idle: hours(24), longest: hours(72), ..LoginSettings::default() };
        for (created, seen, expected) in [(0, 0, true), (2, 0, true), (2, 1, false), (3, 0, false)]
        {
            let (record, now) = session(created, seen);
            assert_eq!(alive(&record, now, &login), expected, "{created}, {seen}");
        }
    }

    #[test]
    fn use_is_stored_once_a_minute() {
        let now = Unix(1_800_000_000_000);
        assert!(to_touch(None, now));
        assert!(!to_touch(Some(now - Duration::from_secs(59)), now));
        assert!(to_touch(Some(now - Duration::from_mins(1)), now));
    }

    #[test]
    fn names_of_browsers_are_cut_at_a_character() {
        assert_eq!(agent(&"ü".repeat(150)).len(), 200);
        assert_eq!(agent("a\r\nb"), "ab");
    }
}
