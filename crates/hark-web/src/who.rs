//! The user of a request.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_api::auth::{Me, Role, SecondFactorState};
use hark_api::tokens::Scope;
use hark_model::{CheckName, HostName, IncidentId, Unix, UserName};
use http::HeaderMap;
use http::header;
use http::request::Parts;

use crate::app::Shared;
use crate::auth::token::{self, Bearer};
use crate::auth::{limit, session};
use crate::backend::{Account, Answer, Backend, Refused, Sight, TokenHash};
use crate::failure::{Failure, Reply};
use crate::login::{LoginSettings, Open};
use crate::policy::{self, Action, Object, Verdict};

/// The value of the header that writes with a cookie need. Its presence is what counts: a form of
/// another site cannot send it, a script of another site would need our leave.
pub(crate) const CSRF: &str = "1";

/// How the user proved who he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A session by cookie: the browser sends it unasked, so writes need more.
    Cookie(TokenHash),
    /// A session by header.
    Session(TokenHash),
    /// An API token by header.
    Api(TokenHash),
    /// A proxy has let him in. It adds its word to whatever the browser sends, so writes need more.
    Proxy,
    /// He need not: everybody may do everything from there. Writes need more, for the same reason.
    Open,
}

impl Proof {
    /// Returns whether a browser sends it whichever page has made it send something.
    pub(crate) fn goes_unasked(self) -> bool {
        matches!(self, Self::Cookie(_) | Self::Proxy | Self::Open)
    }
}

/// The name under which things are done where nobody logs in. No user can be made with it.
pub(crate) const ANYBODY: &str = "anybody";

/// The user of this machine's own token, who may do everything.
pub(crate) const LOCAL: &str = "local";

/// Names that no person has.
pub(crate) const RESERVED: [&str; 2] = [LOCAL, ANYBODY];

/// The user of a request.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) account: Arc<Account>,
    pub(crate) proof: Proof,
    /// What his token is good for; with none for all that he may.
    pub(crate) scopes: Arc<[Scope]>,
    /// The server demands a second factor that the user does not have: see [`Unfinished`].
    pub(crate) lacks_factor: bool,
}

/// The user of a request, who may still lack a second factor that this server demands: for what leads to
/// one, and for leaving. Everything else takes [`Who`], which refuses such a user.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished(pub(crate) Who);

/// The user of a request, who is an administrator.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Who);

impl Who {
    /// Returns the name to log in with.
    pub(crate) fn name(&self) -> &UserName {
        &self.account.name
    }

    /// Returns what the user may see.
    pub(crate) fn sight(&self) -> Sight {
        policy::sight(&self.account)
    }

    /// Returns the session, if the user came with one.
    pub(crate) fn session(&self) -> Option<TokenHash> {
        match self.proof {
            Proof::Cookie(hash) | Proof::Session(hash) => Some(hash),
            Proof::Api(_) | Proof::Proxy | Proof::Open => None,
        }
    }

    /// Fails unless the user may do `action` with `object`.
    pub(crate) fn must(&self, action: Action, object: Object<'_>) -> Reply<()> {
        match policy::may(&self.account, action, object) {
            Verdict::Allowed => Ok(()),
            Verdict::Invisible => Err(Failure::Absent),
            Verdict::Needs(role) => Err(Failure::Needs(role)),
        }
    }

    /// Fails unless the token that he came with is good for one of `scopes`.
    pub(crate) fn within(&self, scopes: &'static [Scope]) -> Reply<()> {
        if policy::is_within(&self.scopes, scopes) { Ok(()) } else { Err(Failure::Scope(scopes)) }
    }

    /// Returns the host called `name` if the user may do `action` with it. Whether there is such a
    /// host is not yet said: for a user without a role on it, there is none.
    pub(crate) fn host(&self, action: Action, name: &str) -> Reply<HostName> {
        let host = HostName::new(name).map_err(|_| Failure::Absent)?;
        self.must(action, Object::Host(&host))?;
        Ok(host)
    }

