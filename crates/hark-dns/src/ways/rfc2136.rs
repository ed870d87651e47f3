//! The protocol of name servers themselves (RFC 2136), signed with a key (TSIG, RFC 8945).
//!
//! SIG(0) is not offered: the library has no signing of messages by public keys.

use std::sync::Arc;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::BoxFuture;

use crate::key::{ALGORITHM, KEY, KEY_FILE, SECRET, TsigKey};
use crate::message::{is_cut, sign, update};
use crate::name::DnsName;
use crate::server::{self, Server};
use crate::way::{Again, Change, Context, Failure, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Rfc2136;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "servers",
        Kind::OneOrMany(&Kind::Text),
        "Primary servers of the zone, tried in turn: a name or an address, with a port if it is not 53.",
    )
    .required(),
    KEY_FILE,
    KEY,
    ALGORITHM,
    SECRET,
];

/// Bound on servers.
const MAX_SERVERS: usize = 8;

impl WayType for Rfc2136 {
    fn name(&self) -> &'static str {
        "rfc2136"
    }

    fn manual(&self) -> &'static str {
        "Sends an update (RFC 2136) to the primary server of the zone, signed with a key (TSIG, RFC 8945); \
         the answer's signature is checked. The records of a name are replaced in one message. It goes over \
         UDP, and over TCP if no answer comes. Of several `servers` the first that takes the update counts. \
         Without a key the server must allow updates by address. They are also the servers that are asked \
         whether it is there."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "servers: [192.0.2.53, '[2001:db8::53]:5353']\nkey: ddns\nsecret: aGFyaw==\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        section.required("servers");
        let mut servers: Vec<Server> = section
            .parse_many("servers", str::parse)
            .into_iter()
            .map(|server| server.value)
            .collect();
        servers.truncate(MAX_SERVERS);
        let key = TsigKey::read(section);
        (!servers.is_empty()).then(|| Arc::new(Direct { servers, key }) as Arc<dyn Way>)
    }
}

#[derive(Debug)]
struct Direct {
    servers: Vec<Server>,
    key: Option<TsigKey>,
}

impl Way for Direct {
    fn target(&self) -> String {
        self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.key.iter().map(|key| &key.secret).collect()
    }

    fn settle(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn servers(&self) -> &[Server] {
        &self.servers
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let mut worst: Option<Failure> = None;
            for server in &self.servers {
                match self.publish_at(server, change, context).await {
                    Ok(()) => return Ok(format!("by {server}")),
                    Err(failure) => {
                        let worse = worst.take().map_or(failure.clone(), |w| worse(&w, &failure));
                        worst = Some(worse);
                    }
                }
            }
            Err(worst.unwrap_or_else(|| Failure::refused("there is no server")))
        })
    }
}

impl Direct {
    async fn publish_at(
        &self,
        server: &Server,
        change: &Change,
        context: &Context,
    ) -> Result<(), Failure> {
        let key = self.key.as_ref().map(|key| &key.key);
        let signed = sign(update(change), key, (context.clock)());
        let is_answer = |bytes: &[u8]| signed.is_answer(bytes);
        let answer = server::ask(server, &*context.resolve, &signed.bytes, is_answer, is_cut).await;
        let answer = answer.map_err(|error| {
            if error.was_sent { Failure::unanswered(error.text) } else { Failure::away(error.text) }
        })?;
        signed.judge(answer, change, (context.clock)()).map_err(|mut failure| {
            failure.text = format!("{server}: {}", failure.text);
            failure
        })
    }
}

/// Of the failures of several servers: as long as one of them is only away, it is tried again; that one may
/// have taken it counts; and a no says more than silence.
fn worse(one: &Failure, other: &Failure) -> Failure {
    let again = if one.again == Again::Never && other.again == Again::Never {
        Again::Never
    } else {
        Again::Later
    };
    let maybe_done = one.maybe_done || other.maybe_done;
    let text = format!("{}; {}", one.text, other.text);
    Failure { text, again, maybe_done, scope: one.scope }
}
