//! One check over IPv4 and IPv6: well only if it is well over each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_config::Section;
use hark_net::{BoxFuture, Family};

use crate::conditions::Conditions;
use crate::finding::{Finding, Measure};
use crate::{Check, CheckType, Context, Given};

/// What the setting `family` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Families {
    One(Family),
    Both,
}

impl Families {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("either", Self::One(Family::Either)),
        ("ipv4", Self::One(Family::V4)),
        ("ipv6", Self::One(Family::V6)),
        ("both", Self::Both),
    ];
}

/// Reads a check of `kind` with its conditions, and makes two of it where its settings ask for both
/// families. Where the settings name no address, that of the check's host is meant which is of the family;
/// the first one of `hosts` if there is none, or if either will do.
pub(crate) fn read(
    kind: &dyn CheckType,
    section: &Section<'_>,
    hosts: &[String],
    conditions: Conditions,
) -> Option<Box<dyn Check>> {
    let has_family = kind.keys().iter().any(|key| key.name == "family");
    let families = if has_family { section.word("family", Families::WORDS) } else { None };
    let (wanted, conditions) = (conditions.names(), Arc::new(conditions));
    let of = |family| {
        let check =
            kind.read(section, Given { host: of_family(hosts, family), family, wanted: &wanted })?;
        Some(conditions.onto(check))
    };
    match families.unwrap_or(Families::One(Family::Either)) {
        Families::One(family) => of(family),
        Families::Both => {
            // Both are read, so that what is wrong is reported once and not by luck.
            let (v4, v6) = (of(Family::V4), of(Family::V6));
            Some(Box::new(Both { v4: v4?, v6: v6? }))
        }
    }
}

fn of_family(hosts: &[String], family: Family) -> Option<&str> {
    let is_wanted = |host: &&String| match (host.parse::<IpAddr>(), family) {
        (Ok(IpAddr::V4(_)), Family::V4) | (Ok(IpAddr::V6(_)), Family::V6) => true,
        (_, Family::V4 | Family::V6 | Family::Either) => false,
    };
    hosts.iter().find(is_wanted).or_else(|| hosts.first()).map(String::as_str)
}

#[derive(Debug)]
struct Both {
    v4: Box<dyn Check>,
    v6: Box<dyn Check>,
}

impl Check for Both {
    fn kind(&self) -> &'static str {
        self.v4.kind()
    }

    fn target(&self) -> String {
        self.v4.target()
    }

    fn timeout(&self) -> Duration {
        self.v4.timeout().max(self.v6.timeout())
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            // Each has its own time: a silent family must not take the other's verdict with it.
            let v4 = crate::run(&*self.v4, context);
            let v6 = crate::run(&*self.v6, context);
            let ((v4, _), (v6, _)) = tokio::join!(v4, v6);
            combine(v4, v6)
        })
    }
}

/// Joins what was found over each family: the worse status, both texts, and measures and facts with
/// the family before their name.
fn combine(v4: Finding, v6: Finding) -> Finding {
    let mut lines = Vec::new();
    let mut rest = Vec::new();
    let status = v4.status.worse(v6.status);
    let mut joined = Finding::new(status, "");
    for (word, mark, finding) in [("IPv4", "ipv4", v4), ("IPv6", "ipv6", v6)] {
        let (first, more) = finding.text.split_once('\n').unwrap_or((&finding.text, ""));
        lines.push(format!("{word} {}: {first}", finding.status.word()));
        if !more.is_empty() {
            rest.push(format!("{word}: {more}"));
        }
        for measure in finding.measures {
            let name = format!("{mark}_{}", measure.name);
            let limits = (measure.warning, measure.critical);
            let renamed = Measure::new(name, measure.value, measure.unit);
            joined.measures.push(renamed.ranges(limits.0, limits.1));
        }
        for (name, fact) in finding.facts.iter() {
            joined.facts.put(format!("{mark}_{name}"), fact.clone());
        }
    }
    joined.text = lines.join("; ");
    for more in rest {
        joined.text = format!("{}\n{more}", joined.text);
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
    use std::sync::Arc;

    use hark_config::{Document, NoSecrets};
    use hark_model::Status;

    use super::*;
    use crate::types::tcp::Tcp;

    async fn look(settings: &str) -> Finding {
        let document = Document::single(settings);
        let check = read(&Tcp, &document.root(&NoSecrets), &[], Conditions::default()).unwrap();
        let context = Context::new(Arc::new(hark_net::Resolver::default()));
        crate::run(&*check, &context).await.0
    }

    #[tokio::test]
    async fn both_families_must_be_well() {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = v4.local_addr().unwrap().port();
        let settings = format!("address: two.localhost\nport: {port}\nfamily: both\n");
        let half = look(&settings).await;
        assert_eq!(half.status, Status::Critical);
        assert!(half.text.starts_with("IPv4 ok: 127.0.0.1:"), "{}", half.text);
        assert!(half.text.contains("; IPv6 critical: no connection to [::1]:"), "{}", half.text);
        let _v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).unwrap();
        let whole = look(&settings).await;
        assert_eq!(whole.status, Status::Ok, "{}", whole.text);
        let names: Vec<_> = whole.measures.iter().map(|m| &*m.name).collect();
        assert!(names.contains(&"ipv4_connect_seconds"), "{names:?}");
        assert!(names.contains(&"ipv6_connect_seconds"), "{names:?}");
        assert_eq!(whole.facts.get("ipv6_address"), &hark_conditions::Fact::from("::1"));
    }

    #[tokio::test]
    async fn one_family_alone_is_asked_alone() {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = v4.local_addr().unwrap().port();
        let of = |family| format!("address: two.localhost\nport: {port}\nfamily: {family}\n");
        assert_eq!(look(&of("ipv4")).await.status, Status::Ok);
        assert_eq!(look(&of("ipv6")).await.status, Status::Critical);
        assert_eq!(look(&of("either")).await.status, Status::Ok);
    }
}
