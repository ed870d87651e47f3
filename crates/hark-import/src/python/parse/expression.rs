//! Tokens to values.
//!
//! Source: The Python Language Reference, chapter 6 (expressions).

use super::{Argument, Expr, MAX_DEPTH, Parser, Piece};
use crate::python::Wrong;
use crate::python::lex::{Kind, tokens};

impl Parser {
    /// Reads one value, or several with commas, which are a list.
    pub(super) fn tuple(&mut self) -> Result<Expr, Wrong> {
        let first = self.expression()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.eat(",") {
            if matches!(self.kind(), Kind::NewLine | Kind::End | Kind::Sign("=" | ")" | ";")) {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(Expr::List(items))
    }

    pub(super) fn expression(&mut self) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.wrong("the expression is nested too deeply");
        }
        let value = self.conditional();
        self.depth -= 1;
        value
    }

    fn conditional(&mut self) -> Result<Expr, Wrong> {
        if self.eat_word("lambda") {
            while !self.is_sign(":") && !matches!(self.kind(), Kind::NewLine | Kind::End) {
                self.at += 1;
            }
            self.need(":")?;
            drop(self.expression()?);
            return Ok(Expr::Unknown("a function"));
        }
        let value = self.logic()?;
        if self.eat_word("if") {
            drop(self.logic()?);
            if !self.eat_word("else") {
                return self.wrong("`else` is missing");
            }
            drop(self.expression()?);
            return Ok(Expr::Unknown("a choice with `if`"));
        }
        Ok(value)
    }

    /// Reads `or`, `and`, `not` and comparisons, which a configuration has no use for but in choices.
    fn logic(&mut self) -> Result<Expr, Wrong> {
        let mut is_plain = !self.eat_word("not");
        let mut value = self.sum()?;
        loop {
            let is_comparison = ["==", "!=", "<", ">", "<=", ">="].iter().any(|s| self.is_sign(s));
            let is_word = ["and", "or", "is", "not"].iter().any(|w| self.is_word(w));
            if !is_comparison && !is_word {
                break;
            }
            is_plain = false;
            self.at += 1;
            while self.eat_word("not") || self.eat_word("in") {}
            drop(self.sum()?);
        }
        if !is_plain {
            value = Expr::Unknown("a comparison");
        }
        Ok(value)
    }

    fn sum(&mut self) -> Result<Expr, Wrong> {
        self.operations(&["+", "-", "|", "&", "^", "<<", ">>"], Self::product)
    }

    fn product(&mut self) -> Result<Expr, Wrong> {
        self.operations(&["*", "//", "/", "%"], Self::power)
    }

