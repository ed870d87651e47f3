//! What all lists can do alike.

use serde_json::{Value, json};

use crate::prepared::prepared;
use crate::server::{Caller, start};

async fn table(caller: &Caller, path: &str) -> (Vec<String>, String) {
    let reply = caller.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8", "{path}");
    let lines = reply.text().split("\r\n").map(str::to_owned).collect();
    (lines, reply.header("link").to_owned())
}

#[tokio::test]
async fn every_list_is_a_table_within_what_the_user_sees() {
    let running = prepared().await;
    let (root, monitor) = (running.browser("root"), running.browser("monitor"));
    for (path, head) in [
        (
            "/api/0/hosts?format=csv",
            "name,state,text,last_heard_at,interval_seconds,address,tags,id",
        ),
        (
            "/api/0/incidents?format=csv&view=all",
            "id,host,check,state,peak,status,text,since_at,resolved_at,ack.by,ack.comment,\
             silenced_until_at,cause,symptoms",
        ),
        ("/api/0/events?format=csv", "at_unix_s,kind,host,check,incident,state,text"),
    ] {
        let (all, _) = table(&root, path).await;
        assert_eq!(all[0], head, "{path}");
        assert!(all.iter().any(|line| line.contains("web1")), "{path}: {all:?}");
        let (seen, _) = table(&monitor, path).await;
        assert!(seen.iter().any(|line| line.contains("db1")), "{path}: {seen:?}");
        assert!(!seen.iter().any(|line| line.contains("web1")), "{path}: {seen:?}");
    }
    let audit = table(&root, "/api/0/audit?format=csv").await.0;
    assert_eq!(audit[0], "at,who,address,what,detail");
    assert!(audit[1].contains(",root,127.0.0.1,"), "{audit:?}");
    assert_eq!(monitor.get("/api/0/audit?format=csv").await.status, 403);
    let accepts = root.clone().with("accept", "text/csv");
    assert!(table(&accepts, "/api/0/silences").await.0[1].contains("work"));
    let series =
        "/api/0/hosts/db1/series?names=cpu_monitor.cpu_percent&from=1000&to=2000&format=csv";
    let (lines, _) = table(&root, series).await;
    assert!(lines[0].starts_with("at_unix_s,cpu_monitor.cpu_percent.min,"), "{lines:?}");
    assert!(lines.len() > 2, "{lines:?}");
}

#[tokio::test]
async fn an_export_goes_through_all_pages_and_names_the_rest() {
    let running = prepared().await;
    let root = running.browser("root");
    running.fake.stored().hosts = (0..2500).map(|n| format!("host{n:04}")).collect();
    let (all, link) = table(&root, "/api/0/hosts?format=csv").await;
    assert_eq!(
        (all.len(), link.as_str()),
        (2502, ""),
        "a head, the hosts, and the end of the last line"
    );
    assert!(all[2500].starts_with("host2499,"), "{}", all[2500]);
    let (some, link) = table(&root, "/api/0/hosts?format=csv&limit=1200").await;
    assert_eq!(some.len(), 1202);
    assert_eq!(link, "</api/0/hosts?limit=1200&format=csv&cursor=shost1199>; rel=\"next\"");
    let next = link.split(['<', '>']).nth(1).unwrap();
    assert!(table(&root, next).await.0[1].starts_with("host1200,"));
}

#[tokio::test]
async fn a_long_list_that_is_an_array_is_cut_where_it_is_made() {
    let running = prepared().await;
    let root = running.browser("root");
    running.fake.stored().hosts = (0..2500).map(|n| format!("host{n:04}")).collect();
    let all = root.get("/api/0/agents").await;
    assert_eq!((all.json().as_array().unwrap().len(), all.header("link")), (2500, ""));
    let page = root.get("/api/0/agents?limit=2").await;
    assert_eq!(page.json()[1]["host"], "host0001");
    let link = page.header("link").to_owned();
    assert_eq!(link, "</api/0/agents?limit=2&cursor=shost0001>; rel=\"next\"");
    let next = root.get(link.split(['<', '>']).nth(1).unwrap()).await.json();
    assert_eq!((&next[0]["host"], next.as_array().unwrap().len()), (&json!("host0002"), 2));
    let (table, link) = table(&root, "/api/0/agents?format=csv").await;
    assert_eq!((table.len(), link.as_str()), (2502, ""), "pages of a thousand, none twice");
    assert!(table[2500].starts_with("host2499,enrolled,"), "{}", table[2500]);
}

