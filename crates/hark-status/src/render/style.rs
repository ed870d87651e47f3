//! What a page loads beside itself.

/// How the page looks. Its policy allows nothing inline.
pub const STYLE: &str = include_str!("status.css");

/// Has an open page follow what is said.
pub const SCRIPT: &str = include_str!("status.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_little() {
        assert!(STYLE.len() < 12 * 1024, "{} bytes", STYLE.len());
        assert!(SCRIPT.len() < 3 * 1024, "{} bytes", SCRIPT.len());
    }
}
