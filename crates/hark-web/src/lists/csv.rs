//! CSV (RFC 4180) of what is a list in JSON.

use serde_json::{Map, Value};

/// A table that is being written.
#[derive(Debug)]
pub(super) struct Sheet {
    columns: Vec<String>,
    text: String,
    rows: usize,
}

impl Sheet {
    /// Begins a table of these columns; `a.b` is the field `b` of the field `a`.
    pub(super) fn of(columns: &[&str]) -> Self {
        Self::new(columns.iter().map(ToString::to_string).collect())
    }

    /// Begins a table of all fields of `rows`.
    pub(super) fn of_all(rows: &[Value]) -> Self {
        let mut columns: Vec<String> =
            rows.iter().filter_map(Value::as_object).flat_map(Map::keys).cloned().collect();
        columns.sort();
        columns.dedup();
        Self::new(columns)
    }

    fn new(columns: Vec<String>) -> Self {
        let mut sheet = Self { columns, text: String::new(), rows: 0 };
        let head: Vec<String> = sheet.columns.iter().map(|column| quoted(column)).collect();
        sheet.line(&head);
        sheet
    }

    /// Adds rows.
    pub(super) fn extend(&mut self, rows: &[Value]) {
        for row in rows {
            let cells: Vec<String> =
                self.columns.iter().map(|column| cell(field(row, column))).collect();
            self.line(&cells);
            self.rows += 1;
        }
    }

    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns what is written so far.
    pub(super) fn text(&self) -> String {
        self.text.clone()
    }

    fn line(&mut self, cells: &[String]) {
        self.text.push_str(&cells.join(","));
        self.text.push_str("\r\n");
    }
}

/// Returns series as a table: a row for each time, and for each series its lowest, mean and highest value.
pub(super) fn series(series: &Map<String, Value>) -> String {
    let list = |key: &str| series.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (times, names) = (list("at_unix_s"), list("names"));
    let parts = [("min", list("min")), ("avg", list("avg")), ("max", list("max"))];
    let name = |n: usize| names.get(n).and_then(Value::as_str).unwrap_or_default();
    let columns = (0..names.len())
        .flat_map(|n| ["min", "avg", "max"].map(|part| format!("{}.{part}", name(n))));
    let mut sheet = Sheet::new(["at_unix_s".to_owned()].into_iter().chain(columns).collect());
    for (place, at) in times.iter().enumerate() {
        let mut cells = vec![cell(at)];
        for n in 0..names.len() {
            let of = |columns: &[Value]| columns.get(n).and_then(|c| c.get(place)).map(cell);
            cells.extend(parts.iter().map(|(_, columns)| of(columns).unwrap_or_default()));
        }
        sheet.line(&cells);
    }
    sheet.text
}

fn field<'a>(row: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(row, |value, part| &value[part])
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            quoted(&words.join(" "))
        }
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

/// Writes a text. One that a spreadsheet would carry out as a formula gets a mark in front that makes it a
/// text there: hosts and messages are named by others than who opens the table.
fn quoted(text: &str) -> String {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let marked = if is_formula { format!("'{text}") } else { text.to_owned() };
    if marked.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", marked.replace('"', "\"\""))
    } else {
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_become_cells() {
        let mut sheet = Sheet::of(&["name", "ack.by", "tags", "n"]);
        sheet.extend(&[
            json!({"name": "a, \"b\"", "ack": {"by": "mira"}, "tags": ["x", "y"], "n": -1.5}),
            json!({"name": "two\nlines", "ack": null}),
        ]);
        assert_eq!(
            sheet.text(),
            "name,ack.by,tags,n\r\n\"a, \"\"b\"\"\",mira,x y,-1.5\r\n\"two\nlines\",,,\r\n"
        );
        assert_eq!(sheet.rows(), 2);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1"] {
            assert!(quoted(text).contains(&format!("'{text}")), "{text}: {}", quoted(text));
        }
        assert_eq!([quoted("-5"), quoted("a=b")], ["-5", "a=b"]);
    }

    #[test]
    fn a_list_without_columns_of_its_own_has_all_its_fields() {
        let rows = [json!({"b": 1, "a": true}), json!({"c": {"d": 1}})];
        let mut sheet = Sheet::of_all(&rows);
        sheet.extend(&rows);
        assert_eq!(sheet.text(), "a,b,c\r\ntrue,1,\r\n,,\"{\"\"d\"\":1}\"\r\n");
    }

    #[test]
    fn series_are_a_row_for_each_time() {
        let found = json!({"at_unix_s": [10, 20], "names": ["cpu", "mem"],
            "min": [[1, 2], [null, 0]], "avg": [[1.5, 2], [null, 1]], "max": [[2, 3], [null, 2]]});
        assert_eq!(
            series(found.as_object().unwrap()),
            "at_unix_s,cpu.min,cpu.avg,cpu.max,mem.min,mem.avg,mem.max\r\n\
             10,1,1.5,2,,,\r\n20,2,2,3,0,1,2\r\n"
        );
    }
}
