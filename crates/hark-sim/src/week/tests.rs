use super::*;

/// Where the manual has the day's table.
const MANUAL: &str = include_str!("../../../../docs/simulation.md");

fn live(form: Form) -> Week {
    // State in memory: it is synced tens of thousands of times a day.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut week = Week::new(form, folder.path());
    week.run().unwrap();
    week
}

#[test]
fn a_day_is_told_as_the_model_has_it() {
    let week = live(Form::DAY);
    assert_eq!(week.violations(), [""; 0]);
    let table = week.counts().table();
    assert!(MANUAL.contains(&table), "docs/simulation.md has another table than\n{table}");
}
