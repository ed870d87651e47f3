//! Requests, answers and problem documents of the API.
