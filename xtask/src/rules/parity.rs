//! docs/parity.md has every feature of the five seeds, each with its state and what shows it.
//!
//! A row is `| id | area | feature | state | note | shown by |`. What shows a feature is a test,
//! written `path::name_of_the_test`, or a file such as a scenario; both must exist, so that a test
//! that is renamed or removed takes the claim with it.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::workspace::{Workspace, ending};

const DOCUMENT: &str = "docs/parity.md";

/// Prefix of the ids of each seed, and how many features it has.
const SEEDS: [(&str, usize); 5] = [("HB", 66), ("HBD", 137), ("P436", 62), ("PM", 54), ("VL", 57)];

const WORKS: &str = "works";
const PARTLY: &str = "partly";
const NOT_YET: &str = "not yet";
const DIFFERS: &str = "ours differs";
const STATES: [&str; 4] = [WORKS, PARTLY, NOT_YET, DIFFERS];

#[derive(Debug)]
struct Row<'t> {
    id: &'t str,
    feature: &'t str,
    state: &'t str,
    note: &'t str,
    /// What stands in code marks in the last column.
    shown_by: Vec<&'t str>,
}

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let text = workspace.read(DOCUMENT)?;
    let rows = rows(&text);
    let mut problems = missing(&rows);
    problems.extend(rows.iter().flat_map(|row| row_problems(row, workspace)));
    Ok(problems)
}

/// Returns how many rows are in which state, per seed.
pub(crate) fn summary(workspace: &Workspace) -> Result<String> {
    let text = workspace.read(DOCUMENT)?;
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows(&text) {
        let seed = row.id.split_once('-').map_or(row.id, |(seed, _)| seed);
        *counts.entry((seed, row.state)).or_default() += 1;
        *counts.entry(("all", row.state)).or_default() += 1;
    }
    let mut summary = String::from(
        "| seed | works | partly | not yet | ours differs |\n| --- | --- | --- | --- | --- |\n",
    );
    for seed in SEEDS.map(|(seed, _)| seed).into_iter().chain(["all"]) {
        let count = |state| counts.get(&(seed, state)).copied().unwrap_or(0);
        let cells = STATES.map(|state| count(state).to_string()).join(" | ");
        let row = format!("| {seed} | {cells} |\n");
        summary.push_str(&row);
    }
    Ok(summary)
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let lines = text.lines().filter(|line| line.starts_with("| "));
    lines.filter_map(row).filter(|row| SEEDS.iter().any(|(seed, _)| is_of(row.id, seed))).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [id, _area, feature, state, note, shown] = cells.as_slice() else { return None };
    // Odd parts of a text split at code marks stand inside them.
    let shown_by = shown.split('`').skip(1).step_by(2).collect();
    Some(Row { id, feature, state, note, shown_by })
}

fn is_of(id: &str, seed: &str) -> bool {
    id.strip_prefix(seed).is_some_and(|rest| rest.starts_with('-'))
}

fn missing(rows: &[Row<'_>]) -> Vec<String> {
    let mut problems = Vec::new();
    for (seed, n_features) in SEEDS {
        let found: Vec<&str> = rows.iter().map(|row| row.id).filter(|id| is_of(id, seed)).collect();
        let expected = (1..=n_features).map(|number| format!("{seed}-{number:03}"));
        let expected: Vec<String> = expected.collect();
        problems.extend(
            expected
                .iter()
                .filter(|id| !found.contains(&id.as_str()))
                .map(|id| format!("{DOCUMENT}: {id} is missing")),
        );
        if found.len() != n_features {
            problems.push(format!("{DOCUMENT}: {} rows of {seed}, not {n_features}", found.len()));
        }
    }
    problems
}

fn row_problems(row: &Row<'_>, workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |text: String| problems.push(format!("{DOCUMENT}: {}: {text}", row.id));
    if row.feature.is_empty() {
        problem("no feature is named".to_owned());
    }
    if !STATES.contains(&row.state) {
        problem(format!("`{}` is not one of {STATES:?}", row.state));
    }
    if [PARTLY, DIFFERS].contains(&row.state) && row.note.is_empty() {
        problem(format!("`{}` needs a note: what is missing, or why", row.state));
    }
    if [WORKS, PARTLY].contains(&row.state) && row.shown_by.is_empty() {
        problem(format!("`{}` needs a test that shows it", row.state));
    }
    for reference in &row.shown_by {
        if let Some(text) = reference_problem(reference, workspace) {
            problem(text);
        }
    }
    problems
}

fn reference_problem(reference: &str, workspace: &Workspace) -> Option<String> {
    let (path, test) = reference.split_once("::").map_or((reference, None), |(p, t)| (p, Some(t)));
    let Ok(text) = workspace.read(path) else {
        return Some(format!("there is no file `{path}`"));
    };
    let test = test?;
    let defined = if ending(path) == "rs" {
        text.contains(&format!("fn {test}(")) || text.contains(&format!("fn {test}<"))
    } else {
        text.contains(test)
    };
    (!defined).then(|| format!("`{path}` has no test `{test}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(line: &str) -> Vec<String> {
        row_problems(&row(line).unwrap(), &Workspace::open().unwrap())
    }

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn a_row_that_works_names_a_test_that_exists() {
        let here = "xtask/src/rules/parity.rs";
        let shown = format!("`{here}::a_row_that_works_names_a_test_that_exists`");
        assert_eq!(problems(&format!("| HB-001 | a | f | works | | {shown} |")).len(), 0);
        assert_eq!(problems(&format!("| HB-001 | a | f | works | | `{here}::is_gone` |")).len(), 1);
        assert_eq!(problems("| HB-001 | a | f | works | | `no/such/file.rs::test` |").len(), 1);
        assert_eq!(problems("| HB-001 | a | f | works | | |").len(), 1);
    }

    #[test]
    fn states_are_from_the_list_and_have_their_reasons() {
        assert_eq!(problems("| HB-001 | a | f | done | | |").len(), 1);
        assert_eq!(problems("| HB-001 | a | f | ours differs | | |").len(), 1);
        assert_eq!(problems("| HB-001 | a | f | ours differs | safer | |").len(), 0);
        assert_eq!(problems("| HB-001 | a | f | not yet | | |").len(), 0);
        assert_eq!(problems("| HB-001 | a | f | partly | | |").len(), 2);
    }

    #[test]
    fn a_missing_and_a_doubled_row_are_found() {
        let text = "| HB-001 | a | f | not yet | | |\n| HB-001 | a | f | not yet | | |\n";
        let problems = missing(&rows(text));
        assert!(problems.contains(&format!("{DOCUMENT}: HB-002 is missing")));
        assert!(problems.contains(&format!("{DOCUMENT}: 2 rows of HB, not 66")));
    }
}
