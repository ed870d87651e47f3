//! State, history and journal on disk; every format versioned.