#[tokio::test]
async fn short_lists_are_searched_ordered_and_read_page_by_page_too() {
    let running = prepared().await;
    let root = running.browser("root");
    let names = |list: &Value| -> Vec<String> {
        let users = list.as_array().unwrap().iter();
        users.map(|user| user["name"].as_str().unwrap().to_owned()).collect()
    };
    let page = |path: &str| {
        let (root, path) = (root.clone(), path.to_owned());
        async move { root.get(&path).await }
    };
    let all = page("/api/0/users?sort=-name").await;
    assert_eq!(names(&all.json()), ["stranger", "root", "robot", "owner", "monitor", "manager"]);
    let first = page("/api/0/users?sort=name&limit=2").await;
    assert_eq!(names(&first.json()), ["manager", "monitor"]);
    let link = first.header("link").to_owned();
    assert_eq!(link, "</api/0/users?sort=name&limit=2&cursor=n2>; rel=\"next\"");
    let second = page(link.split(['<', '>']).nth(1).unwrap()).await;
    assert_eq!(names(&second.json()), ["owner", "robot"]);
    assert_eq!(names(&page("/api/0/users?q=MON").await.json()), ["monitor"]);
    for (path, field) in [
        ("/api/0/users?sort=colour", "sort"),
        ("/api/0/users?cursor=x&limit=1", "cursor"),
        ("/api/0/users?limit=-1", "limit"),
        ("/api/0/users?format=pdf", "format"),
        ("/api/0/hosts/db1?format=csv", "format"),
    ] {
        let reply = page(path).await;
        assert_eq!((reply.status, reply.problem()), (422, "wrong-fields".to_owned()), "{path}");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{path}");
    }
}

#[tokio::test]
async fn the_document_says_which_lists_can_be_tables_and_their_columns_exist() {
    let document = start().await.nobody().get("/api/0/openapi.json").await.json();
    let (mut lists, mut ids) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            let content = &operation["responses"]["200"]["content"];
            if content.get("text/csv; charset=utf-8").is_some() {
                lists += 1;
                let parameters = operation["parameters"].as_array().unwrap();
                let has = |name: &str| parameters.iter().any(|one| one["name"] == name);
                let is_list = !path.ends_with("/series");
                assert_eq!(
                    (has("format"), has("cursor"), has("limit")),
                    (true, is_list, is_list),
                    "{path}"
                );
                assert_eq!(method, "get");
            }
        }
    }
    assert!(lists > 15, "{lists}");
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "two operations have one name");
    let running = prepared().await;
    running.fake.stored().audit.truncate(1);
    let root = running.browser("root");
    for path in
        ["hosts", "incidents", "events", "happened", "deliveries", "audit", "config/objects"]
    {
        let item = root.get(&format!("/api/0/{path}")).await.json()["items"][0].clone();
        let reply = root.get(&format!("/api/0/{path}?format=csv")).await.text();
        for column in reply.lines().next().unwrap().split(',') {
            let (field, _) = column.split_once('.').unwrap_or((column, ""));
            assert!(item.get(field).is_some(), "{path} has no field {field}: {item}");
        }
    }
}

/// What every list has.
const OF_LISTS: [&str; 5] = ["q", "sort", "cursor", "limit", "format"];

/// Answers that hold a list and are none, with what they are.
const NO_LISTS: &[(&str, &str)] = &[
    ("/api/0/config/schema", "a description of sections, of which one can be asked for"),
    ("/api/0/routes/test", "an answer to a question: who would be told, step by step"),
    ("/api/0/hosts/{host}/metrics", "one host's series, all of which a chart chooses from"),
    ("/api/0/series", "values of several hosts at the same times, by columns"),
    ("/api/0/hosts/{host}/lanes", "states of one host over a time, as a picture needs them"),
    ("/api/0/alerts", "a path of an older API, whose answer has this shape and no parameters"),
    ("/api/0/hosts/{host}/alerts", "a path of an older API"),
    ("/api/0/auth/providers", "buttons of the sign-in, in the order of the configuration"),
];

/// Returns the schema that `schema` stands for.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Whether an answer is a list, or one in an envelope: a page, or an object whose only field is one.
fn holds_a_list(document: &Value, schema: &Value) -> bool {
    let schema = resolved(document, schema);
    let is_array = |schema: &Value| resolved(document, schema)["type"] == "array";
    let fields = schema["properties"].as_object();
    let has_items = fields.is_some_and(|all| all.get("items").is_some_and(is_array));
    let is_all_of_it = fields.is_some_and(|all| all.len() == 1 && all.values().all(is_array));
    is_array(schema) || has_items || is_all_of_it
}

