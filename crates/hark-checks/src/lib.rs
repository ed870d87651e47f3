//! Check types that look at something: ping, tcp, http.
