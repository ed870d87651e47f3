//! From what a page says to what is sent.

pub(crate) mod badge;
mod feed;
pub(crate) mod html;
pub(crate) mod style;

/// Returns a text as it may stand between tags and in attributes of XML and HTML. What XML cannot hold at
/// all is left out.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}

/// Writes a share as a percentage that never says 100 of what was not whole.
pub(crate) fn percent(share: f64) -> String {
    if share >= 1.0 {
        return "100 %".to_owned();
    }
    let thousandths = (share.max(0.0) * 100_000.0).floor() / 1000.0;
    format!("{thousandths:.3} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_whole_is_not_a_hundred() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999_9), "99.999 %");
        assert_eq!(percent(0.0), "0.000 %");
        assert_eq!(percent(-0.1), "0.000 %");
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<a b='\"'>&\u{1}\u{ffff}ü\n"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;ü\n");
    }
}
