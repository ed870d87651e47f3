//! A directory that vouches for users: found by name, known by their password, with their groups.
//!
//! The same few messages as the check `ldap` sends. A user is searched for, and the directory itself is asked
//! whether the password is his, by logging in as him (search and bind): the password is never compared here.
//! What people type goes into filters with everything but plain characters escaped, and an empty password
//! is asked of nobody: directories take a name without one for nobody and say yes. Referrals are not followed:
//! another server's word, for which nobody has said whom to trust, lets nobody in.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use hark_model::Secret;
use hark_net::{Dial, Resolve, Tls, TlsError, Unreached, connect};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::octets::hex;
use crate::types::ldap::wire::{self, Answer, Entry, Outcome, Scope};

/// Most entries that are asked for when one is looked for: a second one is one too many.
const MOST_PEOPLE: i64 = 2;

/// Most groups of one user that are read, those within which others are included: what Active Directory itself
/// allows is fewer.
const MOST_GROUPS: u16 = 1500;

/// Most groups whose groups are asked for with one search: names of entries are long, and servers bound filters.
const MOST_AT_ONCE: usize = 50;

/// Most bytes that are read for one search: groups with all their members are not asked for.
const MAX_FOUND: usize = 4 * 1024 * 1024;

/// How a search ends that has found more than was asked for.
const SIZE_LIMIT: i64 = 4;

/// How a log-in ends that lets nobody in: wrong, locked, expired, not to be used so, or just removed
/// (invalidCredentials, inappropriateAuthentication, unwillingToPerform, insufficientAccessRights,
/// constraintViolation, noSuchObject). Whoever asks does not hear which.
const NOT_LET_IN: [i64; 6] = [49, 48, 53, 50, 19, 32];

/// Where a directory is and how users are found in it.
#[derive(Debug)]
pub struct Directory {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and when TLS is spoken.
    pub way: Way,
    /// Who is trusted.
    pub tls: Tls,
    /// As whom users are searched for; without, as nobody.
    pub reader: Option<(String, Secret)>,
    /// Where users are.
    pub base: String,
    /// What finds one, with `{name}`.
    pub filter: String,
    /// The attribute that never changes.
    pub id: String,
    /// The attribute with the name to log in with.
    pub name: String,
    /// The attribute with the name for people.
    pub full_name: String,
    /// The user's own attribute with his groups.
    pub member_of: String,
    /// Where groups are, if the user's own attribute does not say all.
    pub groups: Option<Groups>,
    /// How long everything may take.
    pub timeout: Duration,
}

/// How the groups of a user are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Where they are.
    pub base: String,
    /// What finds those of a user, with `{dn}` or `{name}`.
    pub filter: String,
    /// The attribute with their name.
    pub name: String,
    /// Whether the groups that these are in count as well, and so on.
    pub is_nested: bool,
}

/// Whether and when TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the start.
    Tls,
    /// After a word in the clear.
    StartTls,
    /// Never: for this machine alone.
    Plain,
}

/// A user of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What never changes; bytes that are no text as `hex:` and their digits.
    pub id: String,
    /// The name to log in with.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// Names of his groups: as the directory names them, and for those found by a search their names.
    pub groups: Vec<String>,
}

/// Why a directory could not say whose a password is. No text holds what is secret.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// There is no connection.
    #[error("it cannot be reached")]
    Away(#[source] Unreached),
    /// It is not who it should be.
    #[error("TLS cannot be agreed on")]
    Tls(#[source] TlsError),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// It takes too long.
    #[error("it takes longer than {0:?}")]
    Late(Duration),
    /// It says what was not asked, or what is no LDAP.
    #[error("it does not answer as it must: {0}")]
    Foreign(String),
    /// It does not do what it is asked.
    #[error("it refuses {what}: {why}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What it says.
        why: String,
    },
    /// The settings do not make one answer of what it holds.
    #[error("{0}")]
    Settings(String),
}

impl Directory {
    /// Returns whom `name` and `password` are of; `None` if of nobody. Cancelling it closes the connection.
    ///
    /// # Errors
    /// If the directory cannot be asked: then nobody knows.
    pub async fn log_in(
        &self,
        resolver: &dyn Resolve,
        name: &str,
        password: &Secret,
    ) -> Result<Option<Person>, Unasked> {
        if name.is_empty() || password.expose().is_empty() {
            return Ok(None);
        }
        let late = |_elapsed| Unasked::Late(self.timeout);
        timeout(self.timeout, self.ask(resolver, name, password)).await.map_err(late)?
    }