    /// Returns host and check of `incident` if the user may do `action` with it.
    pub(crate) async fn incident(
        &self,
        app: &Shared,
        action: Action,
        incident: IncidentId,
    ) -> Reply<(HostName, CheckName)> {
        let (host, check) = app.ask(move |backend| backend.incident_of(incident)).await?;
        self.must(action, Object::Host(&host))?;
        Ok((host, check))
    }

    /// Returns what the user is told about himself.
    pub(crate) async fn me(&self, app: &Shared) -> Reply<Me> {
        let me = me(app, &self.account).await?;
        // Who has come in another way than by a password here need not set anything up here.
        let second_factor = match (me.second_factor, self.lacks_factor) {
            (SecondFactorState::Needed, false) => SecondFactorState::None,
            (state, _) => state,
        };
        Ok(Me { open: self.proof == Proof::Open, second_factor, ..me })
    }
}

/// Returns what a user is told about himself.
pub(crate) async fn me(app: &Shared, account: &Account) -> Reply<Me> {
    let has_one = app.factors(&account.name, |factors| factors.any()).await?;
    let second_factor = match (has_one, app.login().second_factor.is_of(account)) {
        (true, _) => SecondFactorState::Set,
        (false, true) => SecondFactorState::Needed,
        (false, false) => SecondFactorState::None,
    };
    Ok(Me {
        name: account.name.to_string(),
        full_name: account.full_name.clone(),
        admin: account.admin,
        roles: roles(account),
        csrf: CSRF.to_owned(),
        second_factor,
        open: false,
    })
}

/// Returns the roles by host in the API's words.
pub(crate) fn roles(account: &Account) -> BTreeMap<String, Role> {
    account.roles.iter().map(|(host, role)| (host.to_string(), *role)).collect()
}

/// What a request carries to prove who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing.
    None,
    /// A cookie.
    Cookie(TokenHash),
    /// A header.
    Header(Bearer),
    /// The word of a proxy that is believed.
    Proxy(UserName),
    /// That it comes from where everybody may do everything.
    Open,
}

/// A request, as sessions remember it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// From where.
    pub(crate) address: IpAddr,
    /// What the browser or program calls itself.
    pub(crate) agent: String,
}

/// Returns the name of the session's cookie: over TLS with the prefix that keeps other names of the
/// same domain from setting it; on plain http browsers refuse that prefix.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-hark" } else { "hark" }
}

/// The cookie that says that somebody has logged in with this browser before. It lets nobody in.
pub(crate) fn mark_name(secure: bool) -> &'static str {
    if secure { "__Host-hark-browser" } else { "hark-browser" }
}

/// What stands before an API token among the protocols that a WebSocket offers: the only header that a page
/// can give one.
const PROTOCOL_BEARER: &str = "hark.bearer.";

/// Returns what a request with `headers` carries. A header wins over a cookie.
pub(crate) fn claim(headers: &HeaderMap, secure: bool) -> Claim {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let mut parts = text.splitn(2, ' ');
        let scheme = parts.next().unwrap_or_default();
        return match parts.next() {
            Some(text) if scheme.eq_ignore_ascii_case("bearer") => {
                Claim::Header(token::bearer(text.trim()))
            }
            _ => Claim::None,
        };
    }
    if let Some(text) = offered(headers).find_map(|name| name.strip_prefix(PROTOCOL_BEARER)) {
        return match token::bearer(text) {
            bearer @ Bearer::Api(_) => Claim::Header(bearer),
            Bearer::Session(_) => Claim::None,
        };
    }
    match cookie(headers, cookie_name(secure)).map(token::bearer) {
        Some(Bearer::Session(hash)) => Claim::Cookie(hash),
        // API tokens are never taken from cookies.
        Some(Bearer::Api(_)) | None => Claim::None,
    }
}

