//! All hosts at once, by columns.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All hosts: the same place in each list is the same host. Columns because 10,000 hosts as
/// objects are fifteen times larger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fleet {
    /// Changes when anything but times and values changed; also the answer's `ETag`.
    pub etag: String,
    /// When it was true.
    pub at_unix_s: i64,
    /// Numbers, as live rows use them.
    pub id: Vec<u32>,
    /// Names.
    pub name: Vec<String>,
    /// One letter a host: `o w c u m -`.
    pub state: String,
    /// Places in `sites`.
    pub site: Vec<u32>,
    /// Names of sites; `""` for hosts without one.
    pub sites: Vec<String>,
    /// Tags.
    pub tags: Vec<Vec<String>>,
    /// What is wrong; `""` if nothing.
    pub text: Vec<String>,
    /// Since when the state holds.
    pub since_unix_s: Vec<i64>,
    /// When it was last heard.
    pub last_heard_unix_s: Vec<Option<i64>>,
    /// Processor use in percent.
    pub cpu: Vec<Option<f64>>,
    /// Memory use in percent.
    pub mem: Vec<Option<f64>>,
    /// Use of the fullest file system in percent.
    pub disk: Vec<Option<f64>>,
    /// States of the last 24 hours in 48 half hours.
    pub strip: Vec<String>,
    /// Addresses.
    pub address: Vec<Option<String>>,
    /// Operating systems; `""` if not known.
    pub os: Vec<String>,
    /// Seconds since boot.
    pub uptime_s: Vec<Option<f64>>,
}