    fn operations(
        &mut self,
        signs: &[&'static str],
        operand: fn(&mut Self) -> Result<Expr, Wrong>,
    ) -> Result<Expr, Wrong> {
        let mut left = operand(self)?;
        while let Some(sign) = signs.iter().find(|sign| self.is_sign(sign)) {
            self.at += 1;
            left = Expr::Operation(Box::new(left), sign, Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn power(&mut self) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.wrong("the expression is nested too deeply");
        }
        let value = if self.eat("-") {
            Expr::Negative(Box::new(self.power()?))
        } else if self.eat("+") {
            self.power()?
        } else {
            let base = self.postfix()?;
            if self.eat("**") {
                Expr::Operation(Box::new(base), "**", Box::new(self.power()?))
            } else {
                base
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    pub(super) fn postfix(&mut self) -> Result<Expr, Wrong> {
        let mut value = self.atom()?;
        loop {
            let line = self.line();
            if self.eat(".") {
                let Kind::Name(name) = self.next() else { return self.wrong("a name is missing") };
                value = Expr::Attribute(Box::new(value), name);
            } else if self.eat("(") {
                let arguments = self.arguments()?;
                value = Expr::Call { line, of: Box::new(value), arguments };
            } else if self.eat("[") {
                value = self.item(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn item(&mut self, of: Expr) -> Result<Expr, Wrong> {
        let mut is_slice = false;
        let mut index = Expr::None;
        while !self.eat("]") {
            if self.eat(":") {
                is_slice = true;
            } else {
                index = self.expression()?;
            }
            if matches!(self.kind(), Kind::End) {
                return self.wrong("`]` is missing");
            }
        }
        Ok(if is_slice {
            Expr::Unknown("a part of a list")
        } else {
            Expr::Item(Box::new(of), Box::new(index))
        })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, Wrong> {
        let mut arguments = Vec::new();
        while !self.eat(")") {
            let is_named = matches!(self.kind(), Kind::Name(_))
                && matches!(self.tokens.get(self.at + 1), Some(t) if t.kind == Kind::Sign("="));
            let argument = if self.eat("**") {
                Argument::SpreadNamed(self.expression()?)
            } else if self.eat("*") {
                Argument::Spread(self.expression()?)
            } else if is_named {
                let Kind::Name(name) = self.next() else { return self.wrong("a name is missing") };
                self.at += 1;
                Argument::Named(name, self.expression()?)
            } else {
                let value = self.expression()?;
                Argument::Plain(self.maybe_comprehension(value)?)
            };
            arguments.push(argument);
            if !self.eat(",") && !self.is_sign(")") {
                return self.wrong("`)` is missing");
            }
        }
        Ok(arguments)
    }

    fn maybe_comprehension(&mut self, each: Expr) -> Result<Expr, Wrong> {
        if !self.eat_word("for") {
            return Ok(each);
        }
        let target = self.target()?;
        if !self.eat_word("in") {
            return self.wrong("`in` is missing");
        }
        let over = self.logic()?;
        let mut is_plain = true;
        while self.is_word("if") || self.is_word("for") {
            is_plain = false;
            self.at += 1;
            drop(self.target()?);
            if self.eat_word("in") {
                drop(self.logic()?);
            }
        }
        Ok(if is_plain {
            Expr::Comprehension {
                each: Box::new(each),
                target: Box::new(target),
                over: Box::new(over),
            }
        } else {
            Expr::Unknown("a list with conditions")
        })
    }

    fn atom(&mut self) -> Result<Expr, Wrong> {
        match self.next() {
            Kind::Number(number) => Ok(Expr::Number(number)),
            Kind::Text(text, is_format) => self.text(&text, is_format),
            Kind::Name(name) => Ok(match name.as_str() {
                "None" => Expr::None,
                "True" => Expr::Bool(true),
                "False" => Expr::Bool(false),
                _ => Expr::Name(name),
            }),
            Kind::Sign("[") => self.list("]"),
            Kind::Sign("(") => self.brackets(),
            Kind::Sign("{") => self.dict(),
            _ => {
                self.at -= 1;
                self.wrong("a value is missing")
            }
        }
    }

    /// Texts that stand beside each other are one.
    fn text(&mut self, text: &str, is_format: bool) -> Result<Expr, Wrong> {
        let mut pieces = Vec::new();
        self.pieces(text, is_format, &mut pieces)?;
        while let Kind::Text(more, is_format) = self.kind() {
            let (more, is_format) = (more.clone(), *is_format);
            self.at += 1;
            self.pieces(&more, is_format, &mut pieces)?;
        }
        let mut joined = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Value(_) => return Ok(Expr::Format(pieces)),
            }
        }
        Ok(Expr::Text(joined))
    }

    fn pieces(&self, text: &str, is_format: bool, out: &mut Vec<Piece>) -> Result<(), Wrong> {
        if !is_format {
            out.push(Piece::Text(text.to_owned()));
            return Ok(());
        }
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, found) = rest.split_at(at);
            out.push(Piece::Text(before.to_owned()));
            if let Some(after) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
                out.push(Piece::Text(found.chars().take(1).collect()));
                rest = after;
                continue;
            }
            let inner = found.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((inner, after)) = inner else {
                return self.wrong("a brace in a text has no other half");
            };
            out.push(Piece::Value(self.inner(inner)?));
            rest = after;
        }
        out.push(Piece::Text(rest.to_owned()));
        Ok(())
    }

    /// Reads an expression within a text. How it is to be written (`{x:03}`) is not understood.
    fn inner(&self, text: &str) -> Result<Expr, Wrong> {
        let mut inner = tokens(text)
            .map(|tokens| Self { tokens, at: 0, depth: self.depth + 1 })
            .map_err(|wrong| Wrong::new(self.line(), wrong.text))?;
        let value = inner.expression().map_err(|wrong| Wrong::new(self.line(), wrong.text))?;
        Ok(match inner.kind() {
            Kind::NewLine | Kind::End => value,
            _ => Expr::Unknown("a number with a format"),
        })
    }

    fn list(&mut self, end: &str) -> Result<Expr, Wrong> {
        let mut items = Vec::new();
        while !self.eat(end) {
            let item =
                if self.eat("*") { Expr::Unknown("`*` in a list") } else { self.expression()? };
            let is_first = items.is_empty();
            if is_first && self.is_word("for") {
                let list = self.maybe_comprehension(item)?;
                self.need(end)?;
                return Ok(list);
            }
            items.push(item);
            if !self.eat(",") && !self.is_sign(end) {
                return self.wrong(format!("`{end}` is missing"));
            }
        }
        Ok(Expr::List(items))
    }

    /// Reads a value in brackets, or a tuple.
    fn brackets(&mut self) -> Result<Expr, Wrong> {
        if self.eat(")") {
            return Ok(Expr::List(Vec::new()));
        }
        let value = self.tuple()?;
        let value = self.maybe_comprehension(value)?;
        self.need(")")?;
        Ok(value)
    }

    fn dict(&mut self) -> Result<Expr, Wrong> {
        let mut entries = Vec::new();
        let mut is_set = false;
        let mut items = Vec::new();
        while !self.eat("}") {
            if self.eat("**") {
                drop(self.expression()?);
                entries.push((Expr::Unknown("`**` in a mapping"), Expr::None));
            } else {
                let key = self.expression()?;
                if self.eat(":") {
                    entries.push((key, self.expression()?));
                } else {
                    is_set = true;
                    items.push(key);
                }
            }
            if self.is_word("for") {
                return self.wrong("a mapping made by `for` is not understood");
            }
            if !self.eat(",") && !self.is_sign("}") {
                return self.wrong("`}` is missing");
            }
        }
        Ok(if is_set { Expr::List(items) } else { Expr::Dict(entries) })
    }
}
