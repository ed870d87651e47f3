//! Who may depend on whom: the table in ARCHITECTURE.md against the manifests.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::workspace::{Crate, Workspace};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// The header of the table, by which it is found.
const HEADER: &str = "| crate | may use | async runtime |";

/// Crates that are an async runtime, or make no sense without one.
const RUNTIMES: [&str; 4] = ["tokio", "tokio-util", "tokio-rustls", "axum"];

/// What tests of every crate may use, and no program.
const FOR_TESTS: &str = "testing";

/// What one row of the table allows.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    may_use: Vec<String>,
    runtime: bool,
}

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(compare(&parse(&workspace.read(DOCUMENT)?), &workspace.crates()?))
}

/// Returns the table as the manifests have it, to compare with or to paste.
pub(crate) fn table(workspace: &Workspace) -> Result<String> {
    let mut text = format!("{HEADER}\n| --- | --- | --- |\n");
    for member in workspace.crates()? {
        let ours: Vec<&str> = ours(&member.uses).collect();
        let runtime = if uses_runtime(&member) { "yes" } else { "no" };
        let ours = if ours.is_empty() { "nothing of ours".to_owned() } else { ours.join(", ") };
        let row = format!("| {} | {ours} | {runtime} |\n", short(&member.name));
        text.push_str(&row);
    }
    Ok(text)
}

fn parse(document: &str) -> BTreeMap<String, Row> {
    let lines = document.lines().skip_while(|line| line.trim() != HEADER).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (name, may_use, runtime) = (cells.next()?, cells.next()?, cells.next()?);
        let may_use = may_use.split(',').map(|word| word.trim().to_owned()).collect();
        Some((name.to_owned(), Row { may_use, runtime: runtime == "yes" }))
    })
    .collect()
}

fn compare(table: &BTreeMap<String, Row>, crates: &[Crate]) -> Vec<String> {
    let mut problems = Vec::new();
    for member in crates {
        let name = short(&member.name);
        let Some(row) = table.get(name) else {
            problems.push(format!("{DOCUMENT}: the table has no row for {name}"));
            continue;
        };
        let allowed = |other: &&str| {
            row.may_use.iter().any(|may| may == other || may == "all") && *other != FOR_TESTS
        };
        for other in ours(&member.uses).filter(|other| !allowed(other)) {
            problems.push(format!("{}: {name} may not use {other}", member.folder));
        }
        // Tests may use the crates that the crate itself may, and what is there for tests alone, and no others: a test
        // that needs more belongs to a crate above.
        let is_theirs = |other: &&str| allowed(other) || *other == name || *other == FOR_TESTS;
        for other in ours(&member.tests_use).filter(|other| !is_theirs(other)) {
            problems.push(format!("{}: the tests of {name} may not use {other}", member.folder));
        }
        if uses_runtime(member) && !row.runtime {
            problems.push(format!("{}: {name} may not use an async runtime", member.folder));
        }
    }
    let known = |row: &&String| crates.iter().any(|member| short(&member.name) == *row);
    let gone = table.keys().filter(|row| !known(row));
    problems.extend(gone.map(|row| format!("{DOCUMENT}: there is no crate {row}")));
    problems
}

fn ours(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().filter(|name| name.starts_with("hark")).map(|name| short(name))
}

fn short(name: &str) -> &str {
    name.strip_prefix("hark-").unwrap_or(name)
}

fn uses_runtime(member: &Crate) -> bool {
    member.uses.iter().any(|name| RUNTIMES.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "text\n\n| crate | may use | async runtime |\n| --- | --- | --- |\n\
        | model | nothing of ours | no |\n| engine | model, config | no |\n\nmore\n| a | b | c |\n";

    fn member(name: &str, uses: &[&str]) -> Crate {
        let uses = uses.iter().map(|name| (*name).to_owned()).collect();
        Crate { name: name.into(), folder: name.into(), uses, tests_use: vec![] }
    }

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found() {
        let table = parse(TABLE);
        assert_eq!(table.len(), 2);
        let model = member("hark-model", &["thiserror"]);
        let good = member("hark-engine", &["hark-model", "jiff"]);
        assert_eq!(compare(&table, &[model, good]), Vec::<String>::new());
        let bad = member("hark-engine", &["hark-store", "tokio"]);
        let extra = member("hark-new", &[]);
        let problems = compare(&table, &[bad, extra]);
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn what_is_there_for_tests_is_used_by_no_program() {
        let table = parse(&format!("{HEADER}\n| --- | --- | --- |\n| a | all | no |\n"));
        let mut tested = member("hark-a", &[]);
        tested.tests_use = vec!["hark-testing".to_owned()];
        assert_eq!(compare(&table, &[tested]), Vec::<String>::new());
        let problems = compare(&table, &[member("hark-a", &["hark-testing"])]);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
