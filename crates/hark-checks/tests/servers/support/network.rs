//! A network of a test's own: it starts itself again in a namespace.

use std::process::Command;

use super::needs;

/// Set where the test runs in the network of its own.
const INSIDE: &str = "HARK_TEST_INSIDE";

struct Network(String);

impl Drop for Network {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).status().unwrap();
    assert!(done.success(), "ip {words:?}");
}

/// Runs `inside` of the test of that name in a network in which there is only this machine, and what the
/// `orders` to `ip` add.
pub(crate) fn alone(test: &str, orders: &[&str], inside: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(inside());
        return;
    }
    needs("/usr/sbin/ip");
    let word = test.split("::").next().unwrap_or_default();
    let network = Network(format!("hark-{word}-{}", std::process::id()));
    ip(&["netns", "add", &network.0]);
    for order in ["link set lo up"].iter().chain(orders) {
        let words: Vec<&str> = order.split(' ').collect();
        ip(&[&["-n", &network.0][..], &words].concat());
    }
    let output = Command::new("ip")
        .args(["netns", "exec", &network.0])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}
