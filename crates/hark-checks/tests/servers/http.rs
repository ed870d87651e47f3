//! `http` and `flow` against nginx, beside `check_http`.

use std::fmt::Write as _;
use std::time::Duration;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::nginx::serve;
use crate::support::certificates::{Authority, NAME};
use crate::support::process::Process;
use crate::support::relay::Relay;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, plugin, plugin_without_limit, same,
    until_open,
};

struct Site {
    port: u16,
    good: u16,
    expired: u16,
    other: u16,
    ca_file: String,
    _process: Process,
    _folder: TempDir,
}

/// Starts a web server whose pages answer in every way that is judged.
async fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let [port, good, expired, other, away] = [(); 5].map(|()| free_port());
    let users = folder.path().join("users");
    std::fs::write(&users, "watcher:{PLAIN}hush\n").unwrap();
    let mut servers = format!(
        "server {{ listen 127.0.0.1:{port} default_server; server_name _; \
         location / {{ return 200 \"ok hello\\n\"; }} \
         location /missing {{ return 404; }} \
         location /broken {{ return 500; }} \
         location /moved {{ return 301 http://127.0.0.1:{port}/; }} \
         location /astray {{ return 302 http://127.0.0.1:{away}/; }} \
         location /round {{ return 302 http://127.0.0.1:{port}/round; }} \
         location /private {{ auth_basic x; auth_basic_user_file {}; try_files /none =204; }} \
         location /asked {{ if ($http_x_want != this) {{ return 403; }} return 200 yes; }} \
         location /posted {{ if ($request_method != POST) {{ return 405; }} return 200 thanks; }} }}\n\
         server {{ listen 127.0.0.1:{port}; server_name shop.test; return 200 \"the shop\"; }}\n",
        users.display(),
    );
    let pairs = [authority.good(), authority.expired(), authority.for_another()];
    for (port, pair) in [good, expired, other].into_iter().zip(pairs) {
        let _written = writeln!(
            servers,
            "server {{ listen 127.0.0.1:{port} ssl http2; server_name {NAME}; ssl_certificate {}; \
             ssl_certificate_key {}; return 200 \"ok hello\\n\"; }}",
            pair.certificate.display(),
            pair.key.display(),
        );
    }
    let process = serve(folder.path(), &servers);
    for port in [port, good, expired, other] {
        until_open(port).await;
    }
    let ca_file = authority.file();
    Site { port, good, expired, other, ca_file, _process: process, _folder: folder }
}

/// A page, our settings, the plugin's arguments, our verdict, and the plugin's.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], Status, Status);

#[tokio::test]
async fn http_judges_the_answers_of_nginx_as_check_http_does() {
    use Status::{Critical, Ok, Warning};
    let site = site().await;
    let number = site.port.to_string();
    let cases: &[Case<'_>] = &[
        ("/", &[], &[], Ok, Ok),
        // A client's error is a warning of the plugin, whatever is missing.
        ("/missing", &[], &[], Critical, Warning),
        ("/broken", &[], &[], Critical, Critical),
        ("/moved", &[], &[], Ok, Ok),
        (
            "/moved",
            &[("redirects", "3"), ("contains", "hello")],
            &["-f", "follow", "-s", "hello"],
            Ok,
            Ok,
        ),
        ("/astray", &[("redirects", "3")], &["-f", "follow"], Critical, Critical),
        ("/round", &[("redirects", "3")], &["-f", "follow"], Critical, Critical),
        ("/missing", &[("status", "404")], &["-e", "404"], Ok, Ok),
        ("/", &[("status", "404")], &["-e", "404"], Critical, Critical),
        ("/", &[("contains", "hello")], &["-s", "hello"], Ok, Ok),
        ("/", &[("contains", "goodbye")], &["-s", "goodbye"], Critical, Critical),
        ("/", &[("matches", "^ok h.*o$")], &["-r", "^ok h.*o"], Ok, Ok),
        ("/", &[("matches", "^hello")], &["-r", "^hello"], Critical, Critical),
        ("/private", &[], &[], Critical, Warning),
        ("/private", &[("user", "watcher"), ("password", "hush")], &["-a", "watcher:hush"], Ok, Ok),
        (
            "/private",
            &[("user", "watcher"), ("password", "no")],
            &["-a", "watcher:no"],
            Critical,
            Warning,
        ),
        ("/asked", &[("headers", "{x-want: this}")], &["-k", "X-Want: this"], Ok, Ok),
        ("/asked", &[], &[], Critical, Warning),
        ("/posted", &[("method", "POST"), ("body", "a=b")], &["-P", "a=b"], Ok, Ok),
        ("/posted", &[], &[], Critical, Warning),
        ("/", &[("method", "HEAD")], &["-j", "HEAD"], Ok, Ok),
    ];
    for (page, options, arguments, ours, theirs) in cases {
        let url = format!("http://127.0.0.1:{number}{page}");
        let finding = look_for(&url, options).await;
        assert_eq!(finding.status, *ours, "{page} {options:?}: {}", finding.text);
        let begin = ["-I", "127.0.0.1", "-p", &number, "-u", page];
        let said = plugin("check_http", &[&begin[..], arguments].concat());
        assert_eq!(said.0, *theirs, "{page} {arguments:?}: {}", said.1);
    }
    // The virtual host is in the URL, the server in `address`.
    let url = format!("http://shop.test:{number}/");
    let ours = look_for(&url, &[("address", "127.0.0.1"), ("contains", "the shop")]).await;
    assert_eq!(ours.status, Ok, "{}", ours.text);
    let arguments = ["-H", "shop.test", "-I", "127.0.0.1", "-p", &number, "-s", "the shop"];
    same(&ours, &plugin("check_http", &arguments));
    // Nobody is shop2.test: the server that stands for all others answers.
    let url = format!("http://shop2.test:{number}/");
    let ours = look_for(&url, &[("address", "127.0.0.1"), ("contains", "the shop")]).await;
    assert_eq!(ours.status, Critical, "{}", ours.text);
    let arguments = ["-H", "shop2.test", "-I", "127.0.0.1", "-p", &number, "-s", "the shop"];
    same(&ours, &plugin("check_http", &arguments));
}

