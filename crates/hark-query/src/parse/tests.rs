use super::*;

fn error(text: &str) -> String {
    match parse(text) {
        Ok(root) => panic!("{text} is read as {root:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("", "parse error: no expression found in input"),
        ("up{", "parse error: "),
        ("rate(up)", "expected type matrix in call to function 'rate', got vector"),
        ("sum(up[5m])", "expected type vector in aggregation expression, got matrix"),
        ("foo(up)", "foo"),
        ("histogram_count(up)", "the function `histogram_count` is not supported"),
        ("limitk(1, up)", "the aggregation `limitk` is not supported"),
        ("count_values(\"1a\", up)", "invalid label name"),
        ("label_replace(up, \"a\", \"\", \"b\", \"(\")", "invalid regular expression"),
        ("up{a=~\"(\"}", "illegal regex"),
        ("{a=\"b\" or c=\"d\"}", "use `or` between selectors"),
        ("{a=~\".*\"}", "at least one non-empty matcher"),
        ("up offset 2000000y", "out of range"),
        ("1 == 1", "must use BOOL"),
        ("up + on (a) fill (0) up", "`fill` is not supported"),
    ] {
        let found = error(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn what_is_deep_or_long_is_refused_before_it_is_read() {
    for text in [
        format!("{}1{}", "(".repeat(50_000), ")".repeat(50_000 - 40_000)),
        format!("{}1", "-".repeat(60_000)),
        vec!["a"; 10_000].join("+"),
        vec!["a"; 5000].join(" and "),
        vec!["a"; 5000].join("\nOR\n"),
        vec!["a"; 102].join("+"),
        "a".repeat(MAX_TEXT + 1),
        "[".repeat(MAX_TEXT),
        "sum(".repeat(5000),
    ] {
        let found = error(&text);
        assert!(found.contains("nested more than") || found.contains("longer than"), "{found}");
    }
    // What stands in a text is no operator, and what is chosen in a dashboard is long.
    let hosts = (0..2000).map(|n| format!("web-{n}.example")).collect::<Vec<_>>().join("|");
    for text in [
        format!("up{{instance=~\"{hosts}\"}} # ((((+-+-"),
        format!("label_replace(up, 'a', '{}', 'b', `{}`)", "-(".repeat(600), "\\\\(+".repeat(0)),
        "up".to_owned(),
    ] {
        parse(&text).unwrap_or_else(|e| panic!("{text:.60}: {e}"));
    }
}

#[test]
fn a_list_of_series_is_asked_by_a_selector() {
    assert_eq!(parse_selector("up{job=\"a\"}").unwrap().len(), 2);
    assert_eq!(parse_selector("{__name__=~\"up|x\"}").unwrap().len(), 1);
    for wrong in ["up[5m]", "up offset 5m", "1", "sum(up)", "up @ 3"] {
        assert!(parse_selector(wrong).is_err(), "{wrong}");
    }
}
