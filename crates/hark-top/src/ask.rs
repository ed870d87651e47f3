//! Questions to the API, and what it is told to do.

use hark_net::encoded;
use serde_json::{Value, json};

/// A question: its answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Counts and the sentence above all.
    Overview,
    /// Open incidents with a word in them, at most so many.
    Incidents {
        /// The word.
        contains: String,
        /// At most so many.
        limit: usize,
    },
    /// Hosts with a word in their name or tags and of one state (a letter of the API), at most so many.
    Hosts {
        /// The word.
        contains: String,
        /// The state's letter.
        state: Option<char>,
        /// At most so many.
        limit: usize,
    },
    /// All of an incident.
    Incident(u64),
    /// All of a host.
    Host(String),
    /// What is measured at a host.
    Metrics(String),
    /// One metric of a host over time.
    Series {
        /// The host.
        host: String,
        /// The path of the metric.
        metric: String,
        /// The first moment, in Unix seconds.
        from: i64,
        /// How many points at most.
        points: u16,
    },
}

impl Ask {
    /// Returns the path to be asked for, with its query.
    pub fn path(&self) -> String {
        match self {
            Self::Overview => "/api/0/overview".to_owned(),
            Self::Incidents { contains, limit } => {
                format!("/api/0/incidents?view=open&limit={limit}{}", with("q", contains))
            }
            Self::Hosts { contains, state, limit } => {
                let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
                format!("/api/0/hosts?limit={limit}{state}{}", with("q", contains))
            }
            Self::Incident(id) => format!("/api/0/incidents/{id}"),
            Self::Host(host) => format!("/api/0/hosts/{}", encoded(host)),
            Self::Metrics(host) => format!("/api/0/hosts/{}/metrics", encoded(host)),
            Self::Series { host, metric, from, points } => {
                // A comma would begin another metric.
                let metric = encoded(&metric.replace(',', "%2C"));
                let host = encoded(host);
                format!("/api/0/hosts/{host}/series?names={metric}&from={from}&points={points}")
            }
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Take an incident.
    Take {
        /// Its number.
        incident: u64,
        /// Why.
        comment: String,
    },
    /// Give an incident back.
    GiveBack(u64),
    /// Look at all checks of a host now.
    Look(String),
}

impl Act {
    /// Returns the path and the body to be posted there.
    pub fn request(&self) -> (String, Value) {
        match self {
            Self::Take { incident, comment } => {
                let body = json!({"comment": comment, "sticky": false});
                (format!("/api/0/incidents/{incident}/ack"), body)
            }
            Self::GiveBack(incident) => (format!("/api/0/incidents/{incident}/unack"), Value::Null),
            Self::Look(host) => (format!("/api/0/hosts/{}/look", encoded(host)), Value::Null),
        }
    }

    /// Returns what is said when it was done.
    pub(crate) fn done(&self) -> String {
        match self {
            Self::Take { incident, .. } => format!("incident {incident} is yours"),
            Self::GiveBack(incident) => format!("incident {incident} is given back"),
            Self::Look(host) => format!("{host} is looked at now"),
        }
    }
}

fn with(key: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("&{key}={}", encoded(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_cannot_leave_its_place() {
        let hosts = Ask::Hosts { contains: "a b&state=c".to_owned(), state: Some('w'), limit: 5 };
        assert_eq!(hosts.path(), "/api/0/hosts?limit=5&state=w&q=a%20b%26state%3Dc");
        let incidents = Ask::Incidents { contains: String::new(), limit: 5 };
        assert_eq!(incidents.path(), "/api/0/incidents?view=open&limit=5");
        let look = Act::Look("a/../b".to_owned());
        assert_eq!(look.request().0, "/api/0/hosts/a%2F..%2Fb/look");
        let series = Ask::Series {
            host: "a".to_owned(),
            metric: "disk./x,y.percent".to_owned(),
            from: -1,
            points: 80,
        };
        assert_eq!(
            series.path(),
            "/api/0/hosts/a/series?names=disk.%2Fx%252Cy.percent&from=-1&points=80"
        );
    }
}
