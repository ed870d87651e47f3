//! From a text to a condition, with the place of every mistake.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use crate::lex::{Lexer, Token};
use crate::test::{Literal, Number, Order, Predicate};

/// Longest condition: one that nobody can read any more is a mistake.
const MAX_LENGTH: usize = 2000;

/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: usize = 16;

/// Most values of one list.
const MAX_VALUES: usize = 100;

/// Bound on a compiled regular expression.
const MAX_REGEX: usize = 1024 * 1024;

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ConditionError {
    /// Which bytes of the text are wrong.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: String,
}

impl ConditionError {
    pub(crate) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// A condition that was read.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    pub(crate) tree: Tree,
}

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test { name: String, negated: bool, predicate: Predicate },
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong, and where in `text`.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        Self::read(text, None)
    }

    /// Reads a condition about one value, which need not be named: `above 80`, `> 80 and < 90`.
    ///
    /// # Errors
    /// What is wrong, and where in `text`.
    pub fn about(name: &str, text: &str) -> Result<Self, ConditionError> {
        Self::read(text, Some(name))
    }

    fn read(text: &str, about: Option<&str>) -> Result<Self, ConditionError> {
        if text.len() > MAX_LENGTH {
            let message = format!("a condition has at most {MAX_LENGTH} characters");
            return Err(ConditionError::new(MAX_LENGTH..text.len(), message));
        }
        let mut parser = Parser { lexer: Lexer::new(text), about, depth: 0 };
        let tree = parser.any()?;
        match parser.lexer.next()? {
            (Token::End, _) => Ok(Self { text: text.trim().to_owned(), tree }),
            (_, at) => Err(ConditionError::new(at, "`and` or `or` is expected here, or the end")),
        }
    }

    /// Returns it as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the names of the values that it is about.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        let mut left = vec![&self.tree];
        while let Some(tree) = left.pop() {
            match tree {
                Tree::All(parts) | Tree::Any(parts) => left.extend(parts),
                Tree::Not(part) => left.push(part),
                Tree::Test { name, .. } => {
                    names.insert(name.as_str());
                }
            }
        }
        names
    }

    /// Returns the comparison with a number that it is, if it is nothing more: what a threshold can be.
    pub fn limit(&self) -> Option<(Order, f64)> {
        let Tree::Test { name, negated, predicate } = &self.tree else { return None };
        let (order, limit) = if let Predicate::Compare(order, limit) = predicate {
            (*order, limit.for_name(name))
        } else if let Predicate::OneOf(literals) = predicate
            && let [one] = literals.as_slice()
        {
            (Order::Equal, one.number?.for_name(name))
        } else {
            return None;
        };
        let order = match (negated, order) {
            (false, order) => order,
            (true, Order::Less) => Order::GreaterEqual,
            (true, Order::LessEqual) => Order::Greater,
            (true, Order::Greater) => Order::LessEqual,
            (true, Order::GreaterEqual) => Order::Less,
            (true, Order::Equal) => Order::NotEqual,
            (true, Order::NotEqual) => Order::Equal,
        };
        Some((order, limit))
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    about: Option<&'a str>,
    depth: usize,
}

type Read<T> = Result<T, ConditionError>;

