//! The setting `headers`: names and values that a request bears besides its own.

use hark_config::Section;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads the setting `headers` of `section`. Names in `own` (in small letters) are decided by the
/// request itself and refused. Values may be credentials: they are marked as such, so that no debug
/// text shows them.
pub fn read_headers(section: &Section<'_>, own: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(child) = section.child("headers") else { return headers };
    for (key, value) in child.entries() {
        let Ok(name) = HeaderName::from_bytes(key.value.as_bytes()) else {
            value.error(format!("`{}` cannot be the name of a header", key.value));
            continue;
        };
        if own.contains(&name.as_str()) {
            value.error(format!("hark sets the header `{}` itself", key.value));
            continue;
        }
        let Some(secret) = value.secret() else { continue };
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut content) => {
                content.set_sensitive(true);
                headers.insert(name, content);
            }
            Err(_) => drop(value.error("a header cannot contain control characters")),
        }
    }
    headers
}
