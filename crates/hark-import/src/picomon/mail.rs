//! The mails of Picomon: one receiver and one route.

use super::{Importer, Settings, duration, why};
use crate::python::Value;
use crate::yaml::Map;

/// Takes over the settings under `emails`.
pub(super) fn take(importer: &mut Importer, settings: &Settings) {
    for (key, (line, value)) in settings.iter().filter(|(key, _)| key.starts_with("emails.")) {
        if let Some(text) = remark(key, value) {
            importer.note(*line, text);
        }
    }
    let Some((line, to)) = settings.get("emails.to") else { return };
    let to = recipients(to);
    if to.is_empty() {
        importer.note(*line, "`emails.to` names nobody: no receiver is made");
        return;
    }
    let mut email = Map::new();
    email.put("to", to);
    let from = settings.get("emails.addr_from").and_then(|(_, from)| from.text());
    if from.is_none() {
        let text =
            "`emails.addr_from` is not set: put the sender into `from` of the receiver `mail`";
        importer.note(0, text);
    }
    email.put("from", from.unwrap_or("hark <hark@localhost>"));
    server(&mut email, settings);
    // The seed speaks neither TLS nor logs in.
    email.put("security", "none");
    if let Some((_, Value::Text(subject))) = settings.get("emails.subject_tpl") {
        let lead = subject.split('{').next().unwrap_or_default();
        email.put("subject", format!("{lead}{{{{ summary }}}}"));
    }
    if let Some((_, Value::Number(seconds))) = settings.get("emails.smtp_keepalive_timeout") {
        email.put("keepalive", duration(seconds.max(1.0)));
    }
    let mut receiver = Map::new();
    receiver.put("email", email);
    let mut receivers = Map::new();
    receivers.put("mail", receiver);
    let mut route = Map::new();
    route.put("name", "all").put("to", vec!["mail"]);
    importer.rest.put("receivers", receivers).put("routes", vec![route]);
}

/// Puts the mail server, `host` or `host:port`.
fn server(email: &mut Map, settings: &Settings) {
    let host = match settings.get("emails.smtp_host") {
        Some((_, Value::Text(host))) => host.as_str(),
        _ => "localhost:25",
    };
    match host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => {
            email.put("server", host).put("port", port.parse::<f64>().unwrap_or(25.0));
        }
        _ => {
            email.put("server", host);
        }
    }
}

fn recipients(value: &Value) -> Vec<String> {
    super::listed(value).iter().filter_map(Value::text).map(str::to_owned).collect()
}

/// Says what is not taken over as it was.
fn remark(key: &str, value: &Value) -> Option<String> {
    let known = ["to", "addr_from", "smtp_host", "smtp_keepalive_timeout"];
    let name = key.strip_prefix("emails.").unwrap_or(key);
    match (name, value) {
        (_, Value::Unknown(_) | Value::Name(_) | Value::Made(_)) => {
            Some(format!("`{key}` is not known{}", why(value)))
        }
        ("smtp_retry_timeout", _) => Some(
            "left out: `emails.smtp_retry_timeout`; hark waits longer with each try".to_owned(),
        ),
        ("subject_tpl", Value::Text(template)) => Some(format!(
            "the subject `{template}` is kept up to its first brace; hark's own summary follows"
        )),
        ("report.every", Value::Number(0.0)) => None,
        (name, _) if name.starts_with("report.") => {
            Some(format!("left out: `{key}`; open incidents are repeated by `repeat` of a route"))
        }
        ("watchdog_subject", _) => Some(
            "left out: `emails.watchdog_subject`; the end of hark itself is told by its watchdog"
                .to_owned(),
        ),
        (name, _) if known.contains(&name) => None,
        _ => Some(format!("left out: `{key}` is no setting of Picomon")),
    }
}
