//! A seeded world of hosts, network, clocks and receivers: serves tests, `hark demo` and `hark bench`.
//!
//! Nothing here sleeps, reads a clock or opens a socket: the same seed and the same calls give the same
//! course, byte for byte. Start at [`world::World`], which has the real engine, protocol and store in it,
//! at [`week::Week`], in which thousands of hosts live long, or at [`machine::Machine`], which is only a
//! host.
#![expect(clippy::cast_precision_loss, reason = "simulated values need no more than 53 bits")]

pub mod machine;
pub mod random;
pub mod week;
pub mod world;
