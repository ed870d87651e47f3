//! The configuration in effect, for people: defaults filled in, secrets left out.

use std::time::Duration;

use serde_json::{Value, json};

use super::Loaded;
use crate::log::Target;

/// Returns everything that is in effect. Secrets appear only as the fact that there is one.
pub(crate) fn show(loaded: &Loaded) -> Value {
    let s = &loaded.settings;
    let time = |d: Duration| hark_config::duration::format(d);
    let log = match &s.log.target {
        Target::Stderr => "stderr".to_owned(),
        Target::Syslog => "syslog".to_owned(),
        Target::Journald => "journald".to_owned(),
        Target::File { path, .. } => path.display().to_string(),
    };
    let receivers: serde_json::Map<String, Value> = loaded
        .receivers
        .iter()
        .map(|(name, c)| {
            let fallback = c.fallback.as_ref().map(ToString::to_string);
            let shown =
                json!({"type": c.kind, "target": c.receiver.target(), "fallback": fallback});
            (name.to_string(), shown)
        })
        .collect();
    let checks: serde_json::Map<String, Value> = loaded
        .checks
        .iter()
        .map(|c| {
            let shown = json!({"host": c.host.as_str(), "type": c.check.kind(),
                "target": c.check.target(), "every": time(c.timing.every),
                "retry_every": time(c.timing.retry_every), "attempts": c.attempts,
                "timeout": time(c.check.timeout())});
            (c.name.to_string(), shown)
        })
        .collect();
    let users: serde_json::Map<String, Value> = s
        .users
        .iter()
        .map(|u| {
            let shown = json!({"full_name": u.full_name, "admin": u.admin, "password": "set"});
            (u.name.to_string(), shown)
        })
        .collect();
    json!({
        "hb_port": s.udp_port,
        "hbd_port": loaded.web.port,
        "hbd_host": loaded.web.host.to_string(),
        "data_dir": s.data_dir.clone().unwrap_or_else(super::default_data_dir),
        "secret": s.secret.as_ref().map(|_| "set"),
        "public_url": s.public_url,
        "tls": loaded.web.tls.as_ref().map(|t| json!({
            "own_certificate": t.files.as_ref().map(|(certificate, _)| certificate)})),
        "log": {"target": log, "level": s.log.level},
        "journal": s.journal.as_ref().map(|j| json!({"file": j.file, "max_bytes": j.max_bytes,
            "keep": j.keep, "heartbeats": j.heartbeats})),
        "history": {"raw": time(s.history.raw), "medium": time(s.history.medium),
            "long": time(s.history.long), "max_bytes": s.history.max_bytes},
        "users": users,
        "receivers": receivers,
        "checks": checks,
        "hosts": hosts(loaded),
        "files": loaded.files,
    })
}

/// Returns every declared host with what it takes on.
fn hosts(loaded: &Loaded) -> Value {
    let show = |host: &hark_engine::plan::HostPlan| {
        json!({
            "address": host.address.map(|a| a.to_string()),
            "tags": host.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "owner": host.owner.as_ref().map(ToString::to_string),
            "threshold_config": host.profiles.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "parents": host.parents.iter().map(|group| {
                group.iter().map(ToString::to_string).collect::<Vec<_>>()
            }).collect::<Vec<_>>(),
            "thresholds": host.thresholds.len(),
        })
    };
    loaded.plan.hosts().map(|(name, host)| (name.to_string(), show(host))).collect()
}

/// Writes a value as YAML: mappings and lists in block form, scalars as JSON, which YAML contains.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let plain = !key.is_empty()
                    && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
                let key = if plain { key.clone() } else { Value::String(key.clone()).to_string() };
                text.extend([pad.as_str(), key.as_str(), ":"]);
                nested(inner, depth, text);
            }
        }
        Value::Array(items) => {
            for inner in items {
                text.extend([pad.as_str(), "-"]);
                nested(inner, depth, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.extend([pad.as_str(), &value.to_string(), "\n"]);
        }
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    let empty = value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty);
    if value.is_object() || value.is_array() {
        if empty {
            text.push_str(if value.is_object() { " {}\n" } else { " []\n" });
            return;
        }
        text.push('\n');
        write(value, depth + 1, text);
    } else {
        text.extend([" ", &value.to_string(), "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_block_form() {
        let value = json!({"a": 1, "b": {"c d": ["x", true]}, "e": {}});
        assert_eq!(yaml(&value), "a: 1\nb:\n  \"c d\":\n    - \"x\"\n    - true\ne: {}\n");
    }
}