async fn look_for(url: &str, options: &[(&str, &str)]) -> hark_checks::Finding {
    look_as("http", url, options).await
}

async fn look_as(kind: &str, target: &str, options: &[(&str, &str)]) -> hark_checks::Finding {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options: Vec<_> = options.iter().map(own).collect();
    let check = hark_checks::from_target(kind, target, &options).unwrap();
    let resolver = hark_net::Resolver::default();
    hark_checks::run(&*check, &hark_checks::Context::new(std::sync::Arc::new(resolver))).await.0
}

// The plugin is waited for while the relays of the test work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_that_is_away_silent_slow_or_no_http_is_judged_as_check_http_does() {
    let site = site().await;
    let theirs = |port: u16, more: &[&str]| {
        let port = port.to_string();
        plugin_without_limit("check_http", &[&["-I", "127.0.0.1", "-p", &port], more].concat())
    };
    let away = free_port();
    same(&expect("http", away, &[], Status::Critical, "refused").await, &theirs(away, &[]));
    let silent = Relay::says("").await;
    let ours = expect("http", silent.port(), &[("timeout", "1s")], Status::Critical, "1 s").await;
    same(&ours, &theirs(silent.port(), &["-t", "1"]));
    let slow = Relay::start("127.0.0.1", site.port, Duration::from_millis(150)).await;
    let ours = expect("http", slow.port(), &[("warning", "100ms")], Status::Warning, "ms").await;
    same(&ours, &theirs(slow.port(), &["-w", "0.1"]));
    let ours = expect("http", slow.port(), &[("critical", "100ms")], Status::Critical, "ms").await;
    same(&ours, &theirs(slow.port(), &["-c", "0.1"]));
    let other = Relay::says("220 mx.test ESMTP\r\n").await;
    let ours = expect("http", other.port(), &[("timeout", "2s")], Status::Critical, "").await;
    same(&ours, &theirs(other.port(), &["-t", "2"]));
    // Speaking in the clear where TLS is spoken: nginx answers 400, a warning there.
    expect("http", site.good, &[], Status::Critical, "400").await;
    assert_eq!(theirs(site.good, &[]).0, Status::Warning);
    good_slow_and_over_ipv6_alone("http", site.port, &[]).await;
}

#[tokio::test]
async fn https_wants_a_certificate_that_is_good_where_check_http_counts_days() {
    let site = site().await;
    let ours = async |port: u16, more: &[(&str, &str)]| {
        let url = format!("https://{NAME}:{port}/");
        let trusting = [("address", "127.0.0.1"), ("ca_file", site.ca_file.as_str())];
        look_for(&url, &[&trusting[..], more].concat()).await
    };
    let theirs = |port: u16, more: &[&str]| {
        let port = port.to_string();
        let begin = ["-I", "127.0.0.1", "-H", NAME, "-p", &port, "--ssl", "--sni"];
        plugin("check_http", &[&begin[..], more].concat())
    };
    let good = ours(site.good, &[]).await;
    same(&good, &theirs(site.good, &[]));
    same(&good, &theirs(site.good, &["-C", "14,3"]));
    let two = ours(site.good, &[("version", "2")]).await;
    assert_eq!(two.facts.get("http_version"), &Fact::from("2"), "{}", two.text);
    let expired = ours(site.expired, &[]).await;
    assert!(expired.text.to_lowercase().contains("expired"), "{}", expired.text);
    same(&expired, &theirs(site.expired, &["-C", "14,3"]));
    // Without `-C` the plugin looks at no certificate, and at no name and no authority in any case.
    assert_eq!(theirs(site.expired, &[]).0, Status::Ok);
    let other = ours(site.other, &[]).await;
    assert!(other.text.contains("not valid for name"), "{}", other.text);
    assert_eq!(
        (other.status, theirs(site.other, &["-C", "14,3"]).0),
        (Status::Critical, Status::Ok)
    );
    let careless = ours(site.other, &[("insecure", "true")]).await;
    same(&careless, &theirs(site.other, &[]));
    let plain = look_for(
        &format!("https://127.0.0.1:{}/", site.port),
        &[("ca_file", site.ca_file.as_str()), ("timeout", "2s")],
    )
    .await;
    assert!(plain.text.contains("no TLS"), "{}", plain.text);
    same(&plain, &theirs(site.port, &[]));
}

