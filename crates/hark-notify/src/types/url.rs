//! Fetches an address with fields in its query: what a counter, a lamp or a small controller understands.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::{Call, form};
use http::Method;

use crate::error::SendError;
use crate::render::{self, Template};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `url`.
#[derive(Debug)]
pub(crate) struct Url;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address to fetch; it may have a query of its own.").required(),
    Key::new(
        "fields",
        Kind::Named(&Kind::Text),
        "Fields of the query, each a template; by default `host`, `check`, `severity`, `status`, `reason` and `summary`.",
    ),
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// What is in the query if nothing is said.
const FIELDS: &[(&str, &str)] = &[
    ("host", "{{ host }}"),
    ("check", "{{ check or '' }}"),
    ("severity", "{{ severity }}"),
    ("status", "{{ status }}"),
    ("reason", "{{ reason }}"),
    ("summary", "{{ summary }}"),
];

/// Most fields of a query: small devices have small buffers.
const MAX_FIELDS: usize = 32;

impl ReceiverType for Url {
    fn name(&self) -> &'static str {
        "url"
    }

    fn manual(&self) -> &'static str {
        "Fetches an address (GET) with fields in its query, as counters, lamps and small controllers \
         take them: `http://lamp.local/set?severity=critical&status=critical`. What the fields are \
         called and say is up to you: `{colour: '{% if status == \"ok\" %}0f0{% else %}f00{% endif \
         %}'}`. A problem that is over is fetched as well, with the status `ok`. For anything with a body or headers there is \
         `webhook`. Answers 2xx mean that it arrived; 408, 425, 429 and 5xx are tried again, all else \
         is final; redirects are not followed."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: http://lamp.example.net/set?key=correct-horse\n\
         fields: {state: '{{ status }}', text: '{{ summary }}'}\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at_secret(section, "url");
        let url = section.opt_secret("url");
        let fields = read_fields(section);
        let url = url?;
        let url = url.expose().trim();
        // The service's own part has lost a slash at its end.
        let path = url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next();
        let joint = if path.is_some_and(|path| path.ends_with('/')) { "/?" } else { "?" };
        Some(Box::new(Address { service: service?, joint, fields: fields? }))
    }
}

fn read_fields(section: &Section<'_>) -> Option<Vec<(String, Template)>> {
    let mut fields = Vec::new();
    if !section.has("fields") {
        for (name, template) in FIELDS {
            fields.push(((*name).to_owned(), Template::parse(template).ok()?));
        }
        return Some(fields);
    }
    for (key, value) in section.child("fields")?.entries() {
        match Template::parse(value.str()?) {
            Ok(template) => fields.push((key.value.to_owned(), template)),
            Err(error) => {
                let names: Vec<_> = render::template_fields().collect();
                value
                    .error(render::explain(&error))
                    .hint(format!("fields are {}", names.join(", ")));
                return None;
            }
        }
    }
    if fields.len() > MAX_FIELDS {
        section.error("fields", format!("at most {MAX_FIELDS} fields"));
        return None;
    }
    Some(fields)
}

/// One configured address.
#[derive(Debug)]
struct Address {
    service: Service,
    joint: &'static str,
    fields: Vec<(String, Template)>,
}

impl ServiceReceiver for Address {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = Call::new(Method::GET, self.query(notification, context)?);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Address {
    fn query(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        let mut values = Vec::new();
        for (name, template) in &self.fields {
            values.push((name, template.fill(n, context)?));
        }
        let fields: Vec<_> = values.iter().map(|(n, value)| (n.as_str(), value.as_str())).collect();
        Ok(format!("{}{}", self.joint, form(&fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Server, mistakes, problem, read, recovery, send};

    #[tokio::test]
    async fn an_address_is_fetched_with_fields_in_its_query() {
        let server = Server::saying(200, "ok").await;
        let receiver = read(&Url, &format!("url: {}\n", server.url("/led/")));
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(
            call.line(),
            "GET /led/?host=db1.example.net&check=cpu_monitor.cpu_percent&severity=critical&\
             status=critical&reason=problem&summary=CRITICAL%3A%20db1%20-%20\
             cpu_monitor.cpu_percent%20%3D%2095.0"
        );
        assert_eq!(call.body, "");
        assert!(!call.headers.contains_key("content-type"));
    }

    #[tokio::test]
    async fn fields_are_named_and_made_by_the_settings() {
        let server = Server::saying(204, "").await;
        let colour = "{% if status == 'ok' %}0f0{% else %}f00{% endif %}";
        for (path, expected) in
            [("/set?key=k", "/set?key=k&"), ("/a/?k", "/a/?k&"), ("/set", "/set?"), ("", "/?")]
        {
            let text = format!("url: {}\nfields: {{c: \"{colour}\"}}\n", server.url(path));
            let receiver = read(&Url, &text);
            send(&*receiver, &problem()).await.unwrap();
            assert_eq!(server.last_call().line(), format!("GET {expected}c=f00"));
            send(&*receiver, &recovery(None)).await.unwrap();
            assert_eq!(server.last_call().line(), format!("GET {expected}c=0f0"));
        }
    }

    #[test]
    fn mistakes_are_shown() {
        for (text, expected) in [
            ("fields: {a: b}\n", "url"),
            ("url: http://a\nfields: {a: '{{ hots }}'}\n", "fields are"),
            ("url: ftp://a\n", "http"),
        ] {
            let errors = mistakes(&Url, text);
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
