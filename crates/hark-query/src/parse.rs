//! From a text to a tree.
//!
//! The grammar is the library's. It reads whatever it is given, as deep as it is nested, and its own
//! checks go down the tree: so what is too long or too deep is refused before.

mod call;

use std::time::{Duration, SystemTime};

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{
    self as promql, AggregateExpr, AtModifier, BinModifier, BinaryExpr, Expr, LabelModifier,
    Offset, SubqueryExpr, VectorMatchCardinality, VectorSelector, token,
};

use crate::SUBQUERY_STEP_MS;
use crate::error::QueryError;
use crate::labels::NAME;
use crate::matcher::{Matcher, Pattern, Test};
use crate::node::{
    Aggregate, Arithmetic, At, Binary, Compare, Grouping, How, Many, Matching, Node, Op, Root,
    Select, Set, Shift, Window, Windowed,
};

/// Bound on the bytes of a question: dashboards name each chosen host in a pattern.
pub const MAX_TEXT: usize = 64 * 1024;

/// Bound on brackets within brackets, and on parts within parts of the tree.
const MAX_DEPTH: usize = 100;

/// Bound on the signs of operators in a text: each may make the tree deeper by one.
const MAX_OPERATORS: usize = 1000;

/// The longest that a window, a step or an offset may be: what is multiplied with it stays a number.
const MAX_DURATION: Duration = Duration::from_hours(1000 * 365 * 24);

type Result<T> = std::result::Result<T, QueryError>;

/// Reads a question.
pub(crate) fn parse(text: &str) -> Result<Root> {
    let expr = read(text)?;
    if matches!(unwrapped(&expr), Expr::MatrixSelector(_) | Expr::Subquery(_)) {
        return Ok(Root::Window(window(&expr, 0)?));
    }
    Ok(Root::Node(node(&expr, 0)?))
}

/// Reads what a list of series is asked by: `up{job="node"}`.
///
/// # Errors
/// If it is no selector.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>> {
    if let Expr::VectorSelector(selector) = unwrapped(&read(text)?)
        && selector.offset.is_none()
        && selector.at.is_none()
    {
        return matchers(selector);
    }
    Err(wrong("expected a selector of series, such as `up{job=\"node\"}`"))
}

fn read(text: &str) -> Result<Expr> {
    check_size(text)?;
    promql::parse(text).map_err(|error| wrong(&error))
}

fn wrong(text: &str) -> QueryError {
    QueryError::Bad(format!("parse error: {text}"))
}

/// What Prometheus finds wrong only when it answers: its kind of error is a part of its API.
fn unfit(text: String) -> QueryError {
    QueryError::Execution(text)
}

