//! Every route: how it is called, and who may.

use hark_api::auth::Role;
use http::Method;
use serde_json::{Value, json};

/// Who may do it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Needs {
    /// Everybody.
    Nothing,
    /// A user.
    User,
    /// A role on `db1`.
    Role(Role),
    /// A dashboard that is shown to `owner` alone; to change it, being who made it.
    Dashboard(bool),
    /// To publish on a status page: `owner` is its editor.
    Editor,
    /// An administrator.
    Admin,
}

pub(crate) struct Route {
    pub(crate) method: Method,
    /// As in the document.
    pub(crate) template: &'static str,
    /// As called.
    pub(crate) path: &'static str,
    pub(crate) body: Option<Value>,
    pub(crate) needs: Needs,
    pub(crate) status: u16,
}

fn route(
    method: Method,
    template: &'static str,
    path: &'static str,
    body: Option<Value>,
    needs: Needs,
) -> Route {
    let status = if method == Method::DELETE { 204 } else { 200 };
    Route { method, template, path, body, needs, status }
}

/// Every route, with a call that succeeds for whoever may do it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn table() -> Vec<Route> {
    use Needs::{Admin, Nothing, User};
    const SEE: Needs = Needs::Role(Role::Monitor);
    const OPERATE: Needs = Needs::Role(Role::Manager);
    const OWN: Needs = Needs::Role(Role::Owner);
    let get = |template, path, needs| route(Method::GET, template, path, None, needs);
    let post = |template, path, body, needs| route(Method::POST, template, path, body, needs);
    let delete = |template, path, needs| route(Method::DELETE, template, path, None, needs);
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let no_content = |route: Route| Route { status: 204, ..route };
    vec![
        get("/api/0/setup", "/api/0/setup", Nothing),
        Route {
            // The server is set up: whoever asks, the code is void.
            status: 403,
            ..post(
                "/api/0/setup",
                "/api/0/setup",
                Some(json!({"code": "1234-5678", "user": "eve", "password": "correct horse"})),
                Nothing,
            )
        },
        post(
            "/api/0/auth/login",
            "/api/0/auth/login",
            Some(json!({"username": "root", "password": "correct horse"})),
            Nothing,
        ),
        no_content(post("/api/0/auth/logout", "/api/0/auth/logout", None, User)),
        get("/api/0/auth/me", "/api/0/auth/me", User),
        no_content(post(
            "/api/0/auth/password",
            "/api/0/auth/password",
            Some(json!({"old": "correct horse", "new": "battery staple"})),
            User,
        )),
        get("/api/0/auth/second-factor", "/api/0/auth/second-factor", User),
        post(
            "/api/0/auth/totp",
            "/api/0/auth/totp",
            Some(json!({"password": "correct horse"})),
            User,
        ),
        // What follows when there is something to confirm, remove or replace is tested by itself.
        Route {
            status: 409,
            ..post(
                "/api/0/auth/totp/confirm",
                "/api/0/auth/totp/confirm",
                Some(json!({"code": "123456"})),
                User,
            )
        },
        Route {
            status: 404,
            ..post(
                "/api/0/auth/totp/remove",
                "/api/0/auth/totp/remove",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        Route {
            status: 409,
            ..post(
                "/api/0/auth/recovery-codes",
                "/api/0/auth/recovery-codes",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        post(
            "/api/0/auth/passkeys/offer",
            "/api/0/auth/passkeys/offer",
            Some(json!({"password": "correct horse"})),
            User,
        ),
        // Answers of no key; those of one are tested by themselves.
        Route {
            status: 422,
            ..post(
                "/api/0/auth/passkeys",
                "/api/0/auth/passkeys",
                Some(json!({"name": "x", "client_data": "e30", "attestation": "oA"})),
                User,
            )
        },
        Route {
            status: 404,
            ..post(
                "/api/0/auth/passkeys/{id}/remove",
                "/api/0/auth/passkeys/00/remove",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        post("/api/0/auth/passkey/challenge", "/api/0/auth/passkey/challenge", None, Nothing),
        Route {
            status: 401,
            ..post(
                "/api/0/auth/passkey",
                "/api/0/auth/passkey",
                Some(json!({
                    "id": "AA", "client_data": "e30", "authenticator_data": "AA", "signature": "AA"
                })),
                Nothing,
            )
        },
        get("/api/0/auth/browsers", "/api/0/auth/browsers", User),
        post(
            "/api/0/auth/browsers",
            "/api/0/auth/browsers",
            Some(json!({"name": "phone", "endpoint": "https://push.example.net/x",
                "p256dh": "B", "auth": "a"})),
            User,
        ),
        delete("/api/0/auth/browsers/{id}", "/api/0/auth/browsers/{own}", User),
        post("/api/0/auth/browsers/test", "/api/0/auth/browsers/test", None, User),
        get("/api/0/auth/providers", "/api/0/auth/providers", Nothing),
        get("/api/0/sessions", "/api/0/sessions", User),
        delete("/api/0/sessions/{id}", "/api/0/sessions/{own}", User),
        get("/api/0/tokens", "/api/0/tokens", User),
        post(
            "/api/0/tokens",
            "/api/0/tokens",
            Some(json!({"name": "backup", "valid_seconds": 60})),
            User,
        ),
        delete("/api/0/tokens/{id}", "/api/0/tokens/{own}", User),
        get("/api/0/users", "/api/0/users", Admin),
        post(
            "/api/0/users",
            "/api/0/users",
            Some(json!({"name": "ben", "password": "correct horse", "roles": {"db1": "manager"}})),
            Admin,
        ),
        route(
            Method::PUT,
            "/api/0/users/{name}",
            "/api/0/users/monitor",
            Some(json!({"full_name": "M. Onitor"})),
            Admin,
        ),
        delete("/api/0/users/{name}", "/api/0/users/monitor", Admin),
        delete("/api/0/users/{name}/second-factor", "/api/0/users/monitor/second-factor", Admin),
        get("/api/0/users/{name}/tokens", "/api/0/users/robot/tokens", Admin),
        post(
            "/api/0/users/{name}/tokens",
            "/api/0/users/robot/tokens",
            Some(json!({"name": "ci", "valid_seconds": 60, "scopes": ["events:send"]})),
            Admin,
        ),
        delete("/api/0/users/{name}/tokens/{id}", "/api/0/users/robot/tokens/{robots}", Admin),
        get("/api/0/pushes", "/api/0/pushes", Admin),
        get("/api/0/reports", "/api/0/reports", Admin),
        get("/api/0/reports/{name}", "/api/0/reports/weekly?from=1000&to=2000", Admin),
        post("/api/0/reports/{name}/send", "/api/0/reports/weekly/send", None, Admin),
        get("/api/0/dns", "/api/0/dns", User),
        post("/api/0/dns/{name}/update", "/api/0/dns/db1.example.net/update", None, OPERATE),
        post("/api/0/dns/{name}/remove", "/api/0/dns/db1/remove", None, OPERATE),
        get("/api/0/overview", "/api/0/overview", User),
        get("/api/0/fleet", "/api/0/fleet", User),
        get("/api/0/hosts", "/api/0/hosts?limit=1&state=c&q=d", User),
        get("/api/0/hosts/{host}", "/api/0/hosts/db1", SEE),
        delete("/api/0/hosts/{host}", "/api/0/hosts/db1", OWN),
        no_content(post("/api/0/hosts/{host}/restore", "/api/0/hosts/db1/restore", None, OWN)),
        get("/api/0/dropped", "/api/0/dropped", User),
        Route {
            // A file declares it. What becomes of others is tested by itself.
            status: 409,
            ..route(
                Method::PUT,
                "/api/0/hosts/{host}/owner",
                "/api/0/hosts/db1/owner",
                Some(json!({"owner": "monitor"})),
                OWN,
            )
        },
        get("/api/0/hosts/{host}/access", "/api/0/hosts/db1/access", SEE),
        Route {
            // A file declares it.
            status: 409,
            ..route(
                Method::PUT,
                "/api/0/hosts/{host}/access",
                "/api/0/hosts/db1/access",
                Some(json!({"managers": ["monitor"], "monitors": []})),
                OWN,
            )
        },
        get("/api/0/hosts/{host}/actions", "/api/0/hosts/db1/actions", SEE),
        post("/api/0/hosts/{host}/look", "/api/0/hosts/db1/look?check=web", None, OPERATE),
        post(
            "/api/0/hosts/{host}/actions/{name}",
            "/api/0/hosts/db1/actions/restart",
            Some(json!({"reason": "it hangs", "expires_seconds": 60})),
            OPERATE,
        ),
        get("/api/0/hosts/{host}/metrics", "/api/0/hosts/db1/metrics", SEE),
        get(
            "/api/0/hosts/{host}/series",
            "/api/0/hosts/db1/series?names=cpu_monitor.cpu_percent,a&from=1000&to=2000&points=9",
            SEE,
        ),
        // A good one is not JSON: it is tested by itself.
        Route {
            status: 422,
            ..get("/api/0/hosts/{host}/series.csv", "/api/0/hosts/db1/series.csv?names=", SEE)
        },
        get(
            "/api/0/series",
            "/api/0/series?names=cpu_monitor.cpu_percent&hosts=db1,web1&from=1000&to=2000",
            User,
        ),
        get("/api/0/hosts/{host}/lanes", "/api/0/hosts/db1/lanes", SEE),
        get("/api/0/hosts/{host}/events", "/api/0/hosts/db1/events?limit=5", SEE),
        get("/api/0/hosts/{host}/plugins", "/api/0/hosts/db1/plugins", SEE),
        get(
            "/api/0/hosts/{host}/plugins/{plugin}",
            "/api/0/hosts/db1/plugins/cpu_monitor?limit=3",
            SEE,
        ),
        get("/api/0/hosts/{host}/alerts", "/api/0/hosts/db1/alerts", SEE),
        get("/api/0/alerts", "/api/0/alerts", User),
        get("/api/0/checks", "/api/0/checks?state=critical&sort=-changed_at&check=web", User),
        get("/api/0/checks/summary", "/api/0/checks/summary", User),
        get("/api/0/metrics", "/api/0/metrics?sort=-hosts", User),
        get(
            "/api/0/metrics/{metric}/hosts",
            "/api/0/metrics/hark_cpu_percent/hosts?limit=5&sort=-host",
            SEE,
        ),
        get("/api/0/incidents", "/api/0/incidents?view=all&sev=warning", User),
        get("/api/0/incidents/{id}", "/api/0/incidents/1", SEE),
        get("/api/0/incidents/{id}/explain", "/api/0/incidents/1/explain", SEE),
        post(
            "/api/0/incidents/{id}/ack",
            "/api/0/incidents/1/ack",
            Some(json!({"comment": "on it", "sticky": true, "until_at": "2100-01-01T00:00:00Z"})),
            OPERATE,
        ),
        post("/api/0/incidents/{id}/unack", "/api/0/incidents/1/unack", None, OPERATE),
        post(
            "/api/0/incidents/{id}/comment",
            "/api/0/incidents/1/comment",
            Some(json!({"text": "looks like the backup"})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/silence",
            "/api/0/incidents/1/silence",
            Some(json!({"reason": "known", "duration_seconds": 3600})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/resolve",
            "/api/0/incidents/1/resolve",
            Some(json!({"comment": "it was a test"})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/cause",
            "/api/0/incidents/1/cause",
            Some(json!({"cause": null})),
            OPERATE,
        ),
        get("/api/0/jobs", "/api/0/jobs?sort=-id", User),
        get("/api/0/jobs/{id}", "/api/0/jobs/{own}", User),
        // It has ended already; what becomes of one that has not is tested by itself.
        Route {
            status: 409,
            ..post("/api/0/jobs/{id}/cancel", "/api/0/jobs/{own}/cancel", None, User)
        },
        Route {
            status: 202,
            ..post(
                "/api/0/bulk",
                "/api/0/bulk",
                Some(json!({"do": {"comment": {"text": "x"}}, "incidents": {"all": true}})),
                User,
            )
        },
        get("/api/0/backups", "/api/0/backups", Admin),
        Route { status: 202, ..post("/api/0/backups", "/api/0/backups", None, Admin) },
        no_content(post("/api/0/quarantine/end", "/api/0/quarantine/end", None, Admin)),
        Route {
            status: 202,
            ..post(
                "/api/0/history/erase",
                "/api/0/history/erase",
                Some(json!({"host": "db1", "metric": "cpu_monitor.*"})),
                Admin,
            )
        },
        Route {
            status: 202,
            ..post(
                "/api/0/history/export",
                "/api/0/history/export",
                Some(json!({"hosts": ["db*"], "format": "csv"})),
                Admin,
            )
        },
        get("/api/0/history/exports", "/api/0/history/exports", Admin),
        get("/api/0/history/exports/{name}", "/api/0/history/exports/samples-1.csv", Admin),
        delete("/api/0/history/exports/{name}", "/api/0/history/exports/samples-1.csv", Admin),
        Route {
            status: 202,
            ..post(
                "/api/0/history/import",
                "/api/0/history/import",
                Some(json!({"text": "time,host,metric,value\n"})),
                Admin,
            )
        },
        get("/api/0/deliveries", "/api/0/deliveries?state=sent", User),
        get("/api/0/deliveries/{id}", "/api/0/deliveries/1", SEE),
        post("/api/0/deliveries/{id}/retry", "/api/0/deliveries/1/retry", None, OPERATE),
        get("/api/0/silences", "/api/0/silences", User),
        post(
            "/api/0/silences",
            "/api/0/silences",
            Some(json!({"matcher": {"hosts": ["db1"]}, "reason": "work", "duration_seconds": 60})),
            OPERATE,
        ),
        get("/api/0/silences/{id}", "/api/0/silences/1", SEE),
        route(
            Method::PUT,
            "/api/0/silences/{id}",
            "/api/0/silences/1",
            Some(json!({"matcher": {"hosts": ["db1"]}, "reason": "more", "duration_seconds": 900})),
            OPERATE,
        ),
        delete("/api/0/silences/{id}", "/api/0/silences/1", OPERATE),
        post(
            "/api/0/match/preview",
            "/api/0/match/preview",
            Some(json!({"matcher": {"tags": ["role:db"], "severity": "critical"}})),
            User,
        ),
        get("/api/0/receivers", "/api/0/receivers", Admin),
        post("/api/0/receivers/{name}/test", "/api/0/receivers/ops-mail/test", None, Admin),
        get("/api/0/routes", "/api/0/routes", Admin),
        get("/api/0/routes/test", "/api/0/routes/test?host=db1&severity=warning&check=raid", SEE),
        get("/api/0/oncall", "/api/0/oncall", User),
        // No such rota; what a known one gives is tested by itself.
        Route { status: 404, ..get("/api/0/oncall/{name}", "/api/0/oncall/nobody.ics", User) },
        // Not signed: whoever asks. What a signed one does is tested by itself.
        Route {
            status: 401,
            ..post("/api/0/receivers/{name}/call", "/api/0/receivers/chat/call", None, Nothing)
        },
        post(
            "/api/0/handle",
            "/api/0/handle",
            Some(json!({"token": "a-token", "comment": "on it", "way": "mail"})),
            Nothing,
        ),
        get("/api/0/enrol", "/api/0/enrol", Admin),
        post("/api/0/enrol", "/api/0/enrol", Some(json!({"host": "db2", "tags": ["a"]})), Admin),
        delete("/api/0/enrol/{id}", "/api/0/enrol/{own}", Admin),
        get("/api/0/agents", "/api/0/agents", User),
        Route {
            // No such token; what a good one does is tested by itself.
            status: 403,
            ..post(
                "/api/0/agents/enrol",
                "/api/0/agents/enrol",
                Some(json!({"token": "hark-x", "name": "db2", "key": key})),
                Nothing,
            )
        },
        // Not signed: whoever asks. What a signed one does is tested by itself.
        Route {
            status: 401,
            ..post("/api/0/agent/report", "/api/0/agent/report", Some(json!({})), Nothing)
        },
        Route {
            status: 401,
            ..get("/api/0/agent/configuration", "/api/0/agent/configuration", Nothing)
        },
        Route { status: 401, ..get("/api/0/agent/news", "/api/0/agent/news", Nothing) },
        Route { status: 401, ..get("/api/0/agent/order", "/api/0/agent/order?number=5", Nothing) },
        get("/api/0/updates", "/api/0/updates", User),
        // No host is named. What one that is named gets is tested by itself.
        Route { status: 422, ..get("/api/0/updates/{name}", "/api/0/updates/x", Nothing) },
        get("/api/0/self", "/api/0/self", User),
        get("/api/0/events", "/api/0/events?q=cpu", User),
        get("/api/0/happened", "/api/0/happened?topics=backup,critical&host=db1&from=1&to=9", User),
        post(
            "/api/0/events",
            "/api/0/events",
            Some(json!({"events": [{
                "uid": "0123456789abcdef0123456789abcdef", "hops": ["berlin"], "host": "db1",
                "at_unix_s": 1.5, "kind": "backup", "severity": "info", "text": "done"
            }]})),
            Admin,
        ),
        get("/api/0/status-pages", "/api/0/status-pages", User),
        get(
            "/api/0/status-pages/{page}/incidents",
            "/api/0/status-pages/open/incidents?open=true&limit=5",
            User,
        ),
        post(
            "/api/0/status-pages/{page}/incidents",
            "/api/0/status-pages/open/incidents",
            Some(json!({"title": "Trouble", "text": "We look.", "components": ["api"]})),
            Needs::Editor,
        ),
        get(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            User,
        ),
        post(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            Some(json!({"text": "A cable.", "stage": "identified"})),
            Needs::Editor,
        ),
        delete(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            Needs::Editor,
        ),
        get("/api/0/dashboards", "/api/0/dashboards?q=data&limit=5", User),
        post("/api/0/dashboards", "/api/0/dashboards", Some(json!({"title": "Mine"})), User),
        // Root's: shown to the owner of db1, and to nobody else.
        get("/api/0/dashboards/{id}", "/api/0/dashboards/1", Needs::Dashboard(false)),
        route(
            Method::PUT,
            "/api/0/dashboards/{id}",
            "/api/0/dashboards/1",
            Some(json!({"version": 1, "content": {"title": "Changed"}})),
            Needs::Dashboard(true),
        ),
        delete("/api/0/dashboards/{id}", "/api/0/dashboards/1", Needs::Dashboard(true)),
        post(
            "/api/0/dashboards/{id}/restore",
            "/api/0/dashboards/2/restore",
            None,
            Needs::Dashboard(true),
        ),
        post(
            "/api/0/dashboards/import",
            "/api/0/dashboards/import",
            Some(json!({"grafana": {"panels": []}})),
            User,
        ),
        get("/api/0/config/schema", "/api/0/config/schema?section=hosts", Admin),
        get("/api/0/config/objects", "/api/0/config/objects?section=hosts&limit=5", Admin),
        get("/api/0/config/objects/{section}/{name}", "/api/0/config/objects/hosts/web9", Admin),
        route(
            Method::PUT,
            "/api/0/config/objects/{section}/{name}",
            "/api/0/config/objects/hosts/new",
            Some(json!({"value": {"address": "192.0.2.1"}, "before": ""})),
            Admin,
        ),
        Route {
            // It is there, and its version was not sent.
            status: 412,
            ..delete(
                "/api/0/config/objects/{section}/{name}",
                "/api/0/config/objects/hosts/web9",
                Admin,
            )
        },
        post(
            "/api/0/config/validate",
            "/api/0/config/validate",
            Some(json!({"section": "hosts", "name": "a", "value": {"address": 7}})),
            Admin,
        ),
        post(
            "/api/0/config/test",
            "/api/0/config/test",
            Some(json!({"section": "checks", "name": "a", "value": {}})),
            Admin,
        ),
        get("/api/0/config/history", "/api/0/config/history", Admin),
        get("/api/0/config/history/{number}", "/api/0/config/history/1", Admin),
        post(
            "/api/0/config/history/{number}/restore",
            "/api/0/config/history/1/restore",
            None,
            Admin,
        ),
        get("/api/0/config/export", "/api/0/config/export", Admin),
        get("/api/0/audit", "/api/0/audit?limit=10", Admin),
        get("/api/0/audit/check", "/api/0/audit/check", Admin),
        get("/api/0/stream", "/api/0/stream?sub=counts,problems&rows=1", User),
    ]
}
