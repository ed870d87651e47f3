//! The interfaces of a device (IF-MIB, RFC 2863): counters as they are, so that whoever keeps them
//! makes rates of them.

use std::collections::BTreeMap;
use std::io;

use hark_model::Status;
use hark_model::sample::Unit;

use super::session::Session;
use super::wire::{Oid, Value};
use crate::finding::{Finding, Measure};
use crate::frames::foreign;

/// A column of the tables, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Description,
    WantedUp,
    Up,
    InDiscards,
    InErrors,
    OutDiscards,
    OutErrors,
    Name,
    InBytes,
    OutBytes,
    /// In millions of bits a second.
    Speed,
    /// Bytes as 32 bits count them, where there are no wider counters.
    InBytesNarrow,
    OutBytesNarrow,
}

/// `ifTable` and `ifXTable`.
const TABLE: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1];
const MORE: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1];

const COLUMNS: &[(Column, &[u32], u32)] = &[
    (Column::Description, TABLE, 2),
    (Column::WantedUp, TABLE, 7),
    (Column::Up, TABLE, 8),
    (Column::InBytesNarrow, TABLE, 10),
    (Column::InDiscards, TABLE, 13),
    (Column::InErrors, TABLE, 14),
    (Column::OutBytesNarrow, TABLE, 16),
    (Column::OutDiscards, TABLE, 19),
    (Column::OutErrors, TABLE, 20),
    (Column::Name, MORE, 1),
    (Column::InBytes, MORE, 6),
    (Column::OutBytes, MORE, 10),
    (Column::Speed, MORE, 15),
];

/// Rows asked for at once: with all columns an answer has some 4 kB, which devices send whole.
const ROWS: u8 = 8;

/// Most questions of one walk: 256 rows in steps of one, which is what a stubborn device makes of it.
const MAX_QUESTIONS: usize = 300;

/// `up` of both states.
const UP: f64 = 1.0;

/// What was read, by the number of the interface.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Interfaces {
    rows: BTreeMap<u32, BTreeMap<Column, Value>>,
}

/// One column on its way through the table.
struct Walker {
    column: Column,
    start: Oid,
    at: Oid,
    is_done: bool,
}

impl Interfaces {
    /// Reads at most `most` interfaces.
    pub(super) async fn walk(session: &mut Session<'_>, most: usize) -> io::Result<Self> {
        let mut found = Self::default();
        let mut walkers: Vec<Walker> = COLUMNS
            .iter()
            .map(|(column, table, number)| {
                let start = Oid([*table, &[*number]].concat());
                Walker { column: *column, at: start.clone(), start, is_done: false }
            })
            .collect();
        for _question in 0..MAX_QUESTIONS {
            let mut open: Vec<&mut Walker> = walkers.iter_mut().filter(|w| !w.is_done).collect();
            if open.is_empty() {
                return Ok(found);
            }
            let ask: Vec<Oid> = open.iter().map(|walker| walker.at.clone()).collect();
            let values = session.bulk(&ask, ROWS).await?;
            if values.is_empty() {
                return Err(foreign("the device answers a walk with nothing"));
            }
            let n = open.len();
            for (place, (oid, value)) in values.into_iter().enumerate() {
                // An answer has one row after another, each with all columns.
                if let Some(walker) = open.get_mut(place % n) {
                    found.take(walker, oid, value, most)?;
                }
            }
        }
        Err(foreign("the walk of the interfaces has no end"))
    }

    fn take(&mut self, walker: &mut Walker, oid: Oid, value: Value, most: usize) -> io::Result<()> {
        let index = oid.below(&walker.start).map(<[u32]>::to_vec);
        let Some(&[index]) = index.as_deref() else {
            walker.is_done = true;
            return Ok(());
        };
        if walker.is_done || value == Value::End {
            walker.is_done = true;
            return Ok(());
        }
        if oid <= walker.at {
            return Err(foreign("the device goes in circles"));
        }
        walker.at = oid;
        if !self.rows.contains_key(&index) && self.rows.len() >= most {
            // Rows come in the order of their numbers: those behind are left out.
            walker.is_done = true;
            return Ok(());
        }
        self.rows.entry(index).or_default().insert(walker.column, value);
        Ok(())
    }

