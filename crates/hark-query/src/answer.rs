//! What is answered.

use crate::labels::Labels;

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One number at each time.
    Scalar(Vec<(i64, f64)>),
    /// Series, each with the times at which it has a value.
    Vector(Vec<Line>),
    /// The samples of series as they are: of a question such as `up[5m]`, at one time.
    Matrix(Vec<Line>),
    /// A text.
    Text(i64, String),
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its labels.
    pub labels: Labels,
    /// Its values: never empty.
    pub points: Vec<(i64, f64)>,
}
