//! Paths of seed 001: the latest data by collector, and what is wrong now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Timestamp;
use crate::words::Status;

/// The newest data of every collector of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plugins {
    /// The host.
    pub host: String,
    /// By collector, then by metric or `instance.metric`.
    pub plugins: BTreeMap<String, PluginLatest>,
}

/// The newest data of one collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginLatest {
    /// When it was taken; null if there is none.
    #[schema(required = true)]
    pub at: Option<Timestamp>,
    /// The values.
    pub values: BTreeMap<String, Option<f64>>,
}

/// How many samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PluginQuery {
    /// How many samples at most: 1 to 1000, 50 if not given.
    pub limit: Option<u32>,
}

/// The newest samples of one collector of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginHistory {
    /// The host.
    pub host: String,
    /// The collector.
    pub plugin: String,
    /// Newest first.
    pub samples: Vec<PluginSample>,
}

/// The values of one collector at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginSample {
    /// When they were taken.
    pub at: Timestamp,
    /// By metric or `instance.metric`.
    pub values: BTreeMap<String, Option<f64>>,
}

/// What is wrong now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// Worst first.
    pub alerts: Vec<Alert>,
}

/// A check that is wrong, or, for one host, any check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// What is believed.
    pub status: Status,
    /// The newest value.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// In words.
    pub text: String,
    /// Since when.
    #[schema(required = true)]
    pub since_at: Option<Timestamp>,
    /// Somebody took it.
    pub acknowledged: bool,
}
