//! Badges: a small picture with a label and what holds, for pages of others.

use super::escape;

/// The longest text of a half in characters: beyond it the picture is wider than where people put it.
const MAX_TEXT: usize = 60;

/// The height in pixels.
const HEIGHT: usize = 20;

/// Colours with which white text has a contrast of at least 4.5 to 1.
const LABEL: &str = "#3a4549";

/// Returns a badge that says `message` about `label`. `kind` chooses its colour: the word of a state.
pub fn badge(label: &str, message: &str, kind: &str) -> String {
    let (label, message) = (cut(label), cut(message));
    let (left, right) = (width(&label), width(&message));
    let all = left + right;
    let colour = match kind {
        "operational" => "#17694f",
        "maintenance" => "#2658a8",
        "degraded" | "partial_outage" => "#845000",
        "major_outage" => "#b01e1b",
        _ => "#5f6a71",
    };
    let (label, message) = (escape(&label), escape(&message));
    // Given lengths keep the text in its half whatever font the reader has.
    let text = |x: usize, half: usize, text: &str| {
        let length = half - 12;
        format!("<text x=\"{x}\" y=\"14\" textLength=\"{length}\">{text}</text>")
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"{label}: {message}\"><title>{label}: {message}</title>\
         <clipPath id=\"r\"><rect width=\"{all}\" height=\"{HEIGHT}\" rx=\"4\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"{HEIGHT}\" fill=\"{LABEL}\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"{HEIGHT}\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,Geneva,sans-serif\" font-size=\"11\">{}{}\
         </g></svg>\n",
        text(6, left, &label),
        text(left + 6, right, &message),
    )
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text.to_owned();
    }
    let short: String = text.chars().take(MAX_TEXT - 1).collect();
    format!("{}…", short.trim_end())
}

/// Returns about how wide a half is: letters of this font and size are 3 to 11 pixels wide.
fn width(text: &str) -> usize {
    let letters: usize = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '!' | '|' | ' ' => 40,
            'f' | 'r' | 't' | '(' | ')' | '-' | '/' => 48,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 107,
            'A'..='Z' => 78,
            _ => 68,
        })
        .sum();
    letters.div_ceil(10) + 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_says_what_it_is_told_and_nothing_more() {
        let badge = badge("API <x>", "99.961 %", "degraded");
        assert!(badge.contains("aria-label=\"API &lt;x&gt;: 99.961 %\""), "{badge}");
        assert!(badge.contains("#845000"));
        assert!(!badge.contains("<x>"));
        crate::render::html::tests::well_formed(&badge);
    }

    #[test]
    fn a_long_label_is_cut() {
        let badge = badge(&"ä".repeat(500), "ok", "operational");
        assert!(badge.contains(&format!("{}…", "ä".repeat(59))));
        assert!(!badge.contains(&"ä".repeat(60)));
    }
}