    async fn ask(
        &self,
        resolver: &dyn Resolve,
        name: &str,
        password: &Secret,
    ) -> Result<Option<Person>, Unasked> {
        let dial = Dial::new(&self.host, self.port, self.timeout);
        let mut stream = connect(resolver, dial).await.map_err(Unasked::Away)?.stream;
        match self.way {
            Way::Plain => return self.talk(Talk::new(stream), name, password).await,
            Way::StartTls => start_tls(Talk::new(&mut stream)).await?,
            Way::Tls => {}
        }
        let secured = self.tls.secure(stream, &self.host).await.map_err(Unasked::Tls)?;
        self.talk(Talk::new(secured), name, password).await
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut talk: Talk<S>,
        name: &str,
        password: &Secret,
    ) -> Result<Option<Person>, Unasked> {
        let (reader, secret) = match &self.reader {
            Some((name, secret)) => (name.as_str(), secret.expose()),
            None => ("", ""),
        };
        done("the log-in of this server", &talk.bind(reader, secret).await?)?;
        let Some(entry) = self.find(&mut talk, name).await? else { return Ok(None) };
        let own_name = exact(&entry.name)
            .ok_or_else(|| Unasked::Foreign("a name of an entry is no text".to_owned()))?;
        let mut person = self.read(&entry, &own_name)?;
        person.groups.extend(self.groups(&mut talk, &own_name, name).await?);
        let outcome = talk.bind(&own_name, password.expose()).await?;
        talk.leave().await;
        if NOT_LET_IN.contains(&outcome.code) {
            return Ok(None);
        }
        done("the log-in of the user", &outcome)?;
        Ok(Some(person))
    }

    async fn find<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        talk: &mut Talk<S>,
        name: &str,
    ) -> Result<Option<Entry>, Unasked> {
        let filter = filter(&self.filter.replace("{name}", &escaped(name)))?;
        let wanted = [&*self.id, &self.name, &self.full_name, &self.member_of];
        let (mut found, outcome) = talk.search(&self.base, &filter, &wanted, MOST_PEOPLE).await?;
        if outcome.code == SIZE_LIMIT || found.len() > 1 {
            return Err(Unasked::Settings(format!("{name:?} is the name of several entries")));
        }
        done("the search for the user", &outcome)?;
        Ok(found.pop())
    }

    /// Reads what is known of a user, without the groups that are found by a search.
    fn read(&self, entry: &Entry, own_name: &str) -> Result<Person, Unasked> {
        let first = |attribute: &str| entry.values(attribute).find(|value| !value.is_empty());
        let lacks = |attribute| Unasked::Settings(format!("{own_name:?} has no {attribute}"));
        let id = first(&self.id).ok_or_else(|| lacks(&self.id))?;
        let name = first(&self.name).and_then(exact).ok_or_else(|| lacks(&self.name))?;
        Ok(Person {
            // What is no text must not become one: two users with other bytes would be one.
            id: exact(id).unwrap_or_else(|| format!("hex:{}", hex(id))),
            name,
            full_name: first(&self.full_name).and_then(exact).unwrap_or_default(),
            groups: entry.values(&self.member_of).filter_map(exact).collect(),
        })
    }

    /// Returns the names of groups that are found by a search; if they nest, of those that these are in, too.
    async fn groups<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        talk: &mut Talk<S>,
        own_name: &str,
        name: &str,
    ) -> Result<Vec<String>, Unasked> {
        let Some(groups) = &self.groups else { return Ok(Vec::new()) };
        let (mut names, mut known) = (Vec::new(), BTreeSet::new());
        let mut members = vec![own_name.to_owned()];
        while !members.is_empty() {
            let mut found = Vec::new();
            for some in members.chunks(MOST_AT_ONCE) {
                let filter = filter(&groups.of(some, name))?;
                let (more, outcome) =
                    talk.search(&groups.base, &filter, &[&groups.name], MOST_GROUPS.into()).await?;
                done("the search for groups", &outcome)?;
                found.extend(more);
            }
            // Groups that are in one another, or in several, are asked about once.
            found.retain(|group| known.insert(group.name.to_ascii_lowercase()));
            if known.len() > usize::from(MOST_GROUPS) {
                let many = format!("{own_name:?} is in more than {MOST_GROUPS} groups");
                return Err(Unasked::Settings(many));
            }
            names.extend(found.iter().flat_map(|it| it.values(&groups.name)).filter_map(exact));
            let entries = found.iter().filter(|_| groups.is_nested);
            members = entries.filter_map(|group| exact(&group.name)).collect();
        }
        Ok(names)
    }
}

