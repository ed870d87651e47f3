//! `amqp` against RabbitMQ. Debian has no Nagios plugin for it.

use std::process::Command;
use std::time::Duration;

use hark_conditions::Fact;
use hark_model::Status;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody, until};
use crate::support::relay::Relay;
use crate::support::{expect, free_port, good_slow_and_over_ipv6_alone, look, needs};

/// It takes its time to start, the more so on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the broker makes at its start.
const DEFINITIONS: &str = r#"{
  "users": [{"name": "watcher", "password": "hush", "tags": ""}],
  "vhosts": [{"name": "/"}, {"name": "shop"}],
  "permissions": [
    {"user": "watcher", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
  ],
  "queues": [{"name": "orders", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}]
}"#;

#[tokio::test]
async fn amqp_logs_in_to_rabbitmq_and_asks_for_a_queue() {
    const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let own = folder_of_nobody(folder.path(), "own");
    let (port, names, nodes) = (free_port(), free_port().to_string(), free_port().to_string());
    let definitions = own.join("definitions.json");
    std::fs::write(&definitions, DEFINITIONS).unwrap();
    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nload_definitions = {}\nlog.console = true\n\
         log.file = false\n",
        definitions.display()
    );
    std::fs::write(own.join("rabbitmq.conf"), settings).unwrap();
    // The broker would start a register of names that stays behind; this one ends with the test.
    let mut register = Command::new("/usr/bin/epmd");
    register.args(["-port", &names, "-address", "127.0.0.1"]);
    as_nobody(&mut register, folder.path());
    let _register = Process::start(&mut register, &own);
    let mut command = Command::new(PROGRAM);
    command.current_dir(&own).env("HOME", &own).env("ERL_EPMD_PORT", &names);
    command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("RABBITMQ_DIST_PORT", &nodes);
    command.env("RABBITMQ_NODENAME", "hark@localhost").env("RABBITMQ_CONF_ENV_FILE", "none");
    command.env("RABBITMQ_CONFIG_FILE", own.join("rabbitmq.conf"));
    command.env("RABBITMQ_MNESIA_BASE", own.join("data")).env("RABBITMQ_LOG_BASE", own.join("log"));
    command.env("RABBITMQ_PID_FILE", own.join("pid"));
    command.env("RABBITMQ_ENABLED_PLUGINS_FILE", own.join("plugins"));
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none");
    as_nobody(&mut command, folder.path());
    let _process = Process::start(&mut command, &own);
    let login = [("user", "watcher"), ("password", "hush")];
    until("RabbitMQ lets in", PATIENCE, async || {
        look("amqp", port, &login).await.status == Status::Ok
    })
    .await;

    let with = |more: &[(&'static str, &'static str)]| [&login[..], more].concat();
    let greeting = expect("amqp", port, &[], Status::Ok, "RabbitMQ 3.").await;
    assert_eq!(greeting.facts.get("product"), &Fact::from("RabbitMQ"));
    expect("amqp", port, &login, Status::Ok, "/ is open").await;
    let queue = expect("amqp", port, &with(&[("queue", "orders")]), Status::Ok, "0 messages").await;
    assert!(queue.measures.iter().any(|m| m.name == "consumers"), "{queue:?}");
    let missing = with(&[("queue", "missing")]);
    expect("amqp", port, &missing, Status::Critical, "404 NOT_FOUND").await;
    let wrong = [("user", "watcher"), ("password", "no")];
    expect("amqp", port, &wrong, Status::Critical, "403 ACCESS_REFUSED").await;
    expect("amqp", port, &with(&[("vhost", "shop")]), Status::Critical, "NOT_ALLOWED").await;
    expect("amqp", port, &with(&[("vhost", "nowhere")]), Status::Critical, "NOT_ALLOWED").await;
    good_slow_and_over_ipv6_alone("amqp", port, &login).await;
    let authority = Authority::new(folder.path());
    let ca_file = authority.file();
    let over_tls = Relay::secured(port, authority.good().acceptor()).await;
    let options = [("tls", "true"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    expect("amqp", over_tls.port(), &options, Status::Ok, "certificate good for").await;
}
