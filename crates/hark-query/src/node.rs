//! A question as a tree in which every name is known and every type is right.

use crate::labels::Labels;
use crate::matcher::Matcher;

/// What is asked at the top.
#[derive(Debug)]
pub(crate) enum Root {
    Node(Node),
    Window(Window),
}

/// A part of a question. Its type is known by the place in which it stands.
#[derive(Debug)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Select(Select),
    /// A number for each series of a vector by itself.
    Map {
        map: Map,
        of: Box<Node>,
        with: Vec<Node>,
    },
    /// A number for each series of what lies in a window.
    Over {
        over: Over,
        window: Window,
        with: Vec<Node>,
    },
    /// 1 where nothing lies in the window.
    AbsentOver {
        window: Window,
        labels: Labels,
    },
    /// 1 where a vector is empty.
    Absent {
        of: Box<Node>,
        labels: Labels,
    },
    Relabel {
        relabel: Relabel,
        of: Box<Node>,
    },
    HistogramQuantile {
        quantile: Box<Node>,
        of: Box<Node>,
    },
    Sort {
        of: Box<Node>,
        falling: bool,
    },
    /// A scalar as a vector, and back.
    Vector(Box<Node>),
    Scalar(Box<Node>),
    Time,
    Pi,
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
}

/// Of which time something is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) at: Option<At>,
    pub(crate) offset: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Time(i64),
    Start,
    End,
}

#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
    /// Whether the times of the samples are wanted instead of their values.
    pub(crate) times: bool,
}

/// Samples of some time.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) range: i64,
    pub(crate) shift: Shift,
    pub(crate) of: Windowed,
}

#[derive(Debug)]
pub(crate) enum Windowed {
    Select(Vec<Matcher>),
    Subquery { node: Box<Node>, step: i64 },
}

/// Functions of one number, some with numbers that are the same for all series.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Map {
    Plain(fn(f64) -> f64),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    /// Of a time in seconds.
    Date(fn(i64) -> i64),
    /// The time at which the value is asked for.
    Timestamp,
}

/// Functions of what lies in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    HoltWinters,
    Avg,
    Sum,
    Min,
    Max,
    Count,
    Quantile,
    Stddev,
    Stdvar,
    Last,
    Present,
    Changes,
    Resets,
}

#[derive(Debug)]
pub(crate) enum Relabel {
    Replace { to: String, template: String, from: String, pattern: regex::Regex },
    Join { to: String, between: String, from: Vec<String> },
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) is_bool: bool,
    pub(crate) matching: Matching,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Number(Arithmetic),
    Compare(Compare),
    Set(Set),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    And,
    Or,
    Unless,
}

/// Which series of two vectors belong together.
#[derive(Debug)]
pub(crate) struct Matching {
    pub(crate) by: Grouping,
    pub(crate) many: Many,
    /// Labels that are taken from the side of which there is one.
    pub(crate) include: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Many {
    None,
    Left,
    Right,
}

/// Labels that count, or that do not.
#[derive(Debug)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) how: How,
    pub(crate) of: Node,
    pub(crate) grouping: Grouping,
}

#[derive(Debug)]
pub(crate) enum How {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Top(Node),
    Bottom(Node),
    Quantile(Node),
    CountValues(String),
}

impl Node {
    /// Returns true for what is one number at each time.
    pub(crate) fn is_scalar(&self) -> bool {
        if let Self::Negate(of) = self {
            return of.is_scalar();
        }
        if let Self::Binary(binary) = self {
            return binary.left.is_scalar() && binary.right.is_scalar();
        }
        matches!(self, Self::Number(_) | Self::Scalar(_) | Self::Time | Self::Pi)
    }
}
