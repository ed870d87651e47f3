//! Text to a tree with positions to typed values, with every error at once.
