//! The words of a page, in the languages that it can have.

use jiff::Zoned;

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

/// Each word or sentence by its name, in English and in German.
const WORDS: &[(&str, &str, &str)] = &[
    ("operational", "Operational", "In Ordnung"),
    ("no_data", "No data", "Keine Daten"),
    ("maintenance", "Maintenance", "Wartung"),
    ("degraded", "Degraded", "Beeinträchtigt"),
    ("partial_outage", "Partial outage", "Teilausfall"),
    ("major_outage", "Major outage", "Ausfall"),
    ("investigating", "Investigating", "Wird untersucht"),
    ("identified", "Identified", "Ursache gefunden"),
    ("monitoring", "Monitoring", "Wird beobachtet"),
    ("resolved", "Resolved", "Behoben"),
    ("scheduled", "Scheduled", "Geplant"),
    ("in_progress", "In progress", "Läuft"),
    ("completed", "Completed", "Abgeschlossen"),
    ("skip", "Skip to content", "Zum Inhalt"),
    ("history", "History", "Verlauf"),
    ("feed", "Feed", "Feed"),
    ("now", "Now", "Jetzt"),
    ("readers", "Get updates", "Benachrichtigungen"),
    ("readers_ask", "Get updates", "Benachrichtigungen"),
    (
        "readers_ask_text",
        "You are told what is published on this page. First a message asks whether you want that.",
        "Sie erfahren, was auf dieser Seite veröffentlicht wird. Zuerst fragt eine Nachricht, ob Sie das möchten.",
    ),
    ("readers_mail", "Mail address", "E-Mail-Adresse"),
    (
        "readers_call",
        "Web address that is called (webhook)",
        "Web-Adresse, die aufgerufen wird (Webhook)",
    ),
    ("readers_send", "Send", "Senden"),
    ("readers_asked", "Look for our message", "Achten Sie auf unsere Nachricht"),
    (
        "readers_asked_text",
        "If this address can get updates, a message with a link is on its way to it. The link is good for a day.",
        "Wenn diese Adresse Benachrichtigungen erhalten kann, ist eine Nachricht mit einem Link zu ihr unterwegs. Der Link gilt einen Tag.",
    ),
    ("readers_join", "Confirm updates", "Benachrichtigungen bestätigen"),
    (
        "readers_join_text",
        "What is published on this page will be sent to the address that this link came to.",
        "Was auf dieser Seite veröffentlicht wird, geht an die Adresse, an die dieser Link ging.",
    ),
    ("readers_join_do", "Confirm", "Bestätigen"),
    ("readers_joined", "Confirmed", "Bestätigt"),
    (
        "readers_joined_text",
        "You will be told. Each message has a link that ends it.",
        "Sie werden benachrichtigt. Jede Nachricht enthält einen Link, der das beendet.",
    ),
    ("readers_leave", "End updates", "Benachrichtigungen beenden"),
    (
        "readers_leave_text",
        "Nothing more will be sent to the address that this link came to.",
        "An die Adresse, an die dieser Link ging, wird nichts mehr gesendet.",
    ),
    ("readers_leave_do", "End them", "Beenden"),
    ("readers_left", "Ended", "Beendet"),
    (
        "readers_left_text",
        "You get no more updates. The address is forgotten.",
        "Sie erhalten keine Benachrichtigungen mehr. Die Adresse ist vergessen.",
    ),
    ("readers_gone", "This link is not valid", "Dieser Link gilt nicht"),
    (
        "readers_gone_text",
        "It was used, or is older than a day. Ask for another one on the page.",
        "Er wurde benutzt oder ist älter als ein Tag. Fordern Sie auf der Seite einen neuen an.",
    ),
    ("readers_confirm", "Confirm updates by mail", "Benachrichtigungen per E-Mail bestätigen"),
    (
        "readers_asked_for",
        "Somebody, you we hope, asked for mails about what is published on the status page",
        "Jemand, hoffentlich Sie, hat E-Mails über Veröffentlichungen angefordert auf der Statusseite",
    ),
    (
        "readers_confirm_here",
        "If you want them, open this and confirm. It is good for a day:",
        "Wenn Sie sie möchten, öffnen Sie dies und bestätigen Sie. Es gilt einen Tag:",
    ),
    (
        "readers_ignore",
        "If not, ignore this mail: nothing more is sent, and your address is not kept.",
        "Wenn nicht, ignorieren Sie diese E-Mail: Es wird nichts mehr gesendet, und Ihre Adresse wird nicht gespeichert.",
    ),
    ("readers_leave_here", "No more of these mails:", "Keine weiteren dieser E-Mails:"),
    ("open", "Open incidents", "Offene Störungen"),
    ("components", "Components", "Komponenten"),
    ("planned", "Planned", "Geplant"),
    ("earlier", "Earlier", "Früher"),
    ("nothing_planned", "No work is planned.", "Keine Arbeiten geplant."),
    ("nothing_earlier", "No incidents.", "Keine Störungen."),
    ("since", "since", "seit"),
    ("until", "until", "bis"),
    ("good", "no trouble", "keine Störung"),
    ("day_degraded", "degraded", "beeinträchtigt"),
    ("day_outage", "outage", "Ausfall"),
    ("day_maintenance", "maintenance", "Wartung"),
    ("uptime", "uptime", "Verfügbarkeit"),
    ("status", "status", "Status"),
    ("as_of", "As of", "Stand"),
    ("all_good", "All systems operational", "Alle Systeme in Ordnung"),
    ("all_work", "Everything else works.", "Alles andere funktioniert."),
    ("is_maintenance", "is under maintenance", "wird gewartet"),
    ("is_degraded", "is degraded", "ist beeinträchtigt"),
    ("is_partial_outage", "is partly failing", "ist teilweise ausgefallen"),
    ("is_major_outage", "is not working", "ist ausgefallen"),
    ("is_no_data", "has no data", "hat keine Daten"),
    ("page_maintenance", "Planned work is under way", "Geplante Arbeiten laufen"),
    ("page_degraded", "Some systems are degraded", "Einige Systeme sind beeinträchtigt"),
    ("page_partial_outage", "Some systems are failing", "Einige Systeme sind ausgefallen"),
    ("page_major_outage", "There is a major outage", "Es gibt einen größeren Ausfall"),
    ("page_no_data", "No data about some systems", "Keine Daten über einige Systeme"),
];

