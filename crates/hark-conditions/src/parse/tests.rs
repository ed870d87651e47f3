use proptest::prelude::*;

use super::*;

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, wrong, message) in [
        ("", "", "a condition is expected here"),
        ("status", "", "what is asked is expected here"),
        ("status ist 200", "ist", "what is asked is expected here"),
        ("status is", "", "a value is expected here"),
        ("status is 200 and", "", "a condition is expected here"),
        ("status is 200 total < 2s", "total", "`and` or `or` is expected here"),
        ("(status is 200", "", "`)` is expected here"),
        ("status is 200)", ")", "`and` or `or` is expected here"),
        ("total < fast", "fast", "a number is expected here"),
        ("total < 2 parsecs", "parsecs", "`and` or `or` is expected here"),
        ("total < 2parsecs", "2parsecs", "a number is expected here"),
        ("banner contains \"ready", "\"ready", "the closing \" is missing"),
        ("banner matches ready", "ready", "a regular expression is expected here"),
        ("banner matches /ready", "/ready", "the closing / is missing"),
        ("banner matches /(/", "/(/", "unclosed group"),
        ("banner matches /a/x", "/a/x", "only `i` may follow"),
        ("banner begins 220", "220", "`with` is expected here"),
        ("banner does contain x", "contain", "`not` is expected here"),
        ("status is between 200 or 300", "or", "`and` is expected here"),
        ("answers has 1.5", "1.5", "a whole number is expected here"),
        ("! status is 200", "!", "write `not`"),
        ("200 is status", "200", "the name of a value is expected here"),
        ("any of (status is 200, )", ")", "the name of a value is expected here"),
    ] {
        let error = Condition::parse(text).unwrap_err();
        assert!(error.message.contains(message.trim_end_matches(" here")), "{text}: {error}");
        assert_eq!(text.get(error.at.clone()), Some(wrong), "{text}: {error}");
    }
}

#[test]
fn a_condition_has_bounds() {
    let long = format!("a is 1 and {}", "b is 2 and ".repeat(300));
    assert!(Condition::parse(&long).unwrap_err().message.contains("at most 2000"));
    let deep = format!("{}a is 1{}", "(".repeat(50), ")".repeat(50));
    assert!(Condition::parse(&deep).unwrap_err().message.contains("nested too deep"));
    let negations = format!("{}a is 1", "not ".repeat(50));
    assert!(Condition::parse(&negations).unwrap_err().message.contains("nested too deep"));
    let values = format!("a is one of 1{}", ", 1".repeat(150));
    assert!(Condition::parse(&values).unwrap_err().message.contains("at most 100"));
    let regex = "a matches /(((x{99}){99}){99}){99}/";
    assert!(Condition::parse(regex).unwrap_err().message.contains("size limit"));
}

#[test]
fn names_are_known_and_may_be_left_out_about_one_value() {
    let condition =
        Condition::parse("a is 1 and (header.content-type is x or not b[0].c > 2)").unwrap();
    assert_eq!(
        condition.names().into_iter().collect::<Vec<_>>(),
        ["a", "b[0].c", "header.content-type"]
    );
    let bare = Condition::about("percent", "> 80 and is below 90 or other is 1").unwrap();
    assert_eq!(bare.names().into_iter().collect::<Vec<_>>(), ["other", "percent"]);
    assert!(Condition::parse("> 80").unwrap_err().message.contains("name of a value"));
}

#[test]
fn a_single_comparison_is_a_limit() {
    for (text, limit) in [
        ("> 80", Some((Order::Greater, 80.0))),
        ("is above 80%", Some((Order::Greater, 80.0))),
        ("at least 80", Some((Order::GreaterEqual, 80.0))),
        ("is not above 80", Some((Order::LessEqual, 80.0))),
        ("days_left < 14d", Some((Order::Less, 14.0))),
        ("is 1", Some((Order::Equal, 1.0))),
        ("!= 1", Some((Order::NotEqual, 1.0))),
        ("is 1 or 2", None),
        ("> 80 and < 90", None),
        ("contains 5", None),
    ] {
        assert_eq!(Condition::about("percent", text).unwrap().limit(), limit, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail_or_hang(text in "[a-c ,()<>=!\"'/\\\\0-9.%iostn]{0,60}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(error.at.start <= error.at.end && error.at.end <= text.len());
            prop_assert!(text.is_char_boundary(error.at.start) && text.is_char_boundary(error.at.end));
        }
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "\\PC{0,60}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(text.get(error.at).is_some());
        }
    }
}
