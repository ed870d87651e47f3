//! How a component is.

use serde::Serialize;

use crate::facts::{Condition, Member};

/// How a component, or a page as a whole, is; the worse, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of it works.
    Operational,
    /// Nothing is known of it.
    NoData,
    /// Somebody works on at least a part of it, as planned.
    Maintenance,
    /// It works, but not as it should.
    Degraded,
    /// Some of it does not work.
    PartialOutage,
    /// None of it works.
    MajorOutage,
}

impl State {
    /// Every state, the best first.
    pub const ALL: [Self; 6] = [
        Self::Operational,
        Self::NoData,
        Self::Maintenance,
        Self::Degraded,
        Self::PartialOutage,
        Self::MajorOutage,
    ];

    /// Returns its word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::NoData => "no_data",
            Self::Maintenance => "maintenance",
            Self::Degraded => "degraded",
            Self::PartialOutage => "partial_outage",
            Self::MajorOutage => "major_outage",
        }
    }

    /// Returns the state of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Returns true if something is wrong that nobody has planned.
    pub fn is_trouble(self) -> bool {
        self >= Self::Degraded
    }

    /// Returns how a component with these members is.
    ///
    /// Members on which somebody works as planned are left out as long as there are others. What nothing is
    /// known of counts as neither good nor bad, unless nothing is known of any.
    pub(crate) fn of(members: &[Member]) -> Self {
        let n = |meant: Condition| members.iter().filter(|member| member.now == meant).count();
        let (bad, planned) = (n(Condition::Bad), n(Condition::Planned));
        let unclear = n(Condition::Warning) + n(Condition::Unknown);
        let heard = bad + unclear + n(Condition::Good);
        let is_told = heard > n(Condition::Unknown);
        match (bad, planned) {
            (1.., _) if bad == heard => Self::MajorOutage,
            (1.., _) => Self::PartialOutage,
            (0, _) if is_told && unclear > 0 => Self::Degraded,
            (0, 1..) => Self::Maintenance,
            (0, 0) if is_told => Self::Operational,
            (0, 0) => Self::NoData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::Unix;

    fn of(members: &str) -> State {
        let member = |letter: char| Member {
            now: match letter {
                'o' => Condition::Good,
                'w' => Condition::Warning,
                'u' => Condition::Unknown,
                'c' => Condition::Bad,
                'm' => Condition::Planned,
                _ => Condition::Unheard,
            },
            since: Unix(0),
            troubles: Vec::new(),
            planned: Vec::new(),
        };
        State::of(&members.chars().map(member).collect::<Vec<_>>())
    }

    #[test]
    fn a_component_is_what_its_members_are_together() {
        use State::{Degraded, Maintenance, MajorOutage, NoData, Operational, PartialOutage};
        for (members, expected) in [
            ("", NoData),
            ("-", NoData),
            ("o", Operational),
            ("o-", Operational),
            ("ow", Degraded),
            ("ou", Degraded),
            ("u", NoData),
            ("uu", NoData),
            ("c", MajorOutage),
            ("cc-", MajorOutage),
            ("co", PartialOutage),
            ("cu", PartialOutage),
            ("cm", MajorOutage),
            ("m", Maintenance),
            ("mo", Maintenance),
            ("mw", Degraded),
            ("mu", Maintenance),
        ] {
            assert_eq!(of(members), expected, "{members}");
        }
    }

    #[test]
    fn words_of_states_are_read_again() {
        for state in State::ALL {
            assert_eq!(State::of_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
