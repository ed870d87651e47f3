//! The protocol that `DynDNS` began (`/nic/update`), which most routers and services speak.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{BoxFuture, Call, encoded, one_line};
use http::Method;

use crate::call::{CA_FILE, MAX_SAID, Service};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Dyndns2;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "endpoint",
        Kind::Text,
        "Address of the service, with the path if it is not `/nic/update`.",
    )
    .required(),
    Key::new("user", Kind::Text, "Name to log in with.").required(),
    Key::new("password", Kind::Secret, "Password or token.").required(),
    Key::new(
        "ipv6",
        Kind::OneOf(&["myip", "myipv6"]),
        "How the service takes IPv6: both addresses in `myip`, or a `myipv6`.",
    )
    .default("myip"),
    Key::new("offline", Kind::Bool, "The service takes a name out with `offline=YES`.")
        .default("false"),
    CA_FILE,
];

/// What the protocol asks of clients after `911` and `dnserr`.
const OUT_OF_ORDER: Duration = Duration::from_mins(30);

/// Services ban those who ask more often.
const PACE: Duration = Duration::from_secs(5);

/// The path that services have which say none.
const PATH: &str = "/nic/update";

impl WayType for Dyndns2 {
    fn name(&self) -> &'static str {
        "dyndns2"
    }

    fn manual(&self) -> &'static str {
        "Calls `/nic/update?hostname=NAME&myip=ADDRESS` with name and password. `good` and `nochg` are well. \
         After `badauth`, `abuse`, `nohost`, `notfqdn`, `numhost`, `!donator`, `!yours` and `badagent` nothing \
         is sent any more until the configuration changes or somebody asks for it: these services ban \
         whoever goes on. After `911` and `dnserr` half an hour passes. The protocol cannot take a name out; \
         some services can (`offline`), elsewhere it is left as it is."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "endpoint: https://members.example\nuser: mira\npassword: {file: /etc/hark/dyndns}\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        for key in ["endpoint", "user", "password"] {
            section.required(key);
        }
        let service = Service::read(section, "https://members.dyndns.org")?;
        let user = section.opt_str("user").map(str::to_owned);
        let password = section.opt_secret("password");
        let form = section.word("ipv6", &[("myip", Form::Together), ("myipv6", Form::Apart)]);
        let offline = section.bool("offline", false);
        let form = form.unwrap_or(Form::Together);
        Some(Arc::new(Api { service, user: user?, password: password?, form, offline }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Together,
    Apart,
}

#[derive(Debug)]
struct Api {
    service: Service,
    user: String,
    password: Secret,
    form: Form,
    offline: bool,
}

impl Api {
    fn path(&self, change: &Change) -> String {
        let path = if self.service.base().is_empty() { PATH } else { "" };
        let set = change.set;
        let mut query = format!("{path}?hostname={}", change.name);
        if set.is_empty() {
            return query + "&offline=YES";
        }
        let (mut together, mut apart) = (Vec::new(), String::new());
        together.extend(set.v4.map(|v4| v4.to_string()));
        match (self.form, set.v6) {
            (Form::Together, Some(v6)) => together.push(encoded(&v6.to_string())),
            (Form::Apart, Some(v6)) => apart = format!("&myipv6={}", encoded(&v6.to_string())),
            (Form::Together | Form::Apart, None) => {}
        }
        if !together.is_empty() {
            query += "&myip=";
            query += &together.join(",");
        }
        query + &apart
    }
}

impl Way for Api {
    fn target(&self) -> String {
        self.service.origin().to_string()
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.password]
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn removes(&self) -> bool {
        self.offline
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            if change.set.is_empty() && !self.offline {
                return Err(Failure::of_name("the protocol cannot take a name out"));
            }
            let proof = STANDARD.encode(format!("{}:{}", self.user, self.password.expose()));
            let asked = Call::new(Method::GET, self.path(change));
            let asked = asked.authorized("Basic", &Secret::new(proof))?;
            let answer = self.service.call(context, asked).await?;
            // Some say it with the status as well.
            if !answer.is_good() && !answer.text.trim_start().starts_with("bad") {
                return Err(answer.refusal(None));
            }
            judge(&answer.text)
        })
    }
}

/// Says what an answer means. Its first word counts; there may be one line for each name that was sent.
fn judge(answer: &str) -> Result<String, Failure> {
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let said = one_line(line, MAX_SAID);
    let of_name = |what: &str| Err(Failure::of_name(format!("{said}: {what}")));
    let of_zone = |what: &str| Err(Failure::refused(format!("{said}: {what}")));
    match line.split_whitespace().next().unwrap_or("") {
        "good" | "nochg" => Ok(said),
        "nohost" => of_name("the account has no such name"),
        "!yours" => of_name("the name is somebody else's"),
        "notfqdn" => of_name("the service does not see a whole name in it"),
        "numhost" => of_name("too many names at once"),
        "abuse" => of_name("the name is blocked for abuse: ask the service"),
        "badauth" | "badauth2" => of_zone("name or password is wrong"),
        "!donator" => of_zone("the account may not do that"),
        "badagent" => of_zone("the service does not want hark"),
        "badsys" | "badip" | "badparam" => of_zone("the service does not understand the call"),
        "911" | "dnserr" | "servererror" => {
            Err(Failure::not_before(OUT_OF_ORDER, format!("{said}: the service is out of order")))
        }
        "" => Err(Failure::unanswered("the answer is empty")),
        _ => Err(Failure::not_before(OUT_OF_ORDER, format!("not understood: {said}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::way::{Again, Scope};

    #[test]
    fn each_word_of_the_protocol_means_what_it_says() {
        for well in ["good 192.0.2.1\r\n", "nochg 192.0.2.1", "\ngood"] {
            assert!(judge(well).is_ok(), "{well}");
        }
        for (word, scope) in [
            ("nohost", Scope::Name),
            ("!yours", Scope::Name),
            ("notfqdn", Scope::Name),
            ("numhost", Scope::Name),
            ("abuse", Scope::Name),
            ("badauth", Scope::Zone),
            ("!donator", Scope::Zone),
            ("badagent", Scope::Zone),
        ] {
            let failure = judge(word).unwrap_err();
            assert_eq!((failure.scope, failure.again), (scope, Again::Never), "{word}");
        }
        for word in ["911", "dnserr", "<html>"] {
            assert_eq!(judge(word).unwrap_err().again, Again::After(OUT_OF_ORDER), "{word}");
        }
        assert_eq!(judge("").unwrap_err().again, Again::Later);
    }
}
