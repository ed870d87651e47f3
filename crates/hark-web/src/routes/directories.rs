//! Names and passwords that a directory knows.
//!
//! Who has a password here logs in with that one, and no directory is asked about him: else whoever runs one
//! could let himself in as anybody, and would be given passwords that are none of his. All others are asked
//! for, one directory after the other.

use std::collections::BTreeSet;

use hark_model::Secret;

use crate::app::Shared;
use crate::backend::Account;
use crate::failure::{Failure, Reply};
use crate::login::LdapSettings;
use crate::oidc::short;
use crate::outside::Person;
use crate::peer::Peer;
use crate::vouched::{self, Vouched};

/// The longest name that a directory is asked for, in bytes: mail addresses, too.
const MAX_NAME: usize = 254;

/// The longest password, in bytes: what is longer is nobody's, and would only be carried around.
const MAX_PASSWORD: usize = 4096;

/// Returns whose `name` and `password` are by one of the directories, and how he was let in; `None` if by
/// none of them.
///
/// # Errors
/// If none says yes and one of them cannot be asked: then nobody knows.
pub(super) async fn ask(
    app: &Shared,
    peer: Peer,
    known: Option<&Account>,
    name: &str,
    password: &Secret,
) -> Reply<Option<(Account, String)>> {
    let is_theirs = known.is_none_or(|account| account.password.is_none() && !account.service);
    let can_be_asked = !name.is_empty() && name.len() <= MAX_NAME;
    let can_be_a_password = (1..=MAX_PASSWORD).contains(&password.expose().len());
    let login = app.login();
    if login.ldap.is_empty() || !is_theirs || !can_be_asked || !can_be_a_password {
        return Ok(None);
    }
    let _place = app.directory_places.try_acquire().map_err(|_full| Failure::Busy)?;
    let mut is_unsure = false;
    for directory in &login.ldap {
        match app.config.outside.person(directory, name, password).await {
            Ok(Some(person)) => return enter(app, peer, directory, person).await.map(Some),
            Ok(None) => {}
            Err(why) => {
                let why = short(&why);
                tracing::warn!(directory = directory.name, why, "a directory cannot be asked");
                is_unsure = true;
            }
        }
    }
    if is_unsure { Err(Failure::DirectoryAway) } else { Ok(None) }
}

async fn enter(
    app: &Shared,
    peer: Peer,
    directory: &LdapSettings,
    person: Person,
) -> Reply<(Account, String)> {
    let how = format!("by {}", directory.provider());
    let vouched = Vouched {
        provider: directory.provider(),
        groups: named_groups(directory, &person.groups),
        subject: person.id,
        name: person.name,
        full_name: person.full_name,
    };
    let why = match vouched::account(app, vouched, &directory.membership).await {
        // He may have typed another name than he is called by: what holds for the one holds for the other.
        Ok(account) if account.password.is_some() => {
            format!("{} has a password here", account.name)
        }
        Ok(account) => return Ok((account, how)),
        Err(failure) => failure.detail(),
    };
    let why = format!("{how}: {}", short(&why));
    tracing::warn!(directory = directory.name, why, "somebody was not let in by a directory");
    app.audit(None, peer.address, "session.refused", why).await;
    Err(Failure::WrongLogin)
}

/// Returns those of the groups that are named in the settings, as they are written there. In a directory,
/// what differs in case alone is the same.
fn named_groups(directory: &LdapSettings, groups: &BTreeSet<String>) -> BTreeSet<String> {
    let is_his = |named: &&String| groups.iter().any(|group| group.eq_ignore_ascii_case(named));
    directory.membership.groups.keys().filter(is_his).cloned().collect()
}