/// Returns what the header of a program carries that knows names and passwords alone: a token as the
/// password, under any name. Not a password: there a second factor could not be asked for. For paths alone
/// at which nothing can be changed, since browsers send such a header by themselves.
pub(crate) fn basic(headers: &HeaderMap) -> Claim {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, text)) = value.and_then(|value| value.split_once(' ')) else {
        return Claim::None;
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Claim::None;
    }
    let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((_, password)) => match token::bearer(password) {
            bearer @ Bearer::Api(_) => Claim::Header(bearer),
            Bearer::Session(_) => Claim::None,
        },
        None => Claim::None,
    }
}

/// Returns the protocols that a WebSocket offers.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    all.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
}

/// Returns the value of the cookie called `name`.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Finds the user of `claim`; `None` if there is none. A `visit` counts as use of the session or token.
pub(crate) async fn find(app: &Shared, claim: Claim, visit: Option<Visit>) -> Reply<Option<Who>> {
    let (bearer, by_cookie) = match claim {
        Claim::None => return Ok(None),
        Claim::Cookie(hash) => (Bearer::Session(hash), true),
        Claim::Header(bearer) => (bearer, false),
        Claim::Proxy(user) => return let_in(app, user).await,
        Claim::Open => return Ok(anybody()),
    };
    let login = app.login();
    let now = app.now().unix;
    let demand = login.second_factor;
    app.ask(move |backend| {
        let found = match bearer {
            Bearer::Session(hash) => {
                let proof = if by_cookie { Proof::Cookie(hash) } else { Proof::Session(hash) };
                by_session(backend, &hash, now, visit, &login)
                    .map(|account| (account, proof, Vec::new()))
            }
            Bearer::Api(hash) => by_api_token(backend, &hash, now, visit.as_ref())
                .map(|(account, scopes)| (account, Proof::Api(hash), scopes)),
        };
        match found {
            Ok((account, proof, scopes)) => {
                let lacks_factor = demand.is_of(&account) && !backend.factors(&account.name)?.any();
                let (account, scopes) = (Arc::new(account), scopes.into());
                Ok(Some(Who { account, proof, scopes, lacks_factor }))
            }
            Err(Refused::Absent) => Ok(None),
            Err(other) => Err(other),
        }
    })
    .await
}

/// Finds the user whom a proxy has let in; what it has asked him for is its affair. Names that stand for no
/// person let nobody in, whatever somebody is called elsewhere.
async fn let_in(app: &Shared, user: UserName) -> Reply<Option<Who>> {
    if RESERVED.contains(&user.as_str()) {
        return Ok(None);
    }
    app.ask(move |backend| match backend.account(&user) {
        // Nobody is a program.
        Ok(account) if account.service => Ok(None),
        Ok(account) => {
            let account = Arc::new(account);
            Ok(Some(Who {
                account,
                proof: Proof::Proxy,
                scopes: Arc::default(),
                lacks_factor: false,
            }))
        }
        Err(Refused::Absent) => Ok(None),
        Err(other) => Err(other),
    })
    .await
}

/// Returns whoever comes where everybody may do everything.
pub(crate) fn anybody() -> Option<Who> {
    let account = Account { admin: true, ..Account::named(UserName::new(ANYBODY).ok()?) };
    let account = Arc::new(account);
    Some(Who { account, proof: Proof::Open, scopes: Arc::default(), lacks_factor: false })
}

/// Finds the user of `who` again, which does not count as use; `None` if he may no longer, also because
/// the configuration takes back what has let him in.
pub(crate) async fn again(app: &Shared, who: &Who) -> Reply<Option<Who>> {
    let claim = match who.proof {
        Proof::Cookie(hash) => Claim::Cookie(hash),
        Proof::Session(hash) => Claim::Header(Bearer::Session(hash)),
        Proof::Api(hash) => Claim::Header(Bearer::Api(hash)),
        Proof::Proxy if app.login().proxies.header.is_none() => return Ok(None),
        Proof::Proxy => Claim::Proxy(who.name().clone()),
        Proof::Open if app.login().open == Open::No => return Ok(None),
        Proof::Open => Claim::Open,
    };
    let found = find(app, claim, None).await?;
    Ok(found.filter(|who| !who.lacks_factor))
}

