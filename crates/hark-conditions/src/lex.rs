//! The words of a condition, each with its place.

use std::ops::Range;

use crate::parse::ConditionError;

/// One word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, a word of the language, a number, an address.
    Word(String),
    /// A text between quotes.
    Quoted(String),
    /// `<`, `<=`, `>`, `>=`, `=`, `==` or `!=`.
    Sign(&'static str),
    Open,
    Close,
    Comma,
    End,
}

impl Token {
    /// Returns the word that it is.
    pub(crate) fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }
}

/// Reads one token after the other; where it stands can be noted and gone back to.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// The signs, longer ones first.
const SIGNS: [&str; 7] = ["<=", ">=", "==", "!=", "<", ">", "="];

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Returns where the next token begins.
    pub(crate) fn place(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Returns where the last token ended.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// Returns the next token and its place without taking it.
    pub(crate) fn peek(&self) -> Result<(Token, Range<usize>), ConditionError> {
        self.clone().next()
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Result<(Token, Range<usize>), ConditionError> {
        let from = self.place();
        let rest = self.rest();
        let token = match rest.chars().next() {
            None => Token::End,
            Some('(') => self.take(1, Token::Open),
            Some(')') => self.take(1, Token::Close),
            Some(',') => self.take(1, Token::Comma),
            Some(quote @ ('"' | '\'')) => Token::Quoted(self.quoted(quote)?),
            Some(_) => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => self.take(sign.len(), Token::Sign(sign)),
                None => self.word(rest)?,
            },
        };
        Ok((token, from..self.at))
    }

    fn take(&mut self, length: usize, token: Token) -> Token {
        self.at += length;
        token
    }

    fn word(&mut self, rest: &str) -> Result<Token, ConditionError> {
        let ends = |c: char| c.is_whitespace() || "(),\"'<>=!".contains(c);
        let length = rest.find(ends).unwrap_or(rest.len());
        if length == 0 {
            return Err(ConditionError::new(
                self.at..self.at + 1,
                "`!` alone means nothing; write `not`",
            ));
        }
        let word = rest.get(..length).unwrap_or_default().to_owned();
        Ok(self.take(length, Token::Word(word)))
    }

    /// Takes a text between quotes. Between double ones `\` stands before `"`, `\`, `n`, `r`, `t`.
    fn quoted(&mut self, quote: char) -> Result<String, ConditionError> {
        let from = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + c.len_utf8();
                return Ok(text);
            }
            if c != '\\' || quote == '\'' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                Some((_, '\\')) => text.push('\\'),
                Some((_, c)) if c == quote => text.push(c),
                // Left as it is: `\d` in what should have been a regular expression is still seen.
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            }
        }
        Err(ConditionError::new(from..self.text.len(), format!("the closing {quote} is missing")))
    }

    /// Takes a regular expression: `/.../`, and `i` after it for any case. `\/` stands for `/`.
    pub(crate) fn regex(&mut self) -> Result<(String, bool, Range<usize>), ConditionError> {
        let from = self.place();
        let rest = self.rest();
        let missing = |to, what: &str| Err(ConditionError::new(from..to, what));
        let mut chars = rest.char_indices();
        if chars.next().is_none_or(|(_, c)| c != '/') {
            let to = self.next()?.1.end.max(from);
            return missing(to, "a regular expression is expected, such as /ready$/");
        }
        let mut pattern = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    let after = rest.get(at + 1..).unwrap_or_default();
                    let length = after
                        .find(|c: char| c.is_whitespace() || "(),".contains(c))
                        .unwrap_or(after.len());
                    let any_case = match after.get(..length).unwrap_or_default() {
                        "" => false,
                        "i" => true,
                        _ => {
                            return missing(
                                from + at + 1 + length,
                                "only `i` may follow the last /",
                            );
                        }
                    };
                    self.at = from + at + 1 + length;
                    return Ok((pattern, any_case, from..self.at));
                }
                '\\' => match chars.next() {
                    Some((_, '/')) => pattern.push('/'),
                    Some((_, other)) => pattern.extend(['\\', other]),
                    None => break,
                },
                other => pattern.push(other),
            }
        }
        missing(self.text.len(), "the closing / is missing")
    }
}
