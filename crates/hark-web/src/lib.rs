//! HTTP routes, WebSocket, sessions and the embedded page.
