//! The ways to publish: one file each.

mod cloudflare;
mod desec;
mod dyndns2;
mod hetzner;
mod nsupdate;
mod rfc2136;
mod route53;
#[cfg(test)]
mod tests;
mod url;

use hark_config::{Key, Kind};

use crate::way::WayType;

/// Every kind of way.
pub const TYPES: &[&dyn WayType] = &[
    &rfc2136::Rfc2136,
    &nsupdate::Nsupdate,
    &cloudflare::Cloudflare,
    &desec::Desec,
    &hetzner::Hetzner,
    &route53::Route53,
    &dyndns2::Dyndns2,
    &url::Url,
];

/// The words of all kinds.
pub(crate) const WORDS: &[&str] =
    &["rfc2136", "nsupdate", "cloudflare", "desec", "hetzner", "route53", "dyndns2", "url"];

pub(crate) const RFC2136: Key =
    Key::new("rfc2136", Kind::Section(rfc2136::KEYS), "Updates by the protocol of name servers.");
pub(crate) const NSUPDATE: Key =
    Key::new("nsupdate", Kind::Section(nsupdate::KEYS), "Updates by BIND's program.");
pub(crate) const CLOUDFLARE: Key =
    Key::new("cloudflare", Kind::Section(cloudflare::KEYS), "Cloudflare.");
pub(crate) const DESEC: Key = Key::new("desec", Kind::Section(desec::KEYS), "deSEC.");
pub(crate) const HETZNER: Key =
    Key::new("hetzner", Kind::Section(hetzner::KEYS), "Hetzner's cloud console.");
pub(crate) const ROUTE53: Key =
    Key::new("route53", Kind::Section(route53::KEYS), "Amazon Route 53.");
pub(crate) const DYNDNS2: Key =
    Key::new("dyndns2", Kind::Section(dyndns2::KEYS), "Any service with the protocol of DynDNS.");
pub(crate) const URL: Key =
    Key::new("url", Kind::Section(url::KEYS), "Any service that is called by a web address.");

pub(crate) use nsupdate::of_seed;
