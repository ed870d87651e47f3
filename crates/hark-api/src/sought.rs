//! What a list is searched for: the parameter `q`, without regard to case.

/// Text that is looked for in others, of which there may be a hundred thousand for one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// In small letters.
    text: String,
    /// No address has it in it, whatever it is.
    is_no_address: bool,
}

impl Sought {
    /// Takes what somebody wrote.
    pub fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let is_no_address =
            text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'.' | b':'));
        Self { text, is_no_address }
    }

    /// Returns whether it stands in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let (sought, bytes) = (self.text.as_bytes(), text.as_bytes());
        // A letter beyond ASCII may have a small form within it, so that both are looked at.
        if !sought.is_ascii() || !bytes.is_ascii() {
            return text.to_lowercase().contains(&self.text);
        }
        let Some((first, rest)) = sought.split_first() else { return true };
        let mut left = bytes;
        while let Some((next, behind)) = left.split_first() {
            left = behind;
            if next.to_ascii_lowercase() == *first
                && behind.get(..rest.len()).is_some_and(|b| b.eq_ignore_ascii_case(rest))
            {
                return true;
            }
        }
        false
    }

    /// Returns whether it stands in an address as it is written, which is done only where it could.
    pub fn is_in_address(&self, address: std::net::IpAddr) -> bool {
        !self.is_no_address && self.is_in(&address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_difference_in_any_alphabet() {
        for (sought, text, expected) in [
            ("", "", true),
            ("", "web1", true),
            ("web", "", false),
            ("WEB", "a-web-1", true),
            ("web-1", "Web-1", true),
            ("web-1", "web-", false),
            ("ab", "aab", true),
            ("b1", "web1", true),
            ("straße", "Hauptstraße", true),
            ("ÄRGER", "ärger", true),
            ("ä", "a", false),
            // The sign of kelvin and the letter have one small form.
            ("k", "\u{212a}", true),
            ("\u{212a}", "disk", true),
        ] {
            assert_eq!(Sought::new(sought).is_in(text), expected, "{sought} in {text}");
        }
    }

    #[test]
    fn an_address_is_found_by_any_part_of_it() {
        for (sought, address, expected) in [
            ("192.0.2", "192.0.2.7", true),
            ("2.8", "192.0.2.7", false),
            ("2001:DB8", "2001:db8::7", true),
            ("::", "2001:db8::7", true),
            ("web", "192.0.2.7", false),
            ("", "192.0.2.7", true),
        ] {
            let found = Sought::new(sought).is_in_address(address.parse().unwrap());
            assert_eq!(found, expected, "{sought} in {address}");
        }
    }
}
