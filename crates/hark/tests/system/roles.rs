//! What a host's `owner`, `managers` and `monitors` may do with it, asked as they would.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{self, HASH, PASSWORD, folder};

/// Somebody who is logged in.
struct Person<'s> {
    server: &'s Server,
    bearer: String,
}

impl<'s> Person<'s> {
    fn log_in(server: &'s Server, name: &str) -> Self {
        let login = json!({"username": name, "password": PASSWORD});
        let session =
            http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&login)).unwrap();
        let token = session.body["token"].as_str().unwrap_or_else(|| panic!("{}", session.body));
        Self { server, bearer: format!("Authorization: Bearer {token}") }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = [self.bearer.clone()];
        http::request(self.server.http, method, path, &bearer, body).unwrap()
    }

    fn hosts(&self) -> Vec<String> {
        let page = self.ask("GET", "/api/0/hosts", None).body;
        let names = page["items"].as_array().into_iter().flatten();
        names.filter_map(|host| host["name"].as_str().map(str::to_owned)).collect()
    }
}

#[test]
fn a_host_says_who_may_do_what_with_it_and_one_that_says_nothing_is_the_default_owners() {
    let folder = folder();
    let users: String = ["olga", "mona", "nils", "dora", "eve"]
        .map(|name| format!("  {name}: {{password: '{HASH}'}}\n"))
        .concat();
    let config = format!(
        "default_owner: dora\nusers:\n{users}hosts:\n  \
         db1: {{owner: olga, managers: mona, monitors: [nils, mona]}}\n  \
         web1: {{monitors: nils}}\n"
    );
    let mut server = Start::new("server", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    until("both hosts", Duration::from_secs(20), || {
        (server.get("/api/0/hosts")["items"].as_array()?.len() == 2).then_some(())
    });
    let person = |name| Person::log_in(&server, name);
    let (olga, mona, nils, dora, eve) =
        (person("olga"), person("mona"), person("nils"), person("dora"), person("eve"));
    assert_eq!(olga.hosts(), ["db1"]);
    assert_eq!(mona.hosts(), ["db1"]);
    assert_eq!(nils.hosts(), ["db1", "web1"]);
    assert_eq!(dora.hosts(), ["web1"]);
    assert_eq!(eve.hosts(), [""; 0]);
    let look = |who: &Person<'_>| who.ask("POST", "/api/0/hosts/db1/look", Some(&json!({}))).status;
    // The server runs no check there, which is told to those who may ask.
    assert_eq!([look(&olga), look(&mona)], [409, 409], "owner and manager");
    assert_eq!([look(&nils), look(&dora), look(&eve)], [403, 404, 404]);
    let drop = |who: &Person<'_>, host| who.ask("DELETE", &format!("/api/0/hosts/{host}"), None);
    assert_eq!(drop(&mona, "db1").status, 403, "a manager may not");
    let told = drop(&mona, "db1").body.to_string();
    assert!(told.contains("owner"), "{told}");
    let users = server.get("/api/0/users");
    let roles = |name: &str| {
        let all = users.as_array().into_iter().flatten();
        all.clone().find(|user| user["name"] == name).unwrap()["roles"].clone()
    };
    assert_eq!(roles("mona"), json!({"db1": "manager"}), "the higher of two: {users}");
    assert_eq!(roles("nils"), json!({"db1": "monitor", "web1": "monitor"}));
    assert_eq!(roles("dora"), json!({"web1": "owner"}));

    let event = |host: &str, n: u8| {
        json!({"uid": format!("{n:032x}"), "hops": ["elsewhere"], "host": host, "at_unix_s": 1.0e9,
            "kind": "backup", "severity": "info", "text": "done"})
    };
    let brought = json!({"events": [event("db1", 1), event("web1", 2)]});
    assert_eq!(server.post("/api/0/events", &brought).status, 200);
    let happened = |who: &Person<'_>| {
        let page = who.ask("GET", "/api/0/happened", None).body;
        let hosts = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        let mut hosts: Vec<_> = hosts.iter().map(|event| event["host"].to_string()).collect();
        hosts.sort();
        hosts.join(" ")
    };
    assert_eq!(happened(&nils), "\"db1\" \"web1\"");
    assert_eq!([happened(&mona), happened(&dora)], ["\"db1\"", "\"web1\""]);
    assert_eq!(happened(&eve), "");

    // Checks of all hosts are counted and listed of those hosts alone.
    let counted = |who: &Person<'_>| {
        let all = who.ask("GET", "/api/0/checks/summary?q=host", None).body;
        all[0]["hosts"].as_u64()
    };
    assert_eq!([&nils, &mona, &eve].map(counted), [Some(2), Some(1), None]);
    let listed = |who: &Person<'_>, query: &str| {
        let page = who.ask("GET", &format!("/api/0/checks?check=host&{query}"), None).body;
        let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        let hosts: Vec<&str> = items.iter().filter_map(|one| one["host"].as_str()).collect();
        (hosts.join(" "), page["next"].as_str().map(hark_net::encoded))
    };
    assert_eq!(listed(&nils, "sort=-host"), ("web1 db1".to_owned(), None));
    assert_eq!(listed(&dora, "q=WEB").0, "web1");
    assert_eq!(listed(&mona, "q=web").0, "");
    let (first, next) = listed(&nils, "limit=1");
    let rest = listed(&nils, &format!("limit=1&cursor={}", next.expect("a second page")));
    assert_eq!((first.as_str(), rest), ("db1", ("web1".to_owned(), None)));
}

