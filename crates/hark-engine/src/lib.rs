//! The pure engine: liveness, thresholds, check status, incidents, routes. No IO.