impl Parser<'_> {
    /// Conditions with `or` between them.
    fn any(&mut self) -> Read<Tree> {
        let mut parts = vec![self.all()?];
        while self.takes("or")? {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Tree::Any))
    }

    /// Conditions with `and` between them: it binds more than `or`.
    fn all(&mut self) -> Read<Tree> {
        let mut parts = vec![self.part()?];
        while self.takes("and")? {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Tree::All))
    }

    fn part(&mut self) -> Read<Tree> {
        self.depth += 1;
        let (token, at) = self.lexer.peek()?;
        if self.depth > MAX_DEPTH {
            return Err(ConditionError::new(at, "this is nested too deep"));
        }
        let word = token.word().unwrap_or_default().to_ascii_lowercase();
        let tree = if token == Token::Open {
            drop(self.lexer.next()?);
            let inner = self.any()?;
            self.close()?;
            inner
        } else if word == "not" {
            drop(self.lexer.next()?);
            Tree::Not(Box::new(self.part()?))
        } else if self.opens_list(&word) {
            let parts = self.list()?;
            match word.as_str() {
                "all" => Tree::All(parts),
                "any" => Tree::Any(parts),
                _ => Tree::Not(Box::new(Tree::Any(parts))),
            }
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(tree)
    }

    /// Returns true at `any of (`, `all of (` and `none of (`.
    fn opens_list(&self, word: &str) -> bool {
        let mut ahead = self.lexer.clone();
        let mut next = || ahead.next().map_or(Token::End, |(token, _)| token);
        let _word = next();
        ["any", "all", "none"].iter().any(|known| is_word(word, known))
            && matches!(next(), Token::Word(of) if is_word(&of, "of"))
            && next() == Token::Open
    }

    fn list(&mut self) -> Read<Vec<Tree>> {
        for _word in 0..3 {
            drop(self.lexer.next()?);
        }
        let mut parts = vec![self.any()?];
        while self.lexer.peek()?.0 == Token::Comma {
            drop(self.lexer.next()?);
            parts.push(self.any()?);
        }
        self.close()?;
        Ok(parts)
    }

    fn close(&mut self) -> Read<()> {
        match self.lexer.next()? {
            (Token::Close, _) => Ok(()),
            (_, at) => Err(ConditionError::new(at, "`)` is expected here")),
        }
    }

    /// A value's name and what is asked about it.
    fn test(&mut self) -> Read<Tree> {
        let (token, at) = self.lexer.peek()?;
        let name = match (token, self.about) {
            (Token::Word(word), Some(about))
                if starts_order(&word) || starts_predicate(&Token::Word(word.clone())) =>
            {
                about.to_owned()
            }
            (Token::Sign(_), Some(about)) => about.to_owned(),
            (Token::Word(word), _) if is_name(&word) => {
                drop(self.lexer.next()?);
                word
            }
            (Token::End, _) => {
                return Err(ConditionError::new(
                    at,
                    "a condition is expected here, such as `status is 200`",
                ));
            }
            _ => return Err(ConditionError::new(at, "the name of a value is expected here")),
        };
        let (negated, predicate) = self.predicate()?;
        Ok(Tree::Test { name, negated, predicate })
    }

    fn predicate(&mut self) -> Read<(bool, Predicate)> {
        const EXPECTED: &str = "what is asked is expected here: is, <, >, contains, begins with, ends with, matches, include, has";
        if self.about.is_some() && self.lexer.peek()?.0.word().is_some_and(starts_order) {
            // `above 80` is as good as `is above 80`.
            return self.is();
        }
        let (token, at) = self.lexer.next()?;
        let wrong = || ConditionError::new(at.clone(), EXPECTED);
        match token {
            Token::Sign(sign) => self.compared(sign),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "is" | "are" | "was" => self.is(),
                "does" | "do" => {
                    let (token, at) = self.lexer.next()?;
                    if !matches!(token, Token::Word(word) if is_word(&word, "not")) {
                        return Err(ConditionError::new(at, "`not` is expected here"));
                    }
                    let (verb, at) = self.lexer.next()?;
                    let Token::Word(verb) = verb else {
                        return Err(ConditionError::new(at, EXPECTED));
                    };
                    let verb = verb.to_ascii_lowercase();
                    let known = self.verb(&verb)?;
                    known.map(|p| (true, p)).ok_or_else(|| ConditionError::new(at, EXPECTED))
                }
                verb => self.verb(verb)?.map(|p| (false, p)).ok_or_else(wrong),
            },
            Token::Quoted(_) | Token::Open | Token::Close | Token::Comma | Token::End => {
                Err(wrong())
            }
        }
    }

    fn compared(&mut self, sign: &str) -> Read<(bool, Predicate)> {
        match order_of(sign) {
            Some(order) => Ok((false, Predicate::Compare(order, self.number()?))),
            None => Ok((sign == "!=", Predicate::OneOf(self.alternatives()?))),
        }
    }

    /// What follows `is`.
    fn is(&mut self) -> Read<(bool, Predicate)> {
        let negated = self.takes("not")?;
        let predicate = match self.order()? {
            Some(order) => Predicate::Compare(order, self.number()?),
            None if self.takes("between")? => {
                let low = self.number()?;
                self.expect("and")?;
                Predicate::Between(low, self.number()?)
            }
            None if self.takes("one")? || self.takes("any")? => {
                self.expect("of")?;
                Predicate::OneOf(self.values()?)
            }
            None if self.takes("exactly")? => Predicate::Exactly(self.values()?),
            None if self.takes("empty")? => Predicate::Empty,
            None if self.takes("present")? => Predicate::Present,
            None if self.takes("absent")? || self.takes("missing")? => {
                return Ok((!negated, Predicate::Present));
            }
            None => Predicate::OneOf(self.alternatives()?),
        };
        Ok((negated, predicate))
    }

    /// The words for an order: `above`, `at least`, `<`.
    fn order(&mut self) -> Read<Option<Order>> {
        let (token, _) = self.lexer.peek()?;
        if let Token::Sign(sign) = token {
            let order = order_of(sign);
            if order.is_some() {
                drop(self.lexer.next()?);
            }
            return Ok(order);
        }
        let word = token.word().unwrap_or_default().to_ascii_lowercase();
        let order = match word.as_str() {
            "above" | "over" => Order::Greater,
            "below" | "under" => Order::Less,
            "more" | "greater" | "less" | "fewer" => {
                drop(self.lexer.next()?);
                self.expect("than")?;
                let more = matches!(word.as_str(), "more" | "greater");
                return Ok(Some(if more { Order::Greater } else { Order::Less }));
            }
            "at" => {
                drop(self.lexer.next()?);
                if self.takes("least")? {
                    return Ok(Some(Order::GreaterEqual));
                }
                self.expect("most")?;
                return Ok(Some(Order::LessEqual));
            }
            _ => return Ok(None),
        };
        drop(self.lexer.next()?);
        Ok(Some(order))
    }

    /// What follows the name of a value directly; nothing if the word is none.
    fn verb(&mut self, verb: &str) -> Read<Option<Predicate>> {
        Ok(Some(match verb {
            "contains" | "contain" => Predicate::Contains(self.value()?.text),
            "begins" | "begin" | "starts" | "start" => {
                self.expect("with")?;
                Predicate::Begins(self.value()?.text)
            }
            "ends" | "end" => {
                self.expect("with")?;
                Predicate::Ends(self.value()?.text)
            }
            "matches" | "match" => Predicate::Matches(self.regex()?),
            "includes" | "include" => {
                let any = self.takes("any")?;
                let quantified = any || self.takes("all")?;
                if quantified {
                    self.expect("of")?;
                }
                Predicate::Includes { wanted: self.values()?, all: !any }
            }
            "has" | "have" => {
                let order = match self.order()? {
                    Some(order) => order,
                    // The word may be left out.
                    None if self.takes("exactly")? => Order::Equal,
                    None => Order::Equal,
                };
                let at = self.lexer.place();
                let count = self.number()?;
                let count = count.for_name("");
                if count.fract() != 0.0 || count < 0.0 {
                    let at = at..self.lexer.end();
                    return Err(ConditionError::new(at, "a whole number is expected here"));
                }
                Predicate::Counts(order, count)
            }
            _ => return Ok(None),
        }))
    }

    fn regex(&mut self) -> Read<Regex> {
        let (pattern, any_case, at) = self.lexer.regex()?;
        let built =
            RegexBuilder::new(&pattern).case_insensitive(any_case).size_limit(MAX_REGEX).build();
        built.map_err(|error| {
            // The last line says what is wrong; those before draw the pattern, which is seen anyway.
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim().to_owned();
            ConditionError::new(at, format!("this regular expression cannot be: {why}"))
        })
    }

    fn number(&mut self) -> Read<Number> {
        let (token, at) = self.lexer.next()?;
        token.word().and_then(Number::read).ok_or_else(|| {
            ConditionError::new(at, "a number is expected here, such as 5, 2s, 10MiB or 5%")
        })
    }

    fn value(&mut self) -> Read<Literal> {
        let (token, at) = self.lexer.next()?;
        match token {
            Token::Word(word) => {
                let number = Number::read(&word);
                Ok(Literal { text: word, number })
            }
            Token::Quoted(text) => Ok(Literal { number: Number::read(&text), text }),
            Token::Sign(_) | Token::Open | Token::Close | Token::Comma | Token::End => Err(
                ConditionError::new(at, "a value is expected here; a text stands between quotes"),
            ),
        }
    }

    /// Values with commas, `and` or `or` between them, as far as they are values.
    fn values(&mut self) -> Read<Vec<Literal>> {
        self.values_by(&|token| {
            matches!(token, Token::Comma)
                || matches!(token, Token::Word(word) if is_word(word, "or") || is_word(word, "and"))
        })
    }

    /// Values with `or` between them, as far as they are values.
    fn alternatives(&mut self) -> Read<Vec<Literal>> {
        self.values_by(&|token| matches!(token, Token::Word(word) if is_word(word, "or")))
    }

    fn values_by(&mut self, joins: &dyn Fn(&Token) -> bool) -> Read<Vec<Literal>> {
        let mut values = vec![self.value()?];
        loop {
            let mut ahead = self.lexer.clone();
            let (joint, _) = ahead.next()?;
            if !joins(&joint) {
                return Ok(values);
            }
            let (value, at) = ahead.next()?;
            let is_value = match &value {
                Token::Quoted(_) => true,
                Token::Word(word) => {
                    !["not", "any", "all", "none"].iter().any(|known| is_word(word, known))
                }
                Token::Sign(_) | Token::Open | Token::Close | Token::Comma | Token::End => false,
            };
            // A name that something is asked about begins the next condition.
            let begins = starts_predicate(&ahead.peek()?.0)
                || (self.about.is_some() && starts_predicate(&value));
            if !is_value || begins {
                return Ok(values);
            }
            if values.len() >= MAX_VALUES {
                let message = format!("at most {MAX_VALUES} values stand in one list");
                return Err(ConditionError::new(at, message));
            }
            drop(self.lexer.next()?);
            values.push(self.value()?);
        }
    }

    /// Takes `word` if it is the next one.
    fn takes(&mut self, word: &str) -> Read<bool> {
        let is_it = matches!(self.lexer.peek()?.0, Token::Word(next) if is_word(&next, word));
        if is_it {
            drop(self.lexer.next()?);
        }
        Ok(is_it)
    }

    fn expect(&mut self, word: &str) -> Read<()> {
        let (token, at) = self.lexer.next()?;
        if token.word().is_some_and(|next| is_word(next, word)) {
            return Ok(());
        }
        Err(ConditionError::new(at, format!("`{word}` is expected here")))
    }
}