#[test]
fn roles_by_tag_and_team_hold_wherever_hosts_are_shown_and_are_not_written_back() {
    let folder = folder();
    let config = format!(
        "receivers: {{hook: {{webhook: {{url: 'http://127.0.0.1:9/'}}}}}}\n\
         users:\n  olga: {{password: '{HASH}', channels: [hook]}}\n  tina: {{channels: [hook]}}\n  \
         nils: {{password: '{HASH}'}}\n\
         teams: {{ops: [olga, tina]}}\n\
         access:\n  databases: {{who: team:ops, role: manager, tags: role:db}}\n  \
         all: {{who: nils, role: monitor, hosts: '*'}}\n\
         hosts:\n  db1: {{tags: [role:db]}}\n  db2: {{tags: [role:db], owner: nils}}\n  \
         web1: {{tags: [role:web]}}\n"
    );
    let mut server = Start::new("server", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    until("the hosts", Duration::from_secs(20), || {
        (server.get("/api/0/hosts")["items"].as_array()?.len() == 3).then_some(())
    });
    // One of the store: in a team of the configuration, and with a role of her own.
    let tina = json!({"name": "tina", "password": PASSWORD, "roles": {"web1": "monitor"}});
    assert_eq!(server.post("/api/0/users", &tina).status, 200);
    let person = |name| Person::log_in(&server, name);
    let (olga, nils, tina) = (person("olga"), person("nils"), person("tina"));
    assert_eq!(olga.hosts(), ["db1", "db2"]);
    assert_eq!(nils.hosts(), ["db1", "db2", "web1"]);
    assert_eq!(tina.hosts(), ["db1", "db2", "web1"], "both of hers");
    let roles = |who: &Person<'_>| who.ask("GET", "/api/0/auth/me", None).body["roles"].clone();
    assert_eq!(roles(&nils), json!({"db1": "monitor", "db2": "owner", "web1": "monitor"}));
    let all = json!({"db1": "manager", "db2": "manager", "web1": "monitor"});
    assert_eq!(roles(&tina), all);
    let look = |who: &Person<'_>, host| {
        who.ask("POST", &format!("/api/0/hosts/{host}/look"), Some(&json!({}))).status
    };
    assert_eq!([look(&tina, "db1"), look(&tina, "web1")], [409, 403], "may, and may not");
    assert_eq!(look(&olga, "web1"), 404, "what is not seen is not there");
    let fleet = olga.ask("GET", "/api/0/fleet", None).body["name"].clone();
    assert_eq!(fleet, json!(["db1", "db2"]));

    // What the configuration gives must not stay when it takes it back.
    let change = json!({"old": PASSWORD, "new": "battery staple horse"});
    assert_eq!(tina.ask("POST", "/api/0/auth/password", Some(&change)).status, 204);
    let chain = server.get("/api/0/audit/check");
    assert_eq!(
        (&chain["broken_at"], chain["newest"].as_str().map(str::len)),
        (&json!(null), Some(64))
    );
    assert!(chain["lines"].as_u64() > Some(3), "{chain}");
    let without = config.replace("ops: [olga, tina]", "ops: [olga]");
    drop((olga, nils, tina));
    drop(server);
    let server = Start::new("server", folder.path()).config(&without).go();
    let users = server.get("/api/0/users");
    let tina = users.as_array().unwrap().iter().find(|user| user["name"] == "tina").unwrap();
    assert_eq!(tina["roles"], json!({"web1": "monitor"}), "{users}");
}