impl Groups {
    /// Returns the filter that finds the groups of any of these entries, the user or groups of his.
    fn of(&self, members: &[String], name: &str) -> String {
        let filter = self.filter.replace("{name}", &escaped(name));
        let one = |entry: &String| {
            let text = filter.trim().replace("{dn}", &escaped(entry));
            if text.starts_with('(') { text } else { format!("({text})") }
        };
        match members {
            [only] => one(only),
            several => format!("(|{})", several.iter().map(one).collect::<String>()),
        }
    }
}

fn filter(text: &str) -> Result<Vec<u8>, Unasked> {
    wire::filter(text).map_err(|why| Unasked::Settings(format!("the filter: {why}")))
}

/// Returns bytes that are text of one line as it.
fn exact(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Returns `text` as it stands in a filter: everything but plain characters as digits, so that nothing in it
/// means anything there (RFC 4515, 3).
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            write!(out, "\\{byte:02x}").unwrap_or_default();
        }
        out
    })
}

fn done(what: &'static str, outcome: &Outcome) -> Result<(), Unasked> {
    if outcome.is_success() { Ok(()) } else { Err(Unasked::Refused { what, why: outcome.words() }) }
}

/// Agrees on TLS in the clear.
async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(mut talk: Talk<S>) -> Result<(), Unasked> {
    let number = talk.say(wire::start_tls).await?;
    let Answer::Extended(outcome) = talk.hear(number).await?.0 else {
        return Err(Unasked::Foreign("another answer to STARTTLS".to_owned()));
    };
    done("STARTTLS", &outcome)?;
    if talk.received.is_empty() {
        Ok(())
    } else {
        // What was said in the clear must not be taken for protected words.
        Err(Unasked::Foreign("it went on talking before TLS began".to_owned()))
    }
}

/// A conversation, message by message.
struct Talk<S> {
    stream: S,
    /// Received and not yet read: never more than a message and what one look at the stream brings.
    received: Vec<u8>,
    number: i64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream, received: Vec::new(), number: 0 }
    }

    /// Sends a message; returns its number.
    async fn say(&mut self, message: impl FnOnce(i64) -> Vec<u8>) -> Result<i64, Unasked> {
        self.number += 1;
        let bytes = message(self.number);
        self.stream.write_all(&bytes).await.map_err(Unasked::Broken)?;
        self.stream.flush().await.map_err(Unasked::Broken)?;
        Ok(self.number)
    }

    /// Returns the next answer to the message of this number, and how long it was.
    async fn hear(&mut self, number: i64) -> Result<(Answer, usize), Unasked> {
        loop {
            match wire::read(&self.received).map_err(Unasked::Foreign)? {
                Some(((of, answer), n)) if of == number => {
                    self.received.drain(..n);
                    return Ok((answer, n));
                }
                // A server that ends the connection by itself says so under the number 0.
                Some(((0, Answer::Extended(outcome)), _)) => {
                    return Err(Unasked::Foreign(format!("it ends: {}", outcome.words())));
                }
                Some(_) => {
                    return Err(Unasked::Foreign("an answer to what was not asked".to_owned()));
                }
                None => {}
            }
            let read = self.stream.read_buf(&mut self.received).await.map_err(Unasked::Broken)?;
            if read == 0 {
                return Err(Unasked::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    async fn bind(&mut self, name: &str, password: &str) -> Result<Outcome, Unasked> {
        let number = self.say(|number| wire::bind(number, name, password)).await?;
        let Answer::Bound(outcome) = self.hear(number).await?.0 else {
            return Err(Unasked::Foreign("another answer to a log-in".to_owned()));
        };
        Ok(outcome)
    }

    /// Returns what is found, `most` entries or a few more if the server does not count well, and how the
    /// search ended.
    async fn search(
        &mut self,
        base: &str,
        filter: &[u8],
        attributes: &[&str],
        most: i64,
    ) -> Result<(Vec<Entry>, Outcome), Unasked> {
        let search = |number| wire::search(number, base, Scope::Sub, filter, attributes, most);
        let number = self.say(search).await?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let (answer, n) = self.hear(number).await?;
            bytes += n;
            if bytes > MAX_FOUND {
                return Err(Unasked::Foreign("it answers more than is read".to_owned()));
            }
            match answer {
                Answer::Entry(entry) => found.push(entry),
                Answer::Reference => {}
                Answer::Done(outcome) => return Ok((found, outcome)),
                Answer::Bound(_) | Answer::Extended(_) => {
                    return Err(Unasked::Foreign("another answer to a search".to_owned()));
                }
            }
        }
    }

    async fn leave(&mut self) {
        // Whether it hears the farewell is all the same.
        drop(self.say(wire::unbind).await);
    }
}

#[cfg(test)]
mod tests;
