//! Web Push: notifications in the browsers of a user, also while the page is closed.

use std::time::Duration;

use futures_util::future::join_all;
use hark_config::{Key, Kind, Section};
use hark_model::time::Clock;
use hark_model::{Notification, RotaName, TeamName, UserName};
use hark_net::Call;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::{Again, SendError};
use crate::render;
use crate::service::{self, Service, Settings, is_refused_as};
use crate::web_push::{Browser, Browsers, MAX_PLAIN, Whose, seal};
use crate::{Context, Delivered, Pending, Receiver, ReceiverType};

/// The receiver type `web_push`.
#[derive(Debug)]
pub(crate) struct WebPush;

pub(crate) const KEYS: &[Key] = &[
    Key::new("user", Kind::Text, "Whose browsers; each turns it on in the settings of the page."),
    Key::new("team", Kind::Text, "Instead of `user`: those of every member of a team."),
    Key::new("oncall", Kind::Text, "Instead of `user`: those of whoever is on call in a rota."),
    Key::new(
        "contact",
        Kind::Text,
        "Whom a push service writes to if something is wrong: `mailto:…` or `https://…`; `public_url` by default.",
    ),
    card::TEMPLATE,
    service::TIMEOUT,
    Key::new(
        "forbid_private",
        Kind::Bool,
        "Refuse push services at addresses of this machine and of private networks, and those without TLS.",
    )
    .default("true"),
    service::CA_FILE,
    service::INSECURE,
];

/// How long a push service keeps what is about an incident for a browser that is away: as long as hark itself
/// tries a message.
const KEPT: Duration = Duration::from_hours(24);

/// How long it keeps the rest: who comes later reads it on the page.
const KEPT_SHORT: Duration = Duration::from_hours(4);

/// The keys that say whose browsers are meant.
const WHOSE: [&str; 3] = ["user", "team", "oncall"];

/// How many browsers are told side by side: those of a team of any usual size, at ten for each.
const AT_ONCE: usize = 100;

/// Bound on a title in bytes: more is on no screen.
const MAX_TITLE: usize = 200;

/// Bound on a text in bytes, as long as it fits.
const MAX_TEXT: usize = 1500;

/// What a push service says of a browser that has gone (RFC 8030, 7.3).
const GONE: [u16; 2] = [404, 410];

impl ReceiverType for WebPush {
    fn name(&self) -> &'static str {
        "web_push"
    }

    fn manual(&self) -> &'static str {
        "Shows notifications in every browser in which `user` (or each member of `team`, or whoever is on call in \
         `oncall`) has turned them on in the settings of the page, \
         also while the page is closed (RFC 8030, 8291, 8292). The service of the browser's maker carries \
         them and cannot read them. Later messages of an incident take the place of the one before; a click \
         opens the incident. Critical and warning are urgent; what is about an incident waits a day for a \
         browser that is away, the rest 4 hours. It has arrived if one browser has taken it. A browser that \
         its service does not know any more is forgotten. Addresses come from browsers and lead to the \
         internet: private ones are refused unless `forbid_private` is off. 408, 429 and 5xx are tried again; \
         all else is final, as is a user without a browser: give such a receiver a `fallback`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "user: mira\ncontact: mailto:ops@example.net\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let whose = whose(section);
        let contact = section.parse("contact", contact);
        let words = Words::read(section);
        let settings = Settings::read_guarded(section, true);
        if section.has("contact") && contact.is_none() {
            return None;
        }
        Some(Box::new(Screens { whose: whose?, contact, words, settings }))
    }
}

/// Reads whose browsers are meant: exactly one of three keys says it.
fn whose(section: &Section<'_>) -> Option<Whose> {
    let said: Vec<&str> = WHOSE.into_iter().filter(|key| section.has(key)).collect();
    if let [_, second, ..] = said.as_slice() {
        let wrong = section.error(second, format!("`{}` says already whose browsers", said[0]));
        drop(wrong.hint("a team and a rota have receivers of their own"));
        return None;
    }
    match said.first().copied() {
        Some("team") => section.parse("team", TeamName::new).map(Whose::Team),
        Some("oncall") => section.parse("oncall", RotaName::new).map(Whose::OnCall),
        Some(_) => section.parse("user", UserName::new).map(Whose::User),
        None => {
            let wrong = section.error("user", "nobody is named");
            drop(wrong.hint("write `user: NAME`, `team: NAME` or `oncall: NAME`"));
            None
        }
    }
}

fn contact(text: &str) -> Result<String, &'static str> {
    let is_good = text.starts_with("mailto:") && text.contains('@') || text.starts_with("https://");
    if !is_good {
        return Err("`mailto:` and an address, or an address with https:// is expected");
    }
    Ok(text.to_owned())
}

/// The browsers of one user, or of several.
#[derive(Debug)]
struct Screens {
    whose: Whose,
    contact: Option<String>,
    words: Words,
    settings: Settings,
}

impl Receiver for Screens {
    fn target(&self) -> String {
        self.whose.to_string()
    }

    fn screens(&self) -> Option<&Whose> {
        Some(&self.whose)
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(self.deliver(notification, context))
    }
}