#[tokio::test]
async fn every_list_of_the_document_is_filtered_ordered_and_paged_alike() {
    let running = prepared().await;
    let root = running.browser("root");
    let document = root.get("/api/0/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let get = &item["get"];
        let schema = &get["responses"]["200"]["content"]["application/json"]["schema"];
        if schema.is_null() || !holds_a_list(&document, schema) {
            continue;
        }
        found.push(path.as_str());
        if NO_LISTS.iter().any(|(other, _)| other == path) {
            continue;
        }
        let parameters: Vec<&str> = get["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["in"] == "query")
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        let lacks: Vec<&str> =
            OF_LISTS.into_iter().filter(|name| !parameters.contains(name)).collect();
        assert_eq!(lacks, [""; 0], "{path}");
        keeps_to_them(&root, path, &parameters).await;
    }
    // An exception that is none any more goes.
    let excepted = NO_LISTS.iter().map(|(path, _)| *path);
    let gone: Vec<&str> = excepted.filter(|path| !found.contains(path)).collect();
    assert_eq!(gone, [""; 0], "these are no lists any more");
    assert!(found.len() > 25, "{found:?}");
}

/// Asks the list at `path` for what its parameters say.
async fn keeps_to_them(root: &Caller, path: &str, parameters: &[&str]) {
    let example = [
        ("{host}", "db1"),
        ("{page}", "open"),
        ("{name}", "robot"),
        ("{metric}", "hark_cpu_percent"),
    ];
    let path = example.iter().fold(path.to_owned(), |path, (from, to)| path.replace(from, to));
    assert!(!path.contains('{'), "{path}");
    let items = |reply: &Value| reply.get("items").unwrap_or(reply).as_array().unwrap().len();
    let all = root.get(&path).await;
    assert_eq!(all.status, 200, "{path}: {}", all.text());
    let one = root.get(&format!("{path}?limit=1")).await;
    assert_eq!(one.status, 200, "{path}: {}", one.text());
    if parameters.contains(&"sort") {
        let reply = root.get(&format!("{path}?sort=no-such-order")).await;
        // An empty list has no field that could be missing.
        let is_refused = reply.status == 422 && reply.json()["errors"][0]["field"] == "sort";
        assert!(is_refused || items(&all.json()) == 0, "{path}: {}", reply.text());
    }
    let none = root.get(&format!("{path}?q=no-item-says-this")).await;
    assert_eq!(none.status, 200, "{path}: {}", none.text());
    let csv = root.get(&format!("{path}?format=csv&limit=1")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8", "{path}");
}

#[tokio::test]
async fn short_lists_that_are_pages_are_cut_as_pages() {
    let running = prepared().await;
    let root = running.browser("root");
    let make = |title: &str| {
        json!({"title": title, "description": "", "range": "6h",
        "shared": {"everyone": false, "users": [], "teams": []},
        "variables": {"host": null, "tag": null}, "panels": []})
    };
    for title in ["Waves", "antennas", "Moorings"] {
        let made = root.post("/api/0/dashboards", make(title)).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let titles = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|one| one["title"].as_str().unwrap().to_owned()).collect()
    };
    let all = root.get("/api/0/dashboards?sort=-title&q=o").await.json();
    assert!(all["next"].is_null(), "{all}");
    assert!(titles(&all).contains(&"Moorings".to_owned()), "{all}");
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = root.get(&format!("/api/0/dashboards?sort=title&limit=2{cursor}")).await.json();
        assert!(titles(&page).len() <= 2, "{page}");
        walked.extend(titles(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let place = |title: &str| walked.iter().position(|other| other == title).unwrap();
    assert!(place("antennas") < place("Moorings") && place("Moorings") < place("Waves"));
    let reply = root.get("/api/0/dashboards?sort=colour").await;
    assert_eq!((reply.status, reply.problem()), (422, "wrong-fields".to_owned()));
    let (lines, _) = table(&root, "/api/0/dashboards?sort=title&format=csv").await;
    assert!(lines.iter().any(|line| line.contains("Moorings")), "{lines:?}");
}

#[tokio::test]
async fn the_api_is_a_page_for_people_that_its_policy_allows() {
    let nobody = start().await;
    let nobody = nobody.nobody();
    let page = nobody.get("/api/0/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let text = page.text();
    let document = nobody.get("/api/0/openapi.json").await.json();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path} is missing");
    }
    for forbidden in ["<script", "style=", "onclick", "src=\"http", "href=\"http"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let style = nobody.get("/api/0/docs.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    // Every link within the page leads somewhere.
    for link in text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(text.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
    }
    assert_eq!(json!(document["info"]["title"]), "hark");
}
