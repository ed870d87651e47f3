//! Sockets that local programs speak to.

use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use hark_testing::free_port;

use super::*;

#[test]
fn what_programs_count_comes_to_values_each_interval() {
    let port = free_port();
    let mut scene = Scene::of(&format!("statsd: {{listen: '127.0.0.1:{port}', every: 1s}}\n"));
    scene.until(|scene| scene.result("statsd").is_some());
    assert_eq!(scene.result("statsd").unwrap().text, "listens");
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in ["views:3|c\nviews:1|c|@0.5", "time:20|ms\ntime:40|ms", "queue:7|g", "wrong"] {
        program.send_to(datagram.as_bytes(), ("127.0.0.1", port)).unwrap();
    }
    scene.until(|scene| scene.values.contains_key("statsd.queue"));
    scene.until(|scene| scene.result("statsd").unwrap().status == Status::Warning);
    assert_eq!(scene.values["statsd.views"][0].to_string(), "5");
    assert_eq!(scene.values["statsd.time.mean"][0].to_string(), "30");
    assert_eq!(scene.values["statsd.time.p99"][0].to_string(), "40");
    assert_eq!(scene.values["statsd.queue"][0].to_string(), "7");
    assert_eq!(scene.result("statsd").unwrap().text, "1 lines are wrong");
}

#[test]
fn a_socket_has_the_permissions_it_is_given_and_takes_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.sock");
    // Left by one that was killed.
    drop(UnixDatagram::bind(&path).unwrap());
    let mut scene =
        Scene::of(&format!("lines: {{socket: {}, mode: '0660', group: '0'}}\n", path.display()));
    scene.until(|scene| scene.result("lines").is_some());
    assert_eq!(scene.result("lines").unwrap().text, "listens");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    let program = UnixDatagram::unbound().unwrap();
    let text = b"{\"metrics\": {\"a\": 1}}\n{\"event\": \"hello\"}\n{\"check\": \"x\", \"status\": \"ok\"}\nnot json\n";
    program.send_to(text, &path).unwrap();
    scene.until(|scene| !scene.values.is_empty() && scene.result("lines.x").is_some());
    assert_eq!(scene.values["custom.lines.a"], [1.0]);
    assert_eq!(scene.events[0].text, "hello");
    drop(scene);
    assert!(!path.exists(), "it goes with the agent");
}

#[test]
fn statsd_takes_a_socket_too_and_says_if_there_is_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statsd.sock");
    let taken = folder.path().join("taken");
    fs::write(&taken, "x").unwrap();
    let mut scene = Scene::of(&format!(
        "statsd: {{socket: {}, every: 1s}}\nlines: {{socket: {}}}\n",
        path.display(),
        taken.display()
    ));
    scene.until(|scene| scene.result("statsd").is_some() && scene.result("lines").is_some());
    let lines = scene.result("lines").unwrap();
    assert_eq!(lines.status, Status::Unknown);
    assert_eq!(lines.text, "cannot listen: there is something else at the place of the socket");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "x");
    UnixDatagram::unbound().unwrap().send_to(b"a:2|c", &path).unwrap();
    scene.until(|scene| scene.values.contains_key("statsd.a"));
}

#[test]
fn wrong_settings_are_said() {
    for (text, said) in [
        ("statsd: {listen: '0.0.0.0:8125'}\n", "does not listen on the network"),
        ("statsd: {listen: '8125'}\n", "an address and a port"),
        ("statsd: {listen: '127.0.0.1:1', socket: /x}\n", "not both"),
        ("statsd: {percentiles: [100]}\n", "from 1 to 99"),
        ("lines: {}\n", "`socket` is missing"),
        ("lines: {socket: x}\n", "from the root on"),
        ("lines: {socket: /x, mode: '999'}\n", "octal digits"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}
