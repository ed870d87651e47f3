//! What a first start prints for the one who started it.

use std::net::Ipv4Addr;

use crate::support::folder;
use crate::support::network::Namespace;
use crate::support::process::{Process, succeed};
use crate::support::server::{START, Start};
use crate::support::wait::until;

#[test]
fn a_machine_without_a_screen_prints_the_link_that_another_one_opens() {
    let (folder, network) = (folder(), Namespace::new());
    let mut start = Start::new("server", folder.path());
    start.ip = Ipv4Addr::UNSPECIFIED;
    start.under = ["ip", "netns", "exec", &network.name].map(Into::into).to_vec();
    let process = Process::start(&mut start.command(), folder.path(), "server");
    let link = |output: &str, host: &str| {
        let is_it = |l: &&str| l.contains(&format!("//{host}:")) && l.contains("/setup?code=");
        output.lines().map(str::trim).find(is_it).map(str::to_owned)
    };
    let there = network.there.to_string();
    let (output, elsewhere) = until("the link for other machines", START, || {
        let output = process.output();
        let found = link(&output, &there)?;
        output.ends_with('\n').then_some((output, found))
    });
    let here = link(&output, "127.0.0.1").unwrap();
    assert!(here.starts_with("http://") && elsewhere.starts_with("https://"), "{output}");
    let code = |link: &str| link.split_once("code=").unwrap().1.to_owned();
    assert_eq!(code(&here), code(&elsewhere), "{output}");
    assert_eq!(output.matches("/setup?code=").count(), 2, "none for one cable alone: {output}");
    let kept = std::fs::read_to_string(start.data.join("setup-link")).unwrap();
    assert_eq!(kept.trim_end(), here, "the commands of this machine take one link");

    // The certificate says that it is of that address.
    let mut look = std::process::Command::new("openssl");
    look.args(["x509", "-noout", "-checkip", &there, "-in"]);
    let said = succeed(look.arg(start.data.join("tls/certificate.pem")), START);
    assert!(said.contains("does match"), "{said}");
}
