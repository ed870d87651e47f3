//! Regular expressions as people write them into checks.

use regex::{Regex, RegexBuilder};

/// Bound on the compiled regular expression.
const MAX_REGEX: usize = 1024 * 1024;

/// Reads one; `^` and `$` stand for the ends of each line. Its time is linear in the text, whatever it is.
pub(crate) fn read_regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).multi_line(true).size_limit(MAX_REGEX).build();
    built.map_err(|error| error.to_string())
}
