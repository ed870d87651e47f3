//! A seeded world of hosts, network, clocks and receivers.
