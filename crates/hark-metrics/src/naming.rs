//! Which host a series is of.

use hark_model::HostName;

/// Bound on the labels that may tell a host.
pub const MAX_HOST_LABELS: usize = 16;

/// What says which host a series is of, and what it is called where it does not say so itself.
#[derive(Clone, Debug)]
pub struct Naming {
    /// Labels that tell a host, the first one that does counts.
    pub host_labels: Vec<String>,
    /// The host of what tells none: what the sender says of nobody in particular is its own.
    pub host: HostName,
    /// The job of what has none.
    pub job: String,
    /// Attributes of an OTLP resource that are kept as labels, beside those that tell host and job.
    pub keep_attributes: Vec<String>,
    /// Whether the buckets of histograms are kept.
    pub buckets: bool,
}

impl Naming {
    /// Labels that tell a host, unless something else is said.
    pub const HOST_LABELS: [&str; 4] = ["host", "hostname", "host.name", "instance"];

    /// Makes one that knows the usual labels.
    pub fn new(host: HostName, job: &str) -> Self {
        Self {
            host_labels: Self::HOST_LABELS.map(str::to_owned).to_vec(),
            host,
            job: job.to_owned(),
            keep_attributes: Vec::new(),
            buckets: true,
        }
    }

    /// Returns the text that tells the host among `labels`, if one of them does.
    pub(crate) fn told<'l>(
        &self,
        labels: &(impl Iterator<Item = (&'l str, &'l str)> + Clone),
    ) -> Option<&'l str> {
        self.host_labels.iter().find_map(|wanted| {
            let found = labels.clone().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| host_part(value)).filter(|host| HostName::new(host).is_ok())
        })
    }
}

/// Returns the host in a label: without its port, and of an address of a page the host alone.
fn host_part(value: &str) -> &str {
    let value = value.split_once("://").map_or(value, |(_, rest)| {
        let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        rest.rsplit_once('@').map_or(rest, |(_, host)| host)
    });
    if let Some(rest) = value.strip_prefix('[') {
        return rest.split_once(']').map_or(value, |(address, _)| address);
    }
    match value.split_once(':') {
        // More colons are an address of IPv6.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_what_labels_say() {
        for (value, host) in [
            ("web1", "web1"),
            ("web1.example.net:9100", "web1.example.net"),
            ("192.0.2.1:9100", "192.0.2.1"),
            ("[2001:db8::1]:9100", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("https://user@www.example.net:8443/a/b?c", "www.example.net"),
            ("http://[::1]:80/", "::1"),
            ("web1:", "web1"),
        ] {
            assert_eq!(host_part(value), host, "{value}");
        }
    }

    #[test]
    fn the_first_label_that_names_a_host_counts() {
        let naming = Naming::new(HostName::new("prom").unwrap(), "prom");
        let told = |labels: &[(&'static str, &'static str)]| naming.told(&labels.iter().copied());
        assert_eq!(told(&[("instance", "a:1"), ("host", "b")]), Some("b"));
        assert_eq!(told(&[("instance", "a:1"), ("host", "no host")]), Some("a"));
        assert_eq!(told(&[("instance", ""), ("job", "x")]), None);
    }
}
