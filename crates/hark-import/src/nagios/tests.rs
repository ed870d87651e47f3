use super::*;

const OBJECTS: &str = r"
define host{
        name                    generic-host    ; a template
        check_command           check-host-alive
        max_check_attempts      10
        check_interval          5
        contact_groups          admins
        register                0
        }
define host {
        use             generic-host
        host_name       gateway
        address         192.0.2.1
        check_command   null
        }
define host {
        use             generic-host
        host_name       Web One
        address         192.0.2.10
        parents         gateway,nobody
        hostgroups      web
        _COMMUNITY      public
        }
define hostgroup {
        hostgroup_name  all
        members         *
        }
define hostgroup {
        hostgroup_name  web
        alias           Web
        }
define service {
        name                    generic-service
        check_interval          1
        retry_interval          0.5
        max_check_attempts      4
        contacts                root
        register                0
        }
define service {
        use                     generic-service
        hostgroup_name          web
        service_description     Page
        check_command           check_http!-e 200,302 -s 'it works'
        event_handler           restart
        }
define service {
        use                     generic-service
        host_name               *,!gateway
        service_description     SNMP
        check_command           check_any!-C $_HOSTCOMMUNITY$ -o sysUpTime.0
        }
define service {
        use                     generic-service
        host_name               Web One
        service_description     Piped
        check_command           check_pipe
        }
define command {
        command_name    check-host-alive
        command_line    $USER1$/check_ping -H $HOSTADDRESS$ -w 3000.0,80% -c 5000.0,100% -p 5
        }
define command {
        command_name    check_http
        command_line    $USER1$/check_http -I $HOSTADDRESS$ $ARG1$
        }
define command {
        command_name    check_any
        command_line    $USER1$/check_snmp -H $HOSTADDRESS$ \
                        $ARG1$
        }
define command {
        command_name    check_pipe
        command_line    echo x | grep y
        }
define contact {
        contact_name    root
        email           root@example.net
        }
define contact {
        contact_name    night
        contactgroups   admins
        email           night@example.net
        pager           12345
        }
define timeperiod {
        timeperiod_name workhours
        monday          09:00-17:00
        }
";

fn import(text: &str) -> Imported {
    let resource = Source {
        path: "resource.cfg".to_owned(),
        text: "$USER1$=/opt/plugins\ninterval_length=60\n".to_owned(),
    };
    let objects = Source { path: "objects.cfg".to_owned(), text: text.to_owned() };
    Nagios.read(&[resource, objects]).unwrap()
}

fn read(imported: &Imported) -> serde_json::Value {
    let document = hark_config::Document::single(&imported.config);
    assert!(!document.has_errors(), "{}", imported.config);
    texts(document.root(&hark_config::NoSecrets).to_json())
}

/// Makes texts of numbers and flags: how a value is written matters here, not its kind.
fn texts(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, texts(v))).collect()),
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        Value::Null | Value::String(_) => value,
    }
}

#[test]
fn hosts_take_what_their_templates_say() {
    let config = read(&import(OBJECTS));
    let web = &config["hosts"]["web-one"];
    assert_eq!(web["address"], "192.0.2.10");
    assert_eq!(web["parents"], serde_json::json!(["gateway"]));
    assert_eq!(web["tags"], serde_json::json!(["all", "web"]));
    let alive = &config["checks"]["alive-web-one"];
    assert_eq!(alive["ping"]["address"], "192.0.2.10");
    assert_eq!(alive["ping"]["warning"], "3000ms");
    assert_eq!(alive["ping"]["loss_critical"], "100");
    assert_eq!(alive["attempts"], "10");
    assert!(config["checks"].get("alive-gateway").is_none(), "null takes a value away");
}

#[test]
fn services_of_standard_plugins_become_check_types() {
    let config = read(&import(OBJECTS));
    let page = &config["checks"]["page-web-one"];
    assert_eq!(page["http"]["url"], "http://192.0.2.10/");
    assert_eq!(page["http"]["status"], serde_json::json!(["200", "302"]));
    assert_eq!(page["http"]["contains"], "it works");
    assert_eq!((page["every"].as_str(), page["retry_every"].as_str()), (Some("1m"), Some("30s")));
    assert_eq!(page["attempts"], "4");
}

#[test]
fn other_commands_are_run_as_they_are() {
    let config = read(&import(OBJECTS));
    let snmp = &config["checks"]["snmp-web-one"];
    assert_eq!(
        snmp["plugin"]["command"],
        serde_json::json!([
            "/opt/plugins/check_snmp",
            "-H",
            "192.0.2.10",
            "-C",
            "public",
            "-o",
            "sysUpTime.0"
        ])
    );
    assert!(config["checks"].get("snmp-gateway").is_none(), "`!gateway` leaves it out");
}

#[test]
fn contacts_become_receivers_and_routes() {
    let config = read(&import(OBJECTS));
    assert_eq!(config["receivers"]["night"]["email"]["to"], "night@example.net");
    let routes = config["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 2);
    let last = &routes[1];
    assert!(last.get("match").is_none(), "the most frequent is for all else");
    let to: Vec<_> = routes.iter().map(|r| r["to"][0].as_str().unwrap()).collect();
    assert!(to.contains(&"root") && to.contains(&"night"));
}

#[test]
fn what_is_left_out_is_listed_with_its_line() {
    let imported = import(OBJECTS);
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    let has = |text: &str| assert!(notes.iter().any(|n| n.contains(text)), "{text}: {notes:#?}");
    has("left out: the parent nobody, which is not declared");
    has("left out: `event_handler restart` of service Page");
    has("left out: `check_pipe`: it needs a shell (`|`)");
    has("left out: the pager of night");
    has("left out: timeperiod workhours");
    assert!(notes.iter().any(|n| n.starts_with("objects.cfg:")), "{notes:#?}");
    assert_eq!((imported.n_hosts, imported.n_checks), (2, 3));
}

#[test]
fn broken_files_are_refused_with_their_line() {
    let file = |text: &str| Source { path: "a.cfg".to_owned(), text: text.to_owned() };
    let error = Nagios.read(&[file("\ndefine host{\n host_name a\n")]).unwrap_err();
    assert_eq!(error.to_string(), "a.cfg:2: the definition has no end");
    let error = Nagios.read(&[file("nonsense\n")]).unwrap_err();
    assert_eq!(error.to_string(), "a.cfg:1: neither a definition nor a setting");
}

#[test]
fn templates_that_take_from_themselves_end() {
    let imported = import(
        "define host{\n name a\n use b\n register 0\n}\ndefine host{\n name b\n use a\n register 0\n}\n\
         define host{\n host_name c\n use a\n}\n",
    );
    assert_eq!(imported.n_hosts, 1);
    assert!(imported.notes.iter().any(|n| n.text.contains("takes from itself")));
}
