//! Foreign text made fit to be shown: in a terminal, a mail, a page.

use hark_model::labels::is_hidden;

/// Returns `bytes` as text without control characters, at most `most` bytes long. What is no UTF-8
/// is shown as the replacement character; line feeds stay, tabs become blanks.
pub fn clean(bytes: &[u8], most: usize) -> String {
    // Twice the bound is enough to fill it unless more than half are control characters.
    let some = bytes.get(..bytes.len().min(most.saturating_mul(2))).unwrap_or_default();
    let text = String::from_utf8_lossy(some);
    let mut clean = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let c = if c == '\t' { ' ' } else { c };
        // A text must not look like another.
        if c != '\n' && is_hidden(c) {
            continue;
        }
        if clean.len() + c.len_utf8() > most {
            break;
        }
        clean.push(c);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        assert_eq!(clean(b"\x1b[31mred\x07\tx\r\ny", 100), "[31mred x\ny");
        assert_eq!(clean("a\u{202e}b".as_bytes(), 100), "ab");
        assert_eq!(clean(b"\xff\xfea", 100), "\u{fffd}\u{fffd}a");
    }

    #[test]
    fn it_is_cut_at_a_character() {
        assert_eq!(clean("ééé".as_bytes(), 5), "éé");
        assert_eq!(clean(b"abc", 0), "");
    }
}
