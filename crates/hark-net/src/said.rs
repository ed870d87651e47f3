//! What somebody else said, made fit to be shown.

/// What stands where a text was cut.
const CUT: &str = "…";

/// Makes one line of `text`, of at most `most` bytes: what is between words becomes one space, control
/// characters go.
pub fn one_line(text: &str, most: usize) -> String {
    let words = text.split_whitespace().map(|word| word.replace(char::is_control, ""));
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
        if line.len() > most {
            line.truncate(line.floor_char_boundary(most.saturating_sub(CUT.len())));
            line.push_str(CUT);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_short_line_without_control_characters() {
        assert_eq!(one_line(" a\r\n\tb\u{7} \u{1b} c\n", 80), "a b c");
        let long = one_line(&"ä".repeat(300), 200);
        assert!(long.len() <= 200 && long.ends_with("ä…"), "{long}");
        assert_eq!(one_line("abc", 3), "abc");
    }
}
