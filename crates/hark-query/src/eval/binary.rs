//! Operators between two sides.

use std::collections::HashMap;

use super::{Each, Eval, Result, Series, mistyped};
use crate::Grid;
use crate::error::QueryError;
use crate::labels::{Labels, NAME};
use crate::node::{Arithmetic, Binary, Compare, Grouping, Many, Matching, Node, Op, Set};
use crate::source::is_absent;

impl Arithmetic {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Mod => a % b,
            Self::Pow => a.powf(b),
            Self::Atan2 => a.atan2(b),
        }
    }
}

impl Compare {
    #[expect(clippy::float_cmp, reason = "it is what was asked")]
    fn of(self, a: f64, b: f64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

fn one_if(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Returns what two numbers make.
pub(super) fn of_scalars(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Number(arithmetic) => arithmetic.of(a, b),
        Op::Compare(compare) => one_if(compare.of(a, b)),
        Op::Set(_) => f64::NAN,
    }
}

impl Op {
    /// Returns what two values make, of which the vector's is kept by a comparison; `None` if the
    /// comparison does not hold.
    fn of(self, a: f64, b: f64, is_bool: bool, kept: f64) -> Option<f64> {
        match self {
            Self::Number(arithmetic) => Some(arithmetic.of(a, b)),
            Self::Compare(compare) if is_bool => Some(one_if(compare.of(a, b))),
            Self::Compare(compare) => compare.of(a, b).then_some(kept),
            Self::Set(_) => None,
        }
    }

    /// Whether what comes out is something else than what went in. Prometheus 2 keeps the name of an
    /// angle.
    fn drops_name(self) -> bool {
        matches!(self, Self::Number(op) if op != Arithmetic::Atan2)
    }
}

impl Eval<'_> {
    pub(super) fn binary(&self, binary: &Binary, grid: Grid, each: &mut Each<'_>) -> Result<()> {
        match (binary.left.is_scalar(), binary.right.is_scalar()) {
            (true, true) => Err(mistyped()),
            (true, false) => {
                self.with_scalar(binary, &binary.left, &binary.right, true, grid, each)
            }
            (false, true) => {
                self.with_scalar(binary, &binary.right, &binary.left, false, grid, each)
            }
            (false, false) => {
                let left = self.vector(&binary.left, grid)?;
                let right = self.vector(&binary.right, grid)?;
                match binary.op {
                    Op::Set(set) => self.sets(set, &binary.matching, left, right, grid, each),
                    Op::Number(_) | Op::Compare(_) => {
                        let pairs = match binary.matching.many {
                            Many::Right => Pairs::new(self, binary, &right, &left, grid),
                            Many::Left | Many::None => {
                                Pairs::new(self, binary, &left, &right, grid)
                            }
                        };
                        pairs.all()?.into_iter().try_for_each(each)
                    }
                }
            }
        }
    }

    fn with_scalar(
        &self,
        binary: &Binary,
        scalar: &Node,
        vector: &Node,
        scalar_is_left: bool,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let numbers = self.scalar(scalar, grid)?;
        let (op, is_bool) = (binary.op, binary.is_bool);
        self.stream(vector, grid, &mut |mut series| {
            let mut any = false;
            for (value, number) in series.values.iter_mut().zip(&numbers) {
                if is_absent(*value) {
                    continue;
                }
                let (a, b) = if scalar_is_left { (*number, *value) } else { (*value, *number) };
                match op.of(a, b, is_bool, *value) {
                    Some(result) => (*value, any) = (result, true),
                    None => *value = crate::ABSENT,
                }
            }
            if !any {
                return Ok(());
            }
            if op.drops_name() || is_bool {
                series.labels = std::mem::take(&mut series.labels).without_name();
            }
            each(series)
        })
    }

    fn sets(
        &self,
        set: Set,
        matching: &Matching,
        left: Vec<Series>,
        mut right: Vec<Series>,
        grid: Grid,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let mut keys = Keys::default();
        let left_keys: Vec<usize> = left.iter().map(|s| keys.of(&matching.by, &s.labels)).collect();
        let right_keys: Vec<usize> =
            right.iter().map(|s| keys.of(&matching.by, &s.labels)).collect();
        let lease = self.budget.hold(keys.len().saturating_mul(grid.len).div_ceil(8))?;
        // For each key and time whether the side that decides is there.
        let mut there = vec![false; keys.len().saturating_mul(grid.len)];
        let (deciding, deciding_keys) =
            if set == Set::Or { (&left, &left_keys) } else { (&right, &right_keys) };
        for (series, key) in deciding.iter().zip(deciding_keys) {
            let slots = there.get_mut(key * grid.len..(key + 1) * grid.len).unwrap_or_default();
            for (slot, value) in slots.iter_mut().zip(&series.values) {
                *slot |= !is_absent(*value);
            }
        }
        let keep = |series: &mut Series, key: usize, wanted: bool| {
            let slots = there.get(key * grid.len..(key + 1) * grid.len).unwrap_or_default();
            for (value, slot) in series.values.iter_mut().zip(slots) {
                if *slot != wanted {
                    *value = crate::ABSENT;
                }
            }
        };
        if set == Set::Or {
            for (series, key) in right.iter_mut().zip(right_keys) {
                keep(series, key, false);
            }
            drop(lease);
            return left.into_iter().chain(right).try_for_each(each);
        }
        for (mut series, key) in left.into_iter().zip(left_keys) {
            keep(&mut series, key, set == Set::And);
            each(series)?;
        }
        Ok(())
    }
}

/// The groups in which series of two sides meet, numbered.
#[derive(Default)]
struct Keys {
    numbers: HashMap<Labels, usize>,
    all: Vec<Labels>,
}

impl Keys {
    fn of(&mut self, by: &Grouping, labels: &Labels) -> usize {
        let key = by.key(labels);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        self.all.push(key.clone());
        self.numbers.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }

