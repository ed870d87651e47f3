//! What charts are made of beyond one host's series: tables for programs, several hosts.

use hark_api::auth::Role;
use serde_json::{Value, json};

use crate::prepared::prepared;

const CPU: &str = "names=cpu_monitor.cpu_percent&from=1000&to=2000";

fn hosts(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|one| one["host"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_chart_is_also_a_table_of_comma_separated_values() {
    let running = prepared().await;
    let reply = running.browser("monitor").get(&format!("/api/0/hosts/db1/series.csv?{CPU}")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"db1-1000.csv\"");
    let first = "time,unix_s,cpu_monitor.cpu_percent avg,cpu_monitor.cpu_percent min,\
                 cpu_monitor.cpu_percent max\r\n1970-01-01T00:16:40Z,1000,1,1,1\r\n";
    assert!(reply.text().starts_with(first), "{}", reply.text());
    let hidden =
        running.browser("stranger").get(&format!("/api/0/hosts/db1/series.csv?{CPU}")).await;
    let absent =
        running.browser("stranger").get(&format!("/api/0/hosts/nope/series.csv?{CPU}")).await;
    assert_eq!((hidden.status, absent.status), (404, 404));
}

#[tokio::test]
async fn series_of_several_hosts_leave_out_those_that_one_may_not_see() {
    let running = prepared().await;
    let path = format!("/api/0/series?{CPU}&hosts=web1,db1,nope,db1");
    let all = running.browser("root").get(&path).await.json();
    assert_eq!(hosts(&all), ["web1", "db1"], "each once, as asked for");
    assert_eq!(all["items"][0]["series"]["avg"], json!([[2.5, null]]));
    let part = running.browser("monitor").get(&path).await.json();
    assert_eq!(hosts(&part), ["db1"], "a host that is not visible is as one that does not exist");
    let none = running.browser("stranger").get(&path).await;
    assert_eq!((none.status, none.json()), (200, json!({"items": [], "more": 0})));
}

#[tokio::test]
async fn points_lie_at_multiples_of_a_step_and_gaps_are_filled_as_asked() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    let ask = async |more: &str| {
        monitor.get(&format!("/api/0/hosts/db1/series?{CPU}&{more}")).await.json()
    };
    let series = ask("step=60").await;
    assert_eq!((&series["from_unix_s"], &series["to_unix_s"]), (&json!(960), &json!(2040)));
    assert_eq!(series["avg"], json!([[1.0, null]]), "as it is");
    let series = ask("step=60&fill=previous").await;
    let grid: Vec<i64> = (960..2040).step_by(60).collect();
    assert_eq!(series["at_unix_s"], json!(grid));
    assert_eq!(series["avg"], json!([vec![1.0; grid.len()]]));
    let series = ask("step=60&fill=zero").await;
    let sum: f64 = series["max"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{series:#}");
    // Coarser values than asked for: these are aligned to what they are.
    let series = ask("step=7&fill=null").await;
    assert_eq!((&series["from_unix_s"], &series["step_s"]), (&json!(960), &json!(60.0)));
    assert_eq!(series["at_unix_s"], json!(grid));
    let path = "/api/0/hosts/db1/series?names=a.b,c.d&from=1000&to=2000&top=1&by=avg";
    assert_eq!(monitor.get(path).await.json()["names"], json!(["a.b"]));
    for (wrong, field) in
        [("step=0", "step"), ("top=33", "top"), ("step=1&fill=x", "fill"), ("by=y", "by")]
    {
        let reply = monitor.get(&format!("/api/0/hosts/db1/series?{CPU}&{wrong}")).await;
        assert_eq!(reply.status, 422, "{wrong}");
        assert!(reply.text().contains(field), "{}", reply.text());
    }
    let across = format!("/api/0/series?{CPU}&hosts=db1,web1&top=1&step=60&fill=zero");
    let found = running.browser("root").get(&across).await.json();
    assert_eq!((hosts(&found), &found["more"]), (vec!["web1"], &json!(1)));
    assert_eq!(found["items"][0]["series"]["at_unix_s"], json!(grid));
}

#[tokio::test]
async fn hosts_of_a_tag_come_with_the_highest_values_first() {
    let running = prepared().await;
    running.user("both", false, &[("db1", Role::Monitor), ("web1", Role::Monitor)]);
    let path = format!("/api/0/series?{CPU}&tag=site:fra");
    let found = running.browser("both").get(&path).await.json();
    assert_eq!(hosts(&found), ["web1", "db1"]);
    assert_eq!(found["more"], 0);
    let part = running.browser("monitor").get(&path).await.json();
    assert_eq!(hosts(&part), ["db1"]);
    let other = running.browser("root").get(&format!("/api/0/series?{CPU}&tag=site:ams")).await;
    assert_eq!(hosts(&other.json()), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_too_much_or_nothing_is_refused_by_its_field() {
    let running = prepared().await;
    let root = running.browser("root");
    let many = ["h"; 11].join(",");
    let names = ["a.b"; 17].join(",");
    for (query, field) in [
        (format!("{CPU}&hosts={many}"), "hosts"),
        (CPU.to_owned(), "hosts"),
        (format!("{CPU}&hosts=db1&tag=a"), "hosts"),
        (format!("names={names}&hosts=db1,web1"), "names"),
        (format!("names={names}&tag=a"), "names"),
        ("names=&hosts=db1".to_owned(), "names"),
    ] {
        let reply = root.get(&format!("/api/0/series?{query}")).await;
        assert_eq!(reply.status, 422, "{query}: {}", reply.text());
        assert_eq!(reply.json()["errors"][0]["field"], field, "{query}");
    }
}
