//! Tokens to statements.
//!
//! Source: The Python Language Reference, chapters 6 (expressions) to 8 (compound statements). What a
//! configuration cannot need is read past and kept as [`Statement::Skipped`] or [`Expr::Unknown`].

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a token that is not named is a mistake in its place, a new one too"
)]

use super::Wrong;
use super::lex::{Kind, Token, tokens};

mod expression;

/// A statement and the line it begins in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) line: u32,
    pub(crate) statement: Statement,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    /// `a = b = value`, or with `+=` where `adds`.
    Assign { targets: Vec<Expr>, value: Expr, adds: bool },
    /// A call, or anything else for its own sake.
    Alone(Expr),
    /// `for target in over:` and the block.
    For { target: Expr, over: Expr, body: Vec<Line> },
    /// Names from elsewhere.
    Import,
    /// What is left out: its word and, for classes and functions, the name.
    Skipped { word: String, name: Option<String> },
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    None,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A text with expressions in braces.
    Format(Vec<Piece>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Name(String),
    Attribute(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Call {
        line: u32,
        of: Box<Expr>,
        arguments: Vec<Argument>,
    },
    Operation(Box<Expr>, &'static str, Box<Expr>),
    Negative(Box<Expr>),
    /// `[each for target in over]`.
    Comprehension {
        each: Box<Expr>,
        target: Box<Expr>,
        over: Box<Expr>,
    },
    /// Not understood: what it is.
    Unknown(&'static str),
}

/// A piece of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Value(Expr),
}

/// What stands between the brackets of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Argument {
    Plain(Expr),
    Named(String, Expr),
    /// `*list`.
    Spread(Expr),
    /// `**dict`.
    SpreadNamed(Expr),
}

/// Deepest nesting of brackets and operators: bounds the stack.
const MAX_DEPTH: u32 = 100;

/// Reads a text.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, Wrong> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let mut lines = Vec::new();
    while *parser.kind() != Kind::End {
        parser.statements(&mut lines)?;
    }
    Ok(lines)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
}