#[tokio::test]
async fn a_flow_through_nginx_says_which_step_failed() {
    let site = site().await;
    let steps = |last: &str| {
        format!(
            "[{{name: begin, url: 'http://127.0.0.1:{0}/', extract: {{word: {{matches: 'ok (.*)'}}}}}}, \
             {{name: end, url: 'http://127.0.0.1:{0}/{last}', headers: {{x-want: this}}}}]",
            site.port
        )
    };
    let run = async |last: &str| {
        let check = hark_checks::from_target("flow", &steps(last), &[]).unwrap();
        let resolver = hark_net::Resolver::default();
        hark_checks::run(&*check, &hark_checks::Context::new(std::sync::Arc::new(resolver))).await.0
    };
    let good = run("asked").await;
    assert_eq!(good.status, Status::Ok, "{}", good.text);
    let bad = run("missing").await;
    assert!(bad.status == Status::Critical && bad.text.contains("end"), "{}", bad.text);
    good_slow_and_over_ipv6_alone("flow", site.port, &[]).await;
    assert_eq!(look("flow", free_port(), &[]).await.status, Status::Critical);
}

#[tokio::test]
async fn http_and_flow_speak_each_version_of_tls_and_http_with_nginx() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    let users = folder.path().join("users");
    std::fs::write(&users, "watcher:{PLAIN}hush\n").unwrap();
    let versions = [("TLSv1.2", free_port()), ("TLSv1.3", free_port())];
    let mut servers = String::new();
    for (version, port) in versions {
        let _written = writeln!(
            servers,
            "server {{ listen 127.0.0.1:{port} ssl http2; server_name {NAME}; \
             ssl_protocols {version}; ssl_certificate {}; ssl_certificate_key {}; \
             location / {{ return 200 \"hello over $server_protocol\"; }} \
             location /moved {{ return 302 https://{NAME}:{port}/private; }} \
             location /private {{ auth_basic x; auth_basic_user_file {}; try_files /none =204; }} }}",
            pair.certificate.display(),
            pair.key.display(),
            users.display(),
        );
    }
    let _nginx = serve(folder.path(), &servers);
    let ca_file = authority.file();
    for (tls, port) in versions {
        until_open(port).await;
        let trusting = [("address", "127.0.0.1"), ("ca_file", ca_file.as_str())];
        for (wanted, spoken) in [("1.1", "1.1"), ("2", "2"), ("best", "2")] {
            let options = [&trusting[..], &[("version", wanted)]].concat();
            let url = format!("https://{NAME}:{port}/");
            let hello = format!("hello over HTTP/{}", if spoken == "2" { "2.0" } else { spoken });
            let page = [&options[..], &[("contains", hello.as_str())]].concat();
            let finding = look_for(&url, &page).await;
            assert_eq!(finding.status, Status::Ok, "{tls} {wanted}: {}", finding.text);
            assert_eq!(finding.facts.get("tls_version"), &Fact::from(tls));
            assert_eq!(finding.facts.get("http_version"), &Fact::from(spoken));
            // Over a redirect to a page for those who have logged in, which stays on the same host.
            let moved = format!("{url}moved");
            let login = [("user", "watcher"), ("password", "hush"), ("redirects", "2")];
            let finding = look_for(&moved, &[&options[..], &login].concat()).await;
            assert_eq!(finding.facts.get("status"), &Fact::from(204_u32), "{}", finding.text);
            let stranger = look_for(&moved, &[&options[..], &login[2..]].concat()).await;
            assert_eq!(stranger.facts.get("status"), &Fact::from(401_u32), "{}", stranger.text);
            assert_eq!(stranger.status, Status::Critical);
            let steps = format!(
                "[{{url: '{url}', contains: 'HTTP/'}}, {{url: '{url}private', status: 204}}]"
            );
            let flow = look_as("flow", &steps, &[&options[..], &login].concat()).await;
            assert_eq!(flow.status, Status::Ok, "{tls} {wanted}: {}", flow.text);
            let flow = look_as("flow", &steps, &options).await;
            assert!(flow.status == Status::Critical && flow.text.contains("401"), "{}", flow.text);
        }
        // A host that this server has not: the certificate says so before anything is asked.
        let wrong = format!("https://shop.test:{port}/");
        let finding = look_for(&wrong, &trusting).await;
        assert!(finding.text.contains("not valid for name"), "{}", finding.text);
        let flow = look_as("flow", &format!("[{{url: '{wrong}'}}]"), &trusting).await;
        assert!(flow.status == Status::Critical, "{}", flow.text);
    }
}
