//! Whether a name is what was published, by a question to the servers that have the last word on it.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;

use crate::message::{Question, is_cut};
use crate::name::DnsName;
use crate::server::{self, Server};
use crate::way::{Change, Context};
use crate::zone::{Verify, Zone};

/// Bound on servers that are asked: more are not needed to see that one is behind.
const MAX_ASKED: usize = 4;

/// What stands at an authoritative server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The A records.
    pub v4: Vec<Ipv4Addr>,
    /// The AAAA records.
    pub v6: Vec<Ipv6Addr>,
    /// Who said so.
    pub server: String,
}

/// Returns what is otherwise than published; `None` if all of ours is as it shall be.
pub(crate) fn difference(change: &Change, found: &Found) -> Option<String> {
    let is_v4_ours = change.set.v4.is_some() || change.had.v4.is_some();
    let is_v6_ours = change.set.v6.is_some() || change.had.v6.is_some();
    let v4_differs = is_v4_ours && found.v4 != change.set.v4.into_iter().collect::<Vec<_>>();
    let v6_differs = is_v6_ours && found.v6 != change.set.v6.into_iter().collect::<Vec<_>>();
    if !v4_differs && !v6_differs {
        return None;
    }
    let v4 = found.v4.iter().map(ToString::to_string);
    let all: Vec<String> = v4.chain(found.v6.iter().map(ToString::to_string)).collect();
    let all = if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
    Some(format!("{} says {all}, not {}", found.server, change.set))
}

/// Asks the authoritative servers of `zone`. All that answer must agree with the change: what the first
/// says that does not is returned, else what the last said.
///
/// # Errors
/// If nobody answers with authority.
pub(crate) async fn ask(zone: &Zone, change: &Change, context: &Context) -> Result<Found, String> {
    let servers = match &zone.verify {
        Verify::Off => Vec::new(),
        Verify::Servers(servers) => servers.clone(),
        Verify::ByName => by_name(&zone.name, context).await?,
    };
    let mut last = Err("there is no server to ask".to_owned());
    let mut answered = None;
    for server in servers.iter().take(MAX_ASKED) {
        match one(server, &change.name, context).await {
            Ok(found) if difference(change, &found).is_some() => return Ok(found),
            Ok(found) => answered = Some(found),
            Err(error) => last = Err(error),
        }
    }
    answered.map_or(last, Ok)
}

async fn one(server: &Server, name: &DnsName, context: &Context) -> Result<Found, String> {
    let mut found = Found { server: server.to_string(), ..Found::default() };
    for rtype in [Rtype::A, Rtype::AAAA] {
        let question = Question::own(name, rtype);
        let answer = server::ask(
            server,
            &*context.resolve,
            &question.bytes,
            |bytes| question.is_answer(bytes),
            is_cut,
        );
        let answer = answer.await.map_err(|error| error.text)?;
        question.read(&answer, &mut found).map_err(|error| format!("{server}: {error}"))?;
    }
    Ok(found)
}

/// Finds the name servers of a zone. What is called a zone in the configuration may lie below the real one:
/// then those of the next above are asked.
async fn by_name(zone: &DnsName, context: &Context) -> Result<Vec<Server>, String> {
    let resolvers = (context.name_servers)();
    let mut at = Some(zone.clone());
    while let Some(name) = at {
        let question = Question::through(&name, Rtype::NS);
        let mut why = "no name server is known here".to_owned();
        let mut answer = None;
        for resolver in &resolvers {
            let resolver = Server::at(*resolver);
            let asked = server::ask(
                &resolver,
                &*context.resolve,
                &question.bytes,
                |bytes| question.is_answer(bytes),
                is_cut,
            );
            match asked.await {
                Ok(bytes) => {
                    answer = Some(bytes);
                    break;
                }
                Err(error) => why = error.text,
            }
        }
        let Some(answer) = answer else {
            return Err(format!("the name servers of {zone} are not found: {why}"));
        };
        let servers = Question::servers(&answer);
        if !servers.is_empty() {
            let named = |name: &DnsName| Server::named(name.as_str(), context.port);
            return Ok(servers.iter().map(named).collect());
        }
        at = name.parent();
    }
    Err(format!("the name servers of {zone} are not found: there is no such zone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::Addresses;
    use std::time::Duration;

    #[test]
    fn only_what_is_ours_is_compared() {
        let name = DnsName::new("a.example").unwrap();
        let v4 = |last| Ipv4Addr::new(192, 0, 2, last);
        let change = |set, had| Change {
            zone: name.clone(),
            name: name.clone(),
            ttl: Duration::from_mins(1),
            set: Addresses { v4: set, v6: None },
            had: Addresses { v4: had, v6: None },
        };
        let found = |v4: &[Ipv4Addr]| Found {
            v4: v4.to_vec(),
            v6: vec!["2001:db8::1".parse().unwrap()],
            server: "ns1".to_owned(),
        };
        assert_eq!(difference(&change(Some(v4(1)), None), &found(&[v4(1)])), None);
        assert_eq!(difference(&change(None, Some(v4(1))), &found(&[])), None);
        let text = difference(&change(Some(v4(1)), None), &found(&[v4(1), v4(2)])).unwrap();
        assert_eq!(text, "ns1 says 192.0.2.1, 192.0.2.2, 2001:db8::1, not 192.0.2.1");
        assert!(difference(&change(None, Some(v4(1))), &found(&[v4(1)])).is_some());
    }
}