    fn len(&self) -> usize {
        self.all.len()
    }
}

/// Two vectors that meet. `many` is the side of which several may meet one of the other.
struct Pairs<'p> {
    eval: &'p Eval<'p>,
    binary: &'p Binary,
    many: &'p [Series],
    one: &'p [Series],
    grid: Grid,
    keys: Keys,
    many_keys: Vec<usize>,
    one_keys: Vec<usize>,
    /// What comes out, by the pair that made it and by its labels.
    places: HashMap<(usize, usize), usize>,
    by_labels: HashMap<Labels, usize>,
    results: Vec<Series>,
}

impl<'p> Pairs<'p> {
    fn new(
        eval: &'p Eval<'p>,
        binary: &'p Binary,
        many: &'p [Series],
        one: &'p [Series],
        grid: Grid,
    ) -> Self {
        let mut keys = Keys::default();
        let mut of = |series: &[Series]| -> Vec<usize> {
            series.iter().map(|s| keys.of(&binary.matching.by, &s.labels)).collect()
        };
        let (many_keys, one_keys) = (of(many), of(one));
        Self {
            eval,
            binary,
            many,
            one,
            grid,
            keys,
            many_keys,
            one_keys,
            places: HashMap::new(),
            by_labels: HashMap::new(),
            results: Vec::new(),
        }
    }

    fn all(mut self) -> Result<Vec<Series>> {
        let mut partners = vec![None; self.keys.len()];
        let mut is_met = vec![false; self.keys.len()];
        for step in 0..self.grid.len {
            self.eval.budget.worked(self.many.len() + self.one.len())?;
            let is_there = |s: &Series| s.values.get(step).is_some_and(|v| !is_absent(*v));
            if !self.many.iter().any(is_there) {
                continue;
            }
            partners.fill(None);
            is_met.fill(false);
            self.find_partners(step, &mut partners)?;
            for n in 0..self.many.len() {
                self.meet(step, n, &partners, &mut is_met)?;
            }
        }
        Ok(self.results)
    }

