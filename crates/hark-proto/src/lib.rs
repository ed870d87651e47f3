//! Datagrams: encode, decode, seal, open, replay window.
