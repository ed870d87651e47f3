//! What the collectors of this program measure, by the names that stand in series and thresholds.
//!
//! Instances (file systems, interfaces, disks, processors) are made by the machine and stand in
//! between; they are not listed. The configuration is checked against this table, so that a misspelt
//! metric is found when it is written and not when nobody was told.

/// Metrics that this program's collectors make, under the first part of their series' names.
///
/// A collector without metrics is one of ours whose metrics are named by others. A program of somebody
/// else may send others under names of its own.
pub const METRICS: &[(&str, &[&str])] = &[
    (
        "cpu_monitor",
        &[
            "cpu_percent",
            "user_percent",
            "system_percent",
            "iowait_percent",
            "steal_percent",
            "cpu_count",
            "frequency_mhz",
            "load_1min",
            "load_5min",
            "load_15min",
            "processes",
            "processes_running",
            "pressure_percent",
        ],
    ),
    (
        "memory_monitor",
        &[
            "percent",
            "total_mb",
            "available_mb",
            "used_mb",
            "cached_mb",
            "swap_percent",
            "swap_total_mb",
            "swap_used_mb",
            "pressure_percent",
            "pressure_full_percent",
            "oom_kills",
        ],
    ),
    ("disk_monitor", &["percent", "free_gb", "free_mb", "total_gb", "inodes_percent", "read_only"]),
    (
        "diskio_monitor",
        &[
            "read_bytes",
            "written_bytes",
            "reads",
            "writes",
            "busy_percent",
            "pressure_percent",
            "pressure_full_percent",
        ],
    ),
    (
        "network_monitor",
        &[
            "connections",
            "received_bytes",
            "sent_bytes",
            "receive_rate",
            "send_rate",
            "errors_total",
            "dropped_total",
            "error_rate",
            "drop_rate",
            "up",
            "speed_mbit",
        ],
    ),
    (
        "process_monitor",
        &[
            "total",
            "kernel",
            "running",
            "blocked",
            "zombies",
            "stopped",
            "threads",
            "count",
            "cpu_percent",
            "memory_mb",
        ],
    ),
    (
        "socket_monitor",
        &[
            "tcp_established",
            "tcp_time_wait",
            "tcp_orphans",
            "tcp_memory_mb",
            "udp",
            "used",
            "tcp_listen",
            "tcp_syn_sent",
            "tcp_syn_received",
            "tcp_fin_wait",
            "tcp_close_wait",
            "tcp_last_ack",
            "tcp_closing",
        ],
    ),
    ("file_monitor", &["open", "limit", "percent"]),
    ("sensor_monitor", &["temperature_max", "temperature", "margin", "fan_rpm"]),
    ("power_monitor", &["charge_percent", "health_percent", "discharging", "online"]),
    ("raid_monitor", &["missing_disks", "failed_disks", "spare_disks", "active", "sync_percent"]),
    ("zfs_monitor", &["arc_size_mb", "arc_limit_mb", "arc_hit_percent", "healthy"]),
    (
        "clock_monitor",
        &["synchronized", "max_error_seconds", "estimated_error_seconds", "server_offset_seconds"],
    ),
    ("login_monitor", &["sessions", "users"]),
    (
        "ups_monitor",
        &[
            "charge_percent",
            "runtime_seconds",
            "load_percent",
            "input_volts",
            "on_battery",
            "low_battery",
            "replace_battery",
        ],
    ),
    ("package_monitor", &["updates", "security_updates", "held", "reboot_required"]),
    (
        "container_monitor",
        &["total", "running", "unhealthy", "healthy", "restarts", "cpu_percent", "memory_mb"],
    ),
    ("certificate_monitor", &["days_left"]),
    (
        "ntp_monitor",
        &["since_sync_seconds", "offset_seconds", "root_dispersion_seconds", "stratum"],
    ),
    ("systemd_monitor", &["failed_units", "active", "failed", "restarts"]),
    (
        "smart_monitor",
        &[
            "healthy",
            "temperature",
            "power_on_hours",
            "reallocated_sectors",
            "pending_sectors",
            "uncorrectable_sectors",
            "wear_percent",
            "spare_percent",
            "media_errors",
        ],
    ),
    ("uptime_monitor", &["uptime_seconds"]),
    // What these measure is named by the configuration and by the programs.
    ("command", &[]),
    ("nagios_runner", &[]),
    ("custom", &[]),
    ("exporter", &[]),
    ("statsd", &[]),
    ("log_monitor", &[]),
];

/// Returns the metrics of a collector by the name in its series; `None` if it is not one of ours.
pub fn metrics_of(collector: &str) -> Option<&'static [&'static str]> {
    METRICS.iter().find(|(name, _)| *name == collector).map(|(_, metrics)| *metrics)
}

#[cfg(test)]
mod tests {
    use hark_model::{Mono, Unit};

    use super::*;
    use crate::collectors::{self, Root};

    /// The other direction depends on the machine; the manual of each collector names its metrics.
    #[test]
    fn whatever_a_collector_measures_is_in_the_table() {
        let mut seen = 0;
        for configured in collectors::read(None) {
            let mut collector = configured.make.make(&Root::system());
            if collector.collect(Mono(1000), &mut Vec::new()).is_err() {
                continue;
            }
            for series in collector.series() {
                let known = metrics_of(&series.name.collector).unwrap_or_default();
                assert!(known.contains(&series.name.metric.as_str()), "{}", series.name);
                let said = Unit::of_metric(&series.name.metric);
                assert!([Unit::None, series.unit].contains(&said), "{}: {said:?}", series.name);
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} series on this machine");
    }

    #[test]
    fn every_metric_of_the_table_stands_in_a_manual() {
        let manuals: Vec<&str> = collectors::COLLECTORS.iter().map(|kind| kind.manual()).collect();
        for (collector, metrics) in METRICS {
            for metric in *metrics {
                let named = |manual: &&str| manual.contains(collector) && manual.contains(metric);
                assert!(manuals.iter().any(named), "{collector}.{metric}");
            }
        }
    }
}