/// Refuses what is too long or too deep, of which the grammar knows nothing.
fn check_size(text: &str) -> Result<()> {
    if text.len() > MAX_TEXT {
        return Err(wrong(&format!("the query is longer than {MAX_TEXT} bytes")));
    }
    let (mut depth, mut operators, mut word) = (0usize, 0usize, 0usize);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let in_word = c.is_alphanumeric() || c == '_' || c == ':';
        if in_word {
            continue;
        }
        operators += usize::from(is_operator(text.get(word..at).unwrap_or_default()));
        word = at + c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '+' | '-' | '*' | '/' | '%' | '^' | '=' | '<' | '>' | '!' => operators += 1,
            '#' => word = skip(&mut chars, '\n', false).unwrap_or(text.len()),
            '"' | '\'' => word = skip(&mut chars, c, true).unwrap_or(text.len()),
            '`' => word = skip(&mut chars, c, false).unwrap_or(text.len()),
            _ => {}
        }
        if depth > MAX_DEPTH || operators > MAX_OPERATORS {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> QueryError {
    wrong(&format!(
        "the query is nested more than {MAX_DEPTH} deep or has more than {MAX_OPERATORS} operators"
    ))
}

fn is_operator(word: &str) -> bool {
    ["and", "or", "unless", "atan2"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Goes on behind `end`; returns where that is.
fn skip(chars: &mut std::str::CharIndices<'_>, end: char, escapes: bool) -> Option<usize> {
    while let Some((at, c)) = chars.next() {
        if c == end {
            return Some(at + c.len_utf8());
        }
        if escapes && c == '\\' {
            chars.next();
        }
    }
    None
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

/// Makes the tree of what is a vector, a scalar or a text.
fn node(expr: &Expr, depth: usize) -> Result<Node> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let deeper = depth + 1;
    match expr {
        Expr::Paren(paren) => node(&paren.expr, deeper),
        Expr::NumberLiteral(number) => Ok(Node::Number(number.val)),
        Expr::StringLiteral(text) => Ok(Node::Text(text.val.clone())),
        Expr::VectorSelector(selector) => Ok(Node::Select(Select {
            matchers: matchers(selector)?,
            shift: shift(selector.at.as_ref(), selector.offset.as_ref())?,
            times: false,
        })),
        Expr::Unary(unary) => Ok(Node::Negate(Box::new(node(&unary.expr, deeper)?))),
        Expr::Binary(expr) => binary(expr, deeper),
        Expr::Aggregate(expr) => aggregate(expr, deeper),
        Expr::Call(expr) => call::call(expr, deeper),
        Expr::MatrixSelector(_) | Expr::Subquery(_) => {
            Err(wrong("a range of samples can only be given to a function"))
        }
        Expr::Extension(_) => Err(wrong("unknown expression")),
    }
}

/// Makes the window of what is a range of samples.
fn window(expr: &Expr, depth: usize) -> Result<Window> {
    let expr = unwrapped(expr);
    if let Expr::Subquery(expr) = expr {
        return subquery(expr, depth + 1);
    }
    let Expr::MatrixSelector(selector) = expr else {
        return Err(wrong("expected a range of samples, such as `up[5m]`"));
    };
    Ok(Window {
        range: positive(selector.range)?,
        shift: shift(selector.vs.at.as_ref(), selector.vs.offset.as_ref())?,
        of: Windowed::Select(matchers(&selector.vs)?),
    })
}

fn subquery(expr: &SubqueryExpr, depth: usize) -> Result<Window> {
    let step = expr.step.map_or(Ok(SUBQUERY_STEP_MS), positive)?;
    let node = Box::new(node(&expr.expr, depth)?);
    Ok(Window {
        range: positive(expr.range)?,
        shift: shift(expr.at.as_ref(), expr.offset.as_ref())?,
        of: Windowed::Subquery { node, step },
    })
}

fn positive(duration: Duration) -> Result<i64> {
    match millis(duration)? {
        0 => Err(wrong("duration must be greater than 0")),
        ms => Ok(ms),
    }
}

fn millis(duration: Duration) -> Result<i64> {
    if duration > MAX_DURATION {
        return Err(wrong("duration out of range"));
    }
    i64::try_from(duration.as_millis()).map_err(|_| wrong("duration out of range"))
}

fn shift(at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<Shift> {
    let offset = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => millis(*duration)?,
        Some(Offset::Neg(duration)) => -millis(*duration)?,
    };
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::Start),
        Some(AtModifier::End) => Some(At::End),
        Some(AtModifier::At(time)) => {
            Some(At::Time(match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => millis(after)?,
                Err(before) => -millis(before.duration())?,
            }))
        }
    };
    Ok(Shift { at, offset })
}

fn matchers(selector: &VectorSelector) -> Result<Vec<Matcher>> {
    let Matchers { matchers, or_matchers } = &selector.matchers;
    if !or_matchers.is_empty() {
        return Err(wrong("`or` between matchers is not PromQL: use `or` between selectors"));
    }
    let name = selector.name.iter();
    let name = name.map(|name| Matcher { name: NAME.to_owned(), test: Test::Is(name.clone()) });
    Ok(name.chain(matchers.iter().map(matcher)).collect())
}

