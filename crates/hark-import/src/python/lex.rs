//! Text to tokens, with the indentation as tokens of its own.
//!
//! Source: The Python Language Reference, chapter 2 (lexical analysis).

use super::Wrong;

/// One token and its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name(String),
    Number(f64),
    /// A text; `true`: with braces that are expressions.
    Text(String, bool),
    /// An operator or delimiter.
    Sign(&'static str),
    NewLine,
    Indent,
    Dedent,
    End,
}

/// Operators and delimiters, the longer before the shorter.
const SIGNS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", "**", "//", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "(", ")", "[", "]", "{", "}", ",", ":", ".",
    ";", "@", "=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">",
];

/// Deepest indentation: a configuration is not deeper, and each level is a token to keep.
const MAX_DEPTH: usize = 50;

/// Turns a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut lexer = Lexer {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
        open: 0,
        indents: vec![0],
        out: Vec::new(),
    };
    lexer.run()?;
    Ok(lexer.out)
}

struct Lexer<'t> {
    rest: &'t str,
    line: u32,
    /// Brackets that are open: line ends within them are nothing.
    open: usize,
    indents: Vec<usize>,
    out: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        let mut at_start = true;
        loop {
            if at_start && self.open == 0 {
                self.indentation()?;
            }
            at_start = false;
            self.skip_blank();
            let Some(c) = self.rest.chars().next() else { break };
            match c {
                '\n' => {
                    self.eat(1);
                    if self.open == 0 {
                        self.end_of_line();
                        at_start = true;
                    }
                    self.line = self.line.saturating_add(1);
                }
                _ if c.is_ascii_digit() => self.number()?,
                '.' if self.rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => {
                    self.number()?;
                }
                '"' | '\'' => self.text("")?,
                _ if c.is_alphabetic() || c == '_' => self.word()?,
                _ => self.sign(c)?,
            }
        }
        self.end_of_line();
        while self.indents.len() > 1 {
            self.indents.pop();
            self.push(Kind::Dedent);
        }
        self.push(Kind::End);
        Ok(())
    }

    fn push(&mut self, kind: Kind) {
        self.out.push(Token { line: self.line, kind });
    }

    fn eat(&mut self, n_bytes: usize) {
        self.rest = self.rest.get(n_bytes..).unwrap_or_default();
    }

    /// Ends a line that has something on it.
    fn end_of_line(&mut self) {
        let is_open = self
            .out
            .last()
            .is_some_and(|t| !matches!(t.kind, Kind::NewLine | Kind::Indent | Kind::Dedent));
        if is_open {
            self.push(Kind::NewLine);
        }
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\u{c}']);
            if self.rest.starts_with('#') {
                self.eat(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if let Some(rest) =
                self.rest.strip_prefix("\\\n").or_else(|| self.rest.strip_prefix("\\\r\n"))
            {
                self.rest = rest;
                self.line = self.line.saturating_add(1);
            } else {
                return;
            }
        }
    }

    /// Compares the indentation of a line that has something on it with that of the lines before.
    fn indentation(&mut self) -> Result<(), Wrong> {
        let width = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        let after = self.rest.get(width..).unwrap_or_default();
        let is_blank =
            after.is_empty() || after.starts_with(['\n', '#']) || after.starts_with("\r\n");
        if is_blank {
            return Ok(());
        }
        // A tab goes to the next multiple of eight, as in Python.
        let columns = self.rest.chars().take(width).fold(0, |column, c| match c {
            '\t' => (column / 8 + 1) * 8,
            _ => column + 1,
        });
        let current = self.indents.last().copied().unwrap_or(0);
        if columns > current {
            if self.indents.len() >= MAX_DEPTH {
                return Err(Wrong::new(self.line, "blocks are too deep in each other"));
            }
            self.indents.push(columns);
            self.push(Kind::Indent);
        }
        while self.indents.last().is_some_and(|last| columns < *last) {
            self.indents.pop();
            self.push(Kind::Dedent);
        }
        if self.indents.last() != Some(&columns) {
            return Err(Wrong::new(self.line, "the line is indented like no line before it"));
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), Wrong> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..end).unwrap_or_default().to_owned();
        self.eat(end);
        let is_prefix = word.len() <= 2 && word.chars().all(|c| "rRbBuUfF".contains(c));
        if is_prefix && self.rest.starts_with(['"', '\'']) {
            return self.text(&word.to_ascii_lowercase());
        }
        self.push(Kind::Name(word));
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let mut end = 0;
        let mut before = ' ';
        for c in self.rest.chars() {
            let is_sign_of_power = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || is_sign_of_power) {
                break;
            }
            end += c.len_utf8();
            before = c;
        }
        let written = self.rest.get(..end).unwrap_or_default().replace('_', "");
        let number = match written.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => based(&written, 16),
            Some("0o") => based(&written, 8),
            Some("0b") => based(&written, 2),
            _ => written.parse().ok(),
        };
        let Some(number) = number else {
            return Err(Wrong::new(self.line, format!("`{written}` is not a number")));
        };
        self.eat(end);
        self.push(Kind::Number(number));
        Ok(())
    }

    fn text(&mut self, prefix: &str) -> Result<(), Wrong> {
        let began = self.line;
        let quote = match self.rest.get(..3) {
            Some(three @ ("\"\"\"" | "'''")) => three,
            _ => self.rest.get(..1).unwrap_or_default(),
        };
        let is_long = quote.len() == 3;
        let body = self.rest.get(quote.len()..).unwrap_or_default();
        let is_raw = prefix.contains('r');
        let mut value = String::new();
        let mut at = 0;
        loop {
            let left = body.get(at..).unwrap_or_default();
            if left.starts_with(quote) {
                break;
            }
            let Some(c) = left.chars().next() else {
                return Err(Wrong::new(began, "a text has no end"));
            };
            at += c.len_utf8();
            match c {
                '\n' if !is_long => return Err(Wrong::new(began, "a text has no end in its line")),
                '\\' => {
                    let next = left.chars().nth(1).unwrap_or('\\');
                    if is_raw {
                        value.extend([c, next]);
                        at += next.len_utf8();
                    } else {
                        at += escape(left.get(1..).unwrap_or_default(), &mut value);
                    }
                }
                _ => value.push(c),
            }
        }
        let n_lines = body.get(..at).unwrap_or_default().matches('\n').count();
        self.push(Kind::Text(value, prefix.contains('f')));
        self.line = self.line.saturating_add(u32::try_from(n_lines).unwrap_or(u32::MAX));
        self.eat(quote.len() + at + quote.len());
        Ok(())
    }

    fn sign(&mut self, c: char) -> Result<(), Wrong> {
        let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) else {
            return Err(Wrong::new(self.line, format!("`{c}` is not Python")));
        };
        match *sign {
            "(" | "[" | "{" => self.open += 1,
            ")" | "]" | "}" => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.eat(sign.len());
        self.push(Kind::Sign(sign));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of a configuration are far below 2^53")]
fn based(written: &str, radix: u32) -> Option<f64> {
    u64::from_str_radix(written.get(2..)?, radix).ok().map(|number| number as f64)
}

/// Puts what the escape stands for, and returns its bytes without the backslash.
fn escape(after: &str, value: &mut String) -> usize {
    let Some(c) = after.chars().next() else { return 0 };
    let simple = match c {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '0' => Some('\0'),
        '\\' | '\'' | '"' => Some(c),
        _ => None,
    };
    if let Some(simple) = simple {
        value.push(simple);
        return 1;
    }
    let n_digits = match c {
        '\n' => return 1,
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let code = after.get(1..=n_digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    if let (1.., Some(meant)) = (n_digits, code.and_then(char::from_u32)) {
        value.push(meant);
        return 1 + n_digits;
    }
    // Python keeps a backslash that begins no escape.
    value.extend(['\\', c]);
    c.len_utf8()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).unwrap().into_iter().map(|t| t.kind).collect()
    }

    #[test]
    fn blocks_begin_and_end() {
        let name = |n: &str| Kind::Name(n.to_owned());
        assert_eq!(
            kinds("for a in b:\n    c\n\n    # remark\nd"),
            [
                name("for"),
                name("a"),
                name("in"),
                name("b"),
                Kind::Sign(":"),
                Kind::NewLine,
                Kind::Indent,
                name("c"),
                Kind::NewLine,
                Kind::Dedent,
                name("d"),
                Kind::NewLine,
                Kind::End
            ]
        );
    }

    #[test]
    fn texts_of_every_kind_are_read() {
        let text = |t: &str| vec![Kind::Text(t.to_owned(), false), Kind::NewLine, Kind::End];
        assert_eq!(kinds(r"'it\'s'"), text("it's"));
        assert_eq!(kinds(r"r'\d'"), text(r"\d"));
        assert_eq!(kinds("\"\"\"two\nlines\"\"\""), text("two\nlines"));
        assert_eq!(kinds(r#""\x41\u00e9\q""#), text("Aé\\q"));
        assert_eq!(tokens("'open\n'").unwrap_err().text, "a text has no end in its line");
    }

    #[test]
    fn line_ends_in_brackets_are_nothing() {
        let n_ends = kinds("a = [\n1,\n2]\n").iter().filter(|k| **k == Kind::NewLine).count();
        assert_eq!(n_ends, 1);
        assert_eq!(kinds("a \\\n b").iter().filter(|k| **k == Kind::NewLine).count(), 1);
    }

    #[test]
    fn numbers_of_every_base_are_read() {
        for (written, number) in [("1_000", 1000.0), ("0x10", 16.0), ("1.5e-1", 0.15), (".5", 0.5)]
        {
            assert_eq!(kinds(written)[0], Kind::Number(number), "{written}");
        }
        assert!(tokens("12abc").is_err());
    }
}