impl Screens {
    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let nobody = |what: String| SendError::Compose { what };
        let Some(known) = context.browsers.as_deref() else {
            return Err(nobody("no browsers are known here".to_owned()));
        };
        let browsers = self.browsers(known).await.map_err(|what| SendError::Program {
            what: format!("the browsers of {} cannot be read: {what}", self.whose),
            again: Again::Later,
        })?;
        if browsers.is_empty() {
            return Err(nobody(format!("{} shows notifications in no browser", self.whose)));
        }
        let text = self.document(n, context)?;
        let (mut arrived, mut failed) = (0, Vec::new());
        // Side by side: one whose service hangs must not keep the others waiting.
        for some in browsers.chunks(AT_ONCE) {
            let told = some
                .iter()
                .map(|(user, browser)| self.tell((user, browser), n, &text, known, context));
            for ((user, browser), outcome) in some.iter().zip(join_all(told).await) {
                match outcome {
                    Ok(()) => arrived += 1,
                    Err(error) => failed.push((self.called(user, browser), error)),
                }
            }
        }
        if arrived == 0 {
            // Whatever may still become something decides.
            let at = failed.iter().position(|(_, error)| !error.is_permanent()).unwrap_or_default();
            return Err(failed.swap_remove(at).1);
        }
        Ok(Delivered {
            text: format!("in {arrived} of {} browsers", browsers.len()),
            refused: failed.into_iter().map(|(name, error)| (name, error.text())).collect(),
            reference: None,
        })
    }

    /// Returns the browsers of everybody who is meant, with whose they are.
    async fn browsers(&self, known: &dyn Browsers) -> Result<Vec<(UserName, Browser)>, String> {
        let mut all = Vec::new();
        for user in known.members(&self.whose).await? {
            let browsers = known.of(&user).await?;
            all.extend(browsers.into_iter().map(|browser| (user.clone(), browser)));
        }
        Ok(all)
    }

    /// Returns what a browser is called: where it may be one of several people's, with whose it is.
    fn called(&self, user: &UserName, browser: &Browser) -> String {
        match self.whose {
            Whose::User(_) => browser.name.clone(),
            Whose::Team(_) | Whose::OnCall(_) => format!("{user}: {}", browser.name),
        }
    }

    /// Tells one browser, and has it forgotten if it is gone.
    async fn tell(
        &self,
        (user, browser): (&UserName, &Browser),
        n: &Notification,
        text: &[u8],
        known: &dyn Browsers,
        context: &Context,
    ) -> Result<(), SendError> {
        let told = self.call(browser, n, text, known, context).await;
        if told.as_ref().is_err_and(|error| is_refused_as(error, &GONE)) {
            known.gone(user, browser).await;
        }
        told
    }

    async fn call(
        &self,
        browser: &Browser,
        n: &Notification,
        text: &[u8],
        known: &dyn Browsers,
        context: &Context,
    ) -> Result<(), SendError> {
        let compose = |what: &str| SendError::Compose { what: what.to_owned() };
        let (origin, path) = browser.place().map_err(|what| compose(&what))?;
        if !origin.secure && self.settings.is_guarded() {
            return Err(compose("the push service of the browser has no TLS"));
        }
        let body = seal(browser, text).map_err(|_| compose("the browser's key is none"))?;
        let contact = match &self.contact {
            Some(contact) => contact.clone(),
            None if context.page.starts_with("https://") => context.page.clone(),
            None => format!("mailto:hark@{}", context.own_name),
        };
        let proof = known.key().proof(&origin, &contact, Clock.now().unix);
        let proof = proof.map_err(|error| compose(&error.to_string()))?;
        context.trace.hide(path);
        context.trace.hide(proof.expose());
        let octets = HeaderValue::from_static("application/octet-stream");
        let call = Call::new(Method::POST, path)
            .secret()
            .content(octets, body)
            .with_headers(headers(n))
            .authorized("vapid", &proof)?;
        let service = Service::hidden_below(self.settings.clone(), origin);
        service.begin(context).call(call).await?.delivered()?;
        Ok(())
    }

    /// Returns what the page's own program in the browser reads: short enough for every push service.
    fn document(&self, n: &Notification, context: &Context) -> Result<Vec<u8>, SendError> {
        let words = self.words.text(n, context)?;
        let mut most = MAX_TEXT;
        loop {
            let text = json!({
                "title": cut(&n.summary, MAX_TITLE, Unit::Bytes),
                "body": cut(&words, most, Unit::Bytes),
                "tag": topic(n),
                "path": render::place(n),
                "at": n.at.0,
                "quiet": card::is_quiet(n) || card::is_over(n),
                "stays": Tone::of(n) == Tone::Critical,
            })
            .to_string();
            // What is escaped is longer than what is shown.
            if text.len() <= MAX_PLAIN || most == 0 {
                return Ok(text.into_bytes());
            }
            most /= 2;
        }
    }
}

/// Returns what a later message of the same thing takes the place of, in the browser and at the push service
/// (RFC 8030, 5.4: at most 32 letters of base64url).
fn topic(n: &Notification) -> Option<String> {
    n.incident.map(|incident| format!("incident-{}", incident.0))
}

fn headers(n: &Notification) -> HeaderMap {
    let urgency = match Tone::of(n) {
        Tone::Critical | Tone::Warning => "high",
        Tone::Info if card::is_quiet(n) => "low",
        Tone::Unknown | Tone::Good | Tone::Info => "normal",
    };
    let kept = if n.incident.is_some() { KEPT } else { KEPT_SHORT };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert("ttl", HeaderValue::from(kept.as_secs()));
    headers.insert("urgency", HeaderValue::from_static(urgency));
    if let Some(topic) = topic(n).and_then(|topic| HeaderValue::from_str(&topic).ok()) {
        headers.insert("topic", topic);
    }
    headers
}

#[cfg(test)]
mod tests;