    fn find_partners(&self, step: usize, partners: &mut [Option<usize>]) -> Result<()> {
        for (n, (series, key)) in self.one.iter().zip(&self.one_keys).enumerate() {
            if series.values.get(step).is_none_or(|value| is_absent(*value)) {
                continue;
            }
            let Some(slot) = partners.get_mut(*key) else { continue };
            if let Some(other) = slot.and_then(|other| self.one.get(other)) {
                let side = if self.binary.matching.many == Many::Right { "left" } else { "right" };
                let empty = Labels::default();
                let key = self.keys.all.get(*key).unwrap_or(&empty);
                return Err(QueryError::ambiguous(key, &series.labels, &other.labels, side));
            }
            *slot = Some(n);
        }
        Ok(())
    }

    fn meet(
        &mut self,
        step: usize,
        n: usize,
        partners: &[Option<usize>],
        is_met: &mut [bool],
    ) -> Result<()> {
        let (Some(many), Some(&key)) = (self.many.get(n), self.many_keys.get(n)) else {
            return Ok(());
        };
        let value = many.values.get(step).copied().filter(|value| !is_absent(*value));
        let partner = partners.get(key).copied().flatten();
        let (Some(value), Some(partner)) = (value, partner) else { return Ok(()) };
        let other = self.one.get(partner).and_then(|one| one.values.get(step)).copied();
        let other = other.unwrap_or(f64::NAN);
        let is_right = self.binary.matching.many == Many::Right;
        let (a, b) = if is_right { (other, value) } else { (value, other) };
        // A comparison keeps what stands on the left.
        let Some(result) = self.binary.op.of(a, b, self.binary.is_bool, a) else { return Ok(()) };
        if self.binary.matching.many == Many::None
            && is_met.get_mut(key).is_some_and(|met| std::mem::replace(met, true))
        {
            return Err(QueryError::Execution(
                "multiple matches for labels: many-to-one matching must be explicit \
                 (group_left/group_right)"
                    .to_owned(),
            ));
        }
        let place = self.place(n, partner)?;
        let slot = self.results.get_mut(place).and_then(|series| series.values.get_mut(step));
        let Some(slot) = slot else { return Ok(()) };
        if !is_absent(*slot) {
            return Err(match self.binary.matching.many {
                Many::None => QueryError::same_labels(),
                Many::Left | Many::Right => QueryError::Execution(
                    "multiple matches for labels: grouping labels must ensure unique matches"
                        .to_owned(),
                ),
            });
        }
        *slot = result;
        Ok(())
    }

    /// Returns where the results of a pair go.
    fn place(&mut self, many: usize, one: usize) -> Result<usize> {
        if let Some(place) = self.places.get(&(many, one)) {
            return Ok(*place);
        }
        let labels = self.labels(many, one);
        let place = self.by_labels.get(&labels).copied().unwrap_or(self.results.len());
        if place == self.results.len() {
            self.results.push(self.eval.empty(labels.clone(), self.grid)?);
            self.by_labels.insert(labels, place);
        }
        self.places.insert((many, one), place);
        Ok(place)
    }

    fn labels(&self, many: usize, one: usize) -> Labels {
        let Matching { by, many: card, include } = &self.binary.matching;
        let mut labels = self.many.get(many).map(|s| s.labels.clone()).unwrap_or_default();
        if self.binary.op.drops_name() || self.binary.is_bool {
            labels = labels.without_name();
        }
        if *card == Many::None {
            labels = match by {
                Grouping::By(names) => labels.only(|name| names.iter().any(|n| n == name)),
                // The name is no label to be ignored here: a comparison keeps it.
                Grouping::Without(names) => labels.only(|name| !names.iter().any(|n| n == name)),
            };
        }
        if let Some(one) = self.one.get(one) {
            for name in include {
                labels.set(name, one.labels.get(name));
            }
        }
        if self.binary.is_bool { labels.only(|name| name != NAME) } else { labels }
    }
}