    /// Adds what was read to what was found.
    pub(super) fn judge(&self, mut finding: Finding) -> Finding {
        let mut down = Vec::new();
        let mut used: BTreeMap<String, u32> = BTreeMap::new();
        for (index, row) in &self.rows {
            let number = |column: Column| match row.get(&column) {
                Some(Value::Number(number)) => Some(*number),
                Some(Value::Text(_) | Value::Missing | Value::End) | None => None,
            };
            let name = name_of(row).unwrap_or_else(|| format!("if{index}"));
            // Two interfaces of one name are told apart by their numbers.
            let seen = used.entry(name.clone()).or_default();
            *seen += 1;
            let name = if *seen > 1 { format!("{name}_{index}") } else { name };
            let is_up = number(Column::Up).map(|state| (state - UP).abs() < f64::EPSILON);
            let is_wanted =
                number(Column::WantedUp).is_none_or(|state| (state - UP).abs() < f64::EPSILON);
            if is_up == Some(false) && is_wanted {
                down.push(name.clone());
            }
            let wide = |wide, narrow| number(wide).or_else(|| number(narrow));
            let speed = number(Column::Speed).map(|megabits| megabits * 1e6);
            let figures = [
                ("in_bytes", wide(Column::InBytes, Column::InBytesNarrow), Unit::Bytes),
                ("out_bytes", wide(Column::OutBytes, Column::OutBytesNarrow), Unit::Bytes),
                ("in_errors", number(Column::InErrors), Unit::None),
                ("out_errors", number(Column::OutErrors), Unit::None),
                ("in_discards", number(Column::InDiscards), Unit::None),
                ("out_discards", number(Column::OutDiscards), Unit::None),
                ("speed_bits", speed, Unit::None),
                ("up", is_up.map(|is_up| if is_up { 1.0 } else { 0.0 }), Unit::None),
            ];
            for (figure, value, unit) in figures {
                let measure =
                    value.map(|value| Measure::new(format!("{name}_{figure}"), value, unit));
                finding.measures.extend(measure);
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).into();
        finding = finding.and(&format!(", {} interfaces", self.rows.len()));
        if !down.is_empty() {
            finding.status = finding.status.worse(Status::Warning);
            finding = finding.and(&format!(", down: {}", down.join(", ")));
        }
        finding
            .measured(Measure::new("interfaces", count(self.rows.len()), Unit::None))
            .measured(Measure::new("interfaces_down", count(down.len()), Unit::None))
            .saw("down", down)
    }
}

/// Longest part of a measure's name that an interface may take.
const MAX_NAME: usize = 40;

fn name_of(row: &BTreeMap<Column, Value>) -> Option<String> {
    let words = [Column::Name, Column::Description].into_iter().filter_map(|c| row.get(&c));
    let mut texts = words.filter_map(|value| match value {
        Value::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Value::Number(_) | Value::Missing | Value::End => None,
    });
    let name = texts.next()?;
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    Some(name.chars().map(fine).take(MAX_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn interfaces() -> Interfaces {
        let row = |cells: Vec<(Column, Value)>| cells.into_iter().collect::<BTreeMap<_, _>>();
        let number = Value::Number;
        let rows = [
            (1, row(vec![(Column::Name, text("lo")), (Column::Up, number(1.0))])),
            (
                7,
                row(vec![
                    (Column::Name, text("Gi0/1")),
                    (Column::Up, number(2.0)),
                    (Column::WantedUp, number(1.0)),
                    (Column::InBytes, number(5e12)),
                    (Column::InBytesNarrow, number(3.0)),
                    (Column::OutBytesNarrow, number(4.0)),
                    (Column::Speed, number(1000.0)),
                ]),
            ),
            (
                9,
                row(vec![
                    (Column::Name, text("lo")),
                    (Column::Up, number(2.0)),
                    (Column::WantedUp, number(2.0)),
                ]),
            ),
        ];
        Interfaces { rows: rows.into_iter().collect() }
    }

    #[test]
    fn an_interface_that_should_be_up_is_a_warning() {
        let finding = interfaces().judge(Finding::new(Status::Ok, "sw1"));
        assert_eq!(finding.status, Status::Warning);
        assert_eq!(finding.text, "sw1, 3 interfaces, down: Gi0_1");
        let value = |name: &str| finding.measures.iter().find(|m| m.name == name).unwrap().value;
        for (name, expected) in [
            ("Gi0_1_in_bytes", 5e12),
            ("Gi0_1_out_bytes", 4.0),
            ("Gi0_1_speed_bits", 1e9),
            ("Gi0_1_up", 0.0),
            ("lo_up", 1.0),
            ("lo_9_up", 0.0),
            ("interfaces", 3.0),
            ("interfaces_down", 1.0),
        ] {
            assert!((value(name) - expected).abs() < 1e-9, "{name}");
        }
    }

    fn walker(at: &[u32]) -> Walker {
        let start = Oid([TABLE, &[2]].concat());
        let at = Oid([TABLE, &[2], at].concat());
        Walker { column: Column::Description, start, at, is_done: false }
    }

    #[test]
    fn a_walk_ends_with_its_column_and_at_its_bound() {
        let mut found = Interfaces::default();
        let mut column = walker(&[]);
        let at = |numbers: &[u32]| Oid([TABLE, numbers].concat());
        found.take(&mut column, at(&[2, 1]), text("a"), 2).unwrap();
        found.take(&mut column, at(&[2, 4]), text("b"), 2).unwrap();
        assert!(!column.is_done);
        found.take(&mut column, at(&[2, 5]), text("c"), 2).unwrap();
        assert!(column.is_done, "two rows are enough");
        assert_eq!(found.rows.len(), 2);
        let mut column = walker(&[]);
        found.take(&mut column, at(&[3, 1]), text("another column"), 9).unwrap();
        assert!(column.is_done);
        let mut column = walker(&[4]);
        assert!(found.take(&mut column, at(&[2, 4]), text("again"), 9).is_err());
        assert!(found.take(&mut column, at(&[2, 2]), text("back"), 9).is_err());
    }
}
