//! Texts in addresses and forms (RFC 3986), and bytes in hexadecimal.

/// Returns `text` as one part of a path or query: everything but letters, digits and `-._~` is written
/// as `%` and two digits.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

/// Returns what a value of a form says; `None` if it is none.
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Returns `fields` as the content of a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

/// Returns `bytes` in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| DIGITS.get(usize::from(digit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_paths_are_encoded() {
        assert_eq!(form(&[("a b", "1&2=3"), ("c", "é")]), "a%20b=1%262%3D3&c=%C3%A9");
        assert_eq!(encoded("!room:example.org"), "%21room%3Aexample.org");
        assert_eq!(encoded("a b/ü:1 -._~"), "a%20b%2F%C3%BC%3A1%20-._~");
    }

    #[test]
    fn values_of_forms_are_read() {
        assert_eq!(decoded("a+b%26%C3%A9").unwrap(), "a b&é");
        assert_eq!([decoded("%4"), decoded("%zz"), decoded("%FF")], [None, None, None]);
    }

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }
}