fn by_session(
    backend: &dyn Backend,
    hash: &TokenHash,
    now: Unix,
    visit: Option<Visit>,
    login: &LoginSettings,
) -> Answer<Account> {
    let mut record = backend.session(hash)?;
    if !session::alive(&record, now, login) {
        backend.drop_session(hash)?;
        return Err(Refused::Absent);
    }
    let account = backend.account(&record.user)?;
    let Some(visit) = visit else { return Ok(account) };
    let moved = limit::prefix(record.address) != limit::prefix(visit.address);
    if moved || session::to_touch(Some(record.last_seen), now) {
        record.last_seen = now;
        record.address = visit.address;
        record.agent = visit.agent;
        backend.put_session(&record)?;
    }
    Ok(account)
}

fn by_api_token(
    backend: &dyn Backend,
    hash: &TokenHash,
    now: Unix,
    visit: Option<&Visit>,
) -> Answer<(Account, Vec<Scope>)> {
    let mut record = backend.api_token(hash)?;
    if !session::token_alive(&record, now) {
        backend.drop_api_token(hash)?;
        return Err(Refused::Absent);
    }
    let account = backend.account(&record.user)?;
    if visit.is_some() && session::to_touch(record.last_used, now) {
        record.last_used = Some(now);
        backend.put_api_token(&record)?;
    }
    Ok((account, record.scopes))
}

impl FromRequestParts<Shared> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Reply<Self> {
        let Unfinished(who) = Unfinished::from_request_parts(parts, app).await?;
        if who.lacks_factor { Err(Failure::SecondFactorDemanded) } else { Ok(who) }
    }
}

impl FromRequestParts<Shared> for Unfinished {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Reply<Self> {
        parts.extensions.get::<Who>().cloned().map(Self).ok_or(Failure::Anonymous)
    }
}

impl FromRequestParts<Shared> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Reply<Self> {
        let who = Who::from_request_parts(parts, app).await?;
        who.must(Action::See, Object::Server)?;
        Ok(Self(who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn cookies_are_found_among_others() {
        let headers = headers("cookie", "theme=dark; __Host-hark=abc; hark=def");
        assert_eq!(cookie(&headers, "__Host-hark"), Some("abc"));
        assert_eq!(cookie(&headers, "hark"), Some("def"));
        assert_eq!(cookie(&headers, "ark"), None);
    }

    #[test]
    fn over_tls_only_the_prefixed_cookie_counts() {
        let Bearer::Session(hash) = token::bearer("abc") else { panic!("no session") };
        assert_eq!(claim(&headers("cookie", "hark=abc"), true), Claim::None);
        assert_eq!(claim(&headers("cookie", "hark=abc"), false), Claim::Cookie(hash));
        assert_eq!(claim(&headers("cookie", "__Host-hark=abc"), true), Claim::Cookie(hash));
    }

    #[test]
    fn api_tokens_are_never_taken_from_cookies() {
        let (text, hash) = token::new_api().unwrap();
        assert_eq!(claim(&headers("cookie", &format!("hark={text}")), false), Claim::None);
        let by_header = claim(&headers("authorization", &format!("Bearer {text}")), false);
        assert_eq!(by_header, Claim::Header(Bearer::Api(hash)));
    }

    #[test]
    fn other_schemes_prove_nothing() {
        assert_eq!(claim(&headers("authorization", "Basic YTpi"), false), Claim::None);
        assert_eq!(claim(&headers("authorization", "Bearer"), false), Claim::None);
    }
}