#[test]
fn who_leaves_the_configuration_or_is_given_another_password_is_out_at_once() {
    let folder = folder();
    let user = |name: &str, hash: &str| format!("  {name}: {{password: '{hash}', admin: true}}\n");
    let write = |users: &[String], login: &str| {
        let text = format!("login: {login}\nusers:\n{}", users.concat());
        support::write(folder.path(), "hark.yaml", &text);
    };
    let [olga, tom, eve] = ["olga", "tom", "eve"].map(|name| user(name, HASH));
    let config = format!("login: {{}}\nusers:\n{olga}{tom}{eve}");
    let server = Start::new("server", folder.path()).config(&config).go();
    let status = |who: &Person<'_>| who.ask("GET", "/api/0/auth/me", None).status;
    let person = |name| Person::log_in(&server, name);
    let (of_olga, of_tom, of_eve) = (person("olga"), person("tom"), person("eve"));
    let token = json!({"name": "backup"});
    let token = |who: &Person<'_>| {
        let made = who.ask("POST", "/api/0/tokens", Some(&token)).body;
        let bearer = format!("Authorization: Bearer {}", made["secret"].as_str().unwrap());
        move || {
            let bearer = [bearer.clone()];
            http::request(server.http, "GET", "/api/0/auth/me", &bearer, None).unwrap().status
        }
    };
    let (token_of_olga, token_of_tom) = (token(&of_olga), token(&of_tom));
    assert_eq!((token_of_olga(), token_of_tom()), (200, 200));
    // The same password with another salt: what opens is another hash.
    let other = &HASH.replace("2D8+", "3D8+");
    let changed = [user("tom", other), eve.clone()];
    write(&changed, "{second_factor: optional}");
    server.process.signal("HUP");
    until("olga to be out", Duration::from_secs(20), || (status(&of_olga) == 401).then_some(()));
    until("tom to be out", Duration::from_secs(20), || (status(&of_tom) == 401).then_some(()));
    assert_eq!((token_of_olga(), token_of_tom(), status(&of_eve)), (401, 200, 200));
    let again = [olga, user("tom", other), eve];
    write(&again, "{second_factor: administrators}");
    server.process.signal("HUP");
    let log_in = json!({"username": "olga", "password": PASSWORD});
    until("olga to be back", Duration::from_secs(20), || {
        let answer = http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&log_in));
        (answer.ok()?.status == 200).then_some(())
    });
    assert_eq!(token_of_olga(), 401, "nothing of before comes back with the name");
    let demanded = of_eve.ask("GET", "/api/0/users", None);
    assert_eq!(
        (demanded.status, &demanded.body["type"]),
        (403, &json!("/problems/second-factor-demanded"))
    );
    let audit = server.get("/api/0/audit")["items"].to_string();
    assert!(audit.contains("user.left") && audit.contains("user.declared"), "{audit}");
}
