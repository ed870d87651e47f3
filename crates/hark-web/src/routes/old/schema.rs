//! Descriptions of resources.

use serde_json::{Map, Value, json};

use super::{Kind, Resource};

/// Name, type, and whether it can be null.
type Field = (&'static str, &'static str, bool);

const AGENT: &[Field] = &[
    ("check_interval_ms", "integer", false),
    ("guid", "string", true),
    ("hostname", "string", false),
    ("id", "integer", false),
    ("last_checkin", "datetime", true),
    ("resource_uri", "string", false),
    ("version", "string", true),
];

const SERVICE: &[Field] = &[
    ("agent", "related", false),
    ("description", "string", false),
    ("expected_status", "string", false),
    ("hidden", "boolean", false),
    ("id", "integer", false),
    ("resource_uri", "string", false),
    ("service_name", "string", false),
];

const RESULT: &[Field] = &[
    ("action_taken", "string", false),
    ("actual_status", "string", false),
    ("comments", "string", true),
    ("expected_status", "string", false),
    ("id", "string", false),
    ("resource_uri", "string", false),
    ("service", "related", false),
    ("timestamp", "datetime", false),
];

/// Returns the description of `resource`.
pub(super) fn of(resource: Resource) -> Value {
    let fields = match resource.kind {
        Kind::Agent => AGENT,
        Kind::Service => SERVICE,
        Kind::Result => RESULT,
    };
    let (of_all, of_one) = resource.kind.methods();
    // What can be brought is read from what comes; all else is as this server knows it.
    let can_be_brought = of_all.contains(&"POST");
    let field = |(name, kind, nullable): &Field| {
        let readonly = !can_be_brought || matches!(*name, "id" | "resource_uri" | "timestamp");
        let value = json!({"type": kind, "nullable": nullable, "readonly": readonly,
            "blank": false, "unique": *name == "id", "default": "No default provided.",
            "help_text": ""});
        ((*name).to_owned(), value)
    };
    let fields: Map<String, Value> = fields.iter().map(field).collect();
    let lower = |methods: &[&str]| -> Vec<String> {
        methods.iter().map(|method| method.to_ascii_lowercase()).collect()
    };
    let filtering = |name: &&str| !name.contains("__");
    let filtering: Map<String, Value> = resource
        .kind
        .filters()
        .iter()
        .filter(|name| filtering(name))
        .map(|name| ((*name).to_owned(), json!(1)))
        .collect();
    json!({"allowed_detail_http_methods": lower(of_one),
        "allowed_list_http_methods": lower(of_all), "default_format": "application/json",
        "default_limit": resource.kind.limit(), "fields": fields, "filtering": filtering})
}
