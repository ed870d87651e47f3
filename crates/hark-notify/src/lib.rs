//! Receivers, rendering, and the delivery machine.