fn matcher(matcher: &promql_parser::label::Matcher) -> Matcher {
    let value = &matcher.value;
    let test = match &matcher.op {
        MatchOp::Equal => Test::Is(value.clone()),
        MatchOp::NotEqual => Test::IsNot(value.clone()),
        MatchOp::Re(regex) => Test::Like(Pattern::new(regex.clone(), value)),
        MatchOp::NotRe(regex) => Test::Unlike(Pattern::new(regex.clone(), value)),
    };
    Matcher { name: matcher.name.clone(), test }
}

fn binary(expr: &BinaryExpr, depth: usize) -> Result<Node> {
    let op = operator(expr.op.id())?;
    let plain = BinModifier::default();
    let modifier = expr.modifier.as_ref().unwrap_or(&plain);
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(wrong("`fill` is not supported"));
    }
    let (many, include) = match &modifier.card {
        VectorMatchCardinality::ManyToOne(labels) => (Many::Left, labels.labels.clone()),
        VectorMatchCardinality::OneToMany(labels) => (Many::Right, labels.labels.clone()),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
            (Many::None, Vec::new())
        }
    };
    let by = grouping(modifier.matching.as_ref(), Grouping::Without(Vec::new()));
    Ok(Node::Binary(Box::new(Binary {
        op,
        left: node(&expr.lhs, depth)?,
        right: node(&expr.rhs, depth)?,
        is_bool: modifier.return_bool,
        matching: Matching { by, many, include },
    })))
}

fn grouping(modifier: Option<&LabelModifier>, none: Grouping) -> Grouping {
    match modifier {
        None => none,
        Some(LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
    }
}

fn operator(id: token::TokenId) -> Result<Op> {
    Ok(match id {
        token::T_ADD => Op::Number(Arithmetic::Add),
        token::T_SUB => Op::Number(Arithmetic::Sub),
        token::T_MUL => Op::Number(Arithmetic::Mul),
        token::T_DIV => Op::Number(Arithmetic::Div),
        token::T_MOD => Op::Number(Arithmetic::Mod),
        token::T_POW => Op::Number(Arithmetic::Pow),
        token::T_ATAN2 => Op::Number(Arithmetic::Atan2),
        token::T_EQLC => Op::Compare(Compare::Equal),
        token::T_NEQ => Op::Compare(Compare::NotEqual),
        token::T_LSS => Op::Compare(Compare::Less),
        token::T_LTE => Op::Compare(Compare::LessOrEqual),
        token::T_GTR => Op::Compare(Compare::Greater),
        token::T_GTE => Op::Compare(Compare::GreaterOrEqual),
        token::T_LAND => Op::Set(Set::And),
        token::T_LOR => Op::Set(Set::Or),
        token::T_LUNLESS => Op::Set(Set::Unless),
        _ => return Err(wrong("unknown operator")),
    })
}

fn aggregate(expr: &AggregateExpr, depth: usize) -> Result<Node> {
    let parameter = || match &expr.param {
        Some(param) => node(param, depth),
        None => Err(wrong("an aggregation lacks its parameter")),
    };
    let how = match expr.op.id() {
        token::T_SUM => How::Sum,
        token::T_AVG => How::Avg,
        token::T_MIN => How::Min,
        token::T_MAX => How::Max,
        token::T_COUNT => How::Count,
        token::T_GROUP => How::Group,
        token::T_STDDEV => How::Stddev,
        token::T_STDVAR => How::Stdvar,
        token::T_TOPK => How::Top(parameter()?),
        token::T_BOTTOMK => How::Bottom(parameter()?),
        token::T_QUANTILE => How::Quantile(parameter()?),
        token::T_COUNT_VALUES => {
            let Node::Text(label) = parameter()? else {
                return Err(wrong("count_values needs the name of a label"));
            };
            if !is_label(&label) {
                return Err(unfit(format!("invalid label name {label:?}")));
            }
            How::CountValues(label)
        }
        _ => return Err(wrong(&format!("the aggregation `{}` is not supported", expr.op))),
    };
    let grouping = grouping(expr.modifier.as_ref(), Grouping::By(Vec::new()));
    Ok(Node::Aggregate(Box::new(Aggregate { how, of: node(&expr.expr, depth)?, grouping })))
}

/// Returns true for what may be the name of a label.
fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