impl Parser {
    fn kind(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    fn next(&mut self) -> Kind {
        let kind = self.kind().clone();
        self.at += 1;
        kind
    }

    fn wrong<T>(&self, text: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong::new(self.line(), text))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(found) if *found == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.eat(sign) { Ok(()) } else { self.wrong(format!("`{sign}` is missing")) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Name(name) if name == word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    /// Reads one line, which may hold several statements, or a statement with its block.
    fn statements(&mut self, lines: &mut Vec<Line>) -> Result<(), Wrong> {
        let line = self.line();
        if let Kind::Name(word) = self.kind() {
            let word = word.clone();
            match word.as_str() {
                "for" => {
                    let statement = self.for_loop()?;
                    lines.push(Line { line, statement });
                    return Ok(());
                }
                "def" | "class" | "if" | "elif" | "else" | "while" | "with" | "try" | "except"
                | "finally" | "async" => {
                    let name = match self.tokens.get(self.at + 1).map(|t| &t.kind) {
                        Some(Kind::Name(name)) if matches!(&*word, "def" | "class") => {
                            Some(name.clone())
                        }
                        _ => None,
                    };
                    self.skip_block();
                    lines.push(Line { line, statement: Statement::Skipped { word, name } });
                    return Ok(());
                }
                _ => {}
            }
        }
        loop {
            let line = self.line();
            let statement = self.simple()?;
            lines.push(Line { line, statement });
            if !self.eat(";") || *self.kind() == Kind::NewLine {
                break;
            }
        }
        match self.next() {
            Kind::NewLine | Kind::End => Ok(()),
            _ => {
                self.at -= 1;
                self.wrong("the line goes on in a way that is not understood")
            }
        }
    }

    fn simple(&mut self) -> Result<Statement, Wrong> {
        if self.is_word("import") || self.is_word("from") {
            self.skip_line();
            return Ok(Statement::Import);
        }
        for word in
            ["del", "global", "nonlocal", "assert", "raise", "return", "pass", "break", "continue"]
        {
            if self.is_word(word) {
                self.skip_line();
                // A `pass` does nothing: there is nothing to tell.
                let is_empty = word == "pass";
                let skipped = Statement::Skipped { word: word.to_owned(), name: None };
                return Ok(if is_empty { Statement::Import } else { skipped });
            }
        }
        let first = self.tuple()?;
        if self.eat("+=") {
            let value = self.tuple()?;
            return Ok(Statement::Assign { targets: vec![first], value, adds: true });
        }
        if self.eat(":") {
            // The type of a variable says nothing about its value.
            drop(self.expression()?);
        }
        let mut sides = vec![first];
        while self.eat("=") {
            sides.push(self.tuple()?);
        }
        let Some(last) = sides.pop() else { return self.wrong("a statement is missing") };
        if sides.is_empty() {
            return Ok(Statement::Alone(last));
        }
        Ok(Statement::Assign { targets: sides, value: last, adds: false })
    }

    fn for_loop(&mut self) -> Result<Statement, Wrong> {
        self.at += 1;
        let target = self.target()?;
        if !self.eat_word("in") {
            return self.wrong("`in` is missing");
        }
        let over = self.tuple()?;
        self.need(":")?;
        let mut body = Vec::new();
        if *self.kind() == Kind::NewLine {
            self.at += 1;
            if self.next() != Kind::Indent {
                return self.wrong("the block of the loop is missing");
            }
            while !matches!(self.kind(), Kind::Dedent | Kind::End) {
                self.statements(&mut body)?;
            }
            self.at += 1;
        } else {
            self.statements(&mut body)?;
        }
        Ok(Statement::For { target, over, body })
    }

    /// Reads the names of a loop.
    fn target(&mut self) -> Result<Expr, Wrong> {
        let mut parts = vec![self.postfix()?];
        let mut is_tuple = false;
        while self.eat(",") {
            is_tuple = true;
            if self.is_word("in") {
                break;
            }
            parts.push(self.postfix()?);
        }
        match (is_tuple, parts.pop()) {
            (false, Some(only)) => Ok(only),
            (_, last) => Ok(Expr::List(parts.into_iter().chain(last).collect())),
        }
    }

    fn skip_line(&mut self) {
        while !matches!(self.kind(), Kind::NewLine | Kind::End | Kind::Sign(";")) {
            self.at += 1;
        }
    }

    /// Goes past a line and the block below it.
    fn skip_block(&mut self) {
        while !matches!(self.kind(), Kind::NewLine | Kind::End) {
            self.at += 1;
        }
        self.at += 1;
        if *self.kind() != Kind::Indent {
            return;
        }
        let mut depth = 0_usize;
        loop {
            match self.next() {
                Kind::Indent => depth += 1,
                Kind::Dedent => depth = depth.saturating_sub(1),
                Kind::End => return,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Statement {
        let mut lines = parse(text).unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0).statement
    }

    #[test]
    fn attributes_of_attributes_are_set() {
        let Statement::Assign { targets, value, .. } = one("config.emails.to = ['a@b']\n") else {
            panic!("no assignment")
        };
        assert_eq!(value, Expr::List(vec![Expr::Text("a@b".to_owned())]));
        assert!(matches!(&targets[..], [Expr::Attribute(_, name)] if name == "to"));
    }

    #[test]
    fn calls_keep_their_line_and_names() {
        let Statement::Alone(Expr::Call { line, arguments, .. }) =
            one("checks.add([A, B],\n  host, retry=2, *more, **options)")
        else {
            panic!("no call")
        };
        assert_eq!(line, 1);
        assert_eq!(arguments.len(), 5);
        assert_eq!(arguments[2], Argument::Named("retry".to_owned(), Expr::Number(2.0)));
    }

    #[test]
    fn blocks_that_are_not_understood_are_left_out_whole() {
        let lines = parse("class A(B):\n  def c(self):\n    return 1\n  x = 2\nif d:\n  e()\nelse:\n  f()\ng = 1\n")
            .unwrap();
        let words: Vec<_> = lines
            .iter()
            .map(|l| match &l.statement {
                Statement::Skipped { word, .. } => word.as_str(),
                Statement::Assign { .. } => "=",
                _ => "?",
            })
            .collect();
        assert_eq!(words, ["class", "if", "else", "="]);
        assert_eq!(lines[3].line, 9);
    }

    #[test]
    fn products_bind_before_sums() {
        let Statement::Alone(Expr::Operation(_, "+", right)) = one("1 + 2 * 3") else {
            panic!("no sum")
        };
        assert!(matches!(*right, Expr::Operation(_, "*", _)));
    }

    #[test]
    fn mistakes_name_their_line() {
        let wrong = parse("a = 1\nb = [1, 2\n").unwrap_err();
        assert_eq!(wrong.text, "`]` is missing");
        assert_eq!(parse("a = 1\n  b = 2\n").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn no_text_brings_the_reader_down(text in "[a-c(){}\\[\\]:=,.\n '\"#*+for inlambda0-9-]{0,200}") {
            drop(parse(&text));
        }

        #[test]
        fn deep_nesting_is_refused(depth in 0_usize..5000) {
            let text = format!("a = {}", "[".repeat(depth));
            drop(parse(&text));
            drop(parse(&format!("a = {}1", "-".repeat(depth))));
        }
    }
}