const MONTHS: [(&str, &str); 12] = [
    ("Jan", "Jan."),
    ("Feb", "Feb."),
    ("Mar", "März"),
    ("Apr", "Apr."),
    ("May", "Mai"),
    ("Jun", "Juni"),
    ("Jul", "Juli"),
    ("Aug", "Aug."),
    ("Sep", "Sep."),
    ("Oct", "Okt."),
    ("Nov", "Nov."),
    ("Dec", "Dez."),
];

impl Language {
    /// Returns its code: `en`, `de`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Returns the words of this name; the name itself if there are none.
    pub fn say(self, name: &str) -> &str {
        let found = WORDS.iter().find(|(known, _, _)| *known == name);
        match (found, self) {
            (Some((_, english, _)), Self::English) => english,
            (Some((_, _, german)), Self::German) => german,
            (None, _) => name,
        }
    }

    /// Returns that the page shows so many days.
    pub(crate) fn last_days(self, n: u32) -> String {
        match (self, n) {
            (Self::English, 1) => "Today.".to_owned(),
            (Self::English, n) => format!("Last {n} days. Each bar is a day, taller is worse."),
            (Self::German, 1) => "Heute.".to_owned(),
            (Self::German, n) => {
                format!("Die letzten {n} Tage. Jeder Balken ist ein Tag, höher ist schlechter.")
            }
        }
    }

    /// Returns in how many of its days a component had something, for those who do not see bars.
    pub(crate) fn days(self, days: usize, degraded: usize, outage: usize) -> String {
        match self {
            Self::English => {
                format!("Last {days} days: {degraded} degraded, {outage} with an outage")
            }
            Self::German => {
                format!("Letzte {days} Tage: {degraded} beeinträchtigt, {outage} mit Ausfall")
            }
        }
    }

    /// Returns a day: `14 Mar`, `14. März`, with its year if that is not `year`.
    pub(crate) fn day(self, at: &Zoned, year: i16) -> String {
        let month = usize::from(at.month().unsigned_abs()).saturating_sub(1);
        let (english, german) = MONTHS.get(month).copied().unwrap_or_default();
        let day = match self {
            Self::English => format!("{} {english}", at.day()),
            Self::German => format!("{}. {german}", at.day()),
        };
        if at.year() == year { day } else { format!("{day} {}", at.year()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    #[test]
    fn every_word_has_a_name_of_its_own_and_both_languages() {
        for (at, (name, english, german)) in WORDS.iter().enumerate() {
            assert!(!english.is_empty() && !german.is_empty(), "{name}");
            assert!(WORDS.iter().skip(at + 1).all(|(other, _, _)| other != name), "{name}");
        }
        assert_eq!(Language::German.say("all_good"), "Alle Systeme in Ordnung");
        assert_eq!(Language::German.say("none of these"), "none of these");
    }

    #[test]
    fn every_state_can_be_said() {
        for state in State::ALL {
            let mut names = vec![state.word().to_owned()];
            if state != State::Operational {
                names.extend([format!("is_{}", state.word()), format!("page_{}", state.word())]);
            }
            for name in names {
                assert_ne!(Language::English.say(&name), name);
            }
        }
    }

    #[test]
    fn days_are_written_as_people_of_the_language_do() {
        let at: Zoned = "2026-03-14T22:00[UTC]".parse().unwrap();
        assert_eq!(Language::English.day(&at, 2026), "14 Mar");
        assert_eq!(Language::German.day(&at, 2025), "14. März 2026");
    }
}