/// Returns the order that a sign means; `=` and `!=` ask for values, which may be texts.
fn order_of(sign: &str) -> Option<Order> {
    Some(match sign {
        "<" => Order::Less,
        "<=" => Order::LessEqual,
        ">" => Order::Greater,
        ">=" => Order::GreaterEqual,
        _ => return None,
    })
}

fn one_or(mut parts: Vec<Tree>, many: fn(Vec<Tree>) -> Tree) -> Tree {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

fn is_word(word: &str, known: &str) -> bool {
    word.eq_ignore_ascii_case(known)
}

/// Returns true for what can name a value: `status`, `header.content-type`, `json.items[0].name`.
fn is_name(word: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-[]:*".contains(c);
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(fine)
        && !["and", "or", "not"].iter().any(|known| is_word(word, known))
}

/// Returns true for words that compare, before which `is` may be left out.
fn starts_order(word: &str) -> bool {
    const WORDS: [&str; 10] =
        ["above", "over", "below", "under", "more", "greater", "less", "fewer", "at", "between"];
    WORDS.iter().any(|known| is_word(word, known))
}

fn starts_predicate(token: &Token) -> bool {
    const WORDS: [&str; 19] = [
        "is", "are", "was", "does", "do", "contains", "contain", "begins", "begin", "starts",
        "start", "ends", "end", "matches", "match", "includes", "include", "has", "have",
    ];
    match token {
        Token::Sign(_) => true,
        Token::Word(word) => WORDS.iter().any(|known| is_word(word, known)),
        Token::Quoted(_) | Token::Open | Token::Close | Token::Comma | Token::End => false,
    }
}

#[cfg(test)]
mod tests;
