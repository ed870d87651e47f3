//! Where secrets stand in a value, by the tables of keys: to take them out, and to put them back.

use serde_json::Value as Json;

use crate::key::Kind;

/// Shows `visit` every place in `value`, which is of this kind, where a secret may stand, with the keys
/// that lead there. Always in the same order for values of the same form.
pub fn each_secret(kind: &Kind, value: &mut Json, visit: &mut dyn FnMut(&[String], &mut Json)) {
    walk(kind, value, &mut Vec::new(), visit);
}

fn walk(
    kind: &Kind,
    value: &mut Json,
    way: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &mut Json),
) {
    match kind {
        Kind::Secret => visit(way, value),
        Kind::List(inner) | Kind::OneOrMany(inner) => {
            if let Json::Array(items) = value {
                for (item, n) in items.iter_mut().zip(0_usize..) {
                    below(inner, item, n.to_string(), way, visit);
                }
            } else {
                walk(inner, value, way, visit);
            }
        }
        Kind::Section(keys) => {
            for key in *keys {
                if let Some(value) = value.get_mut(key.name) {
                    below(&key.kind, value, key.name.to_owned(), way, visit);
                }
            }
        }
        Kind::Named(inner) => {
            for (name, value) in value.as_object_mut().into_iter().flatten() {
                below(inner, value, name.clone(), way, visit);
            }
        }
        Kind::Either(kinds) => kinds.iter().for_each(|kind| walk(kind, value, way, visit)),
        Kind::Text
        | Kind::Bool
        | Kind::Integer
        | Kind::Number
        | Kind::Duration
        | Kind::Size
        | Kind::OneOf(_)
        | Kind::Any => {}
    }
}

fn below(
    kind: &Kind,
    value: &mut Json,
    name: String,
    way: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &mut Json),
) {
    way.push(name);
    walk(kind, value, way, visit);
    way.pop();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Key;

    const HOOK: &[Key] = &[
        Key::new("url", Kind::Secret, "Where."),
        Key::new("to", Kind::OneOrMany(&Kind::Secret), "Who."),
        Key::new("headers", Kind::Named(&Kind::Secret), "More."),
        Key::new("note", Kind::Text, "No secret."),
    ];
    const RECEIVER: Kind = Kind::Section(&[Key::new("hook", Kind::Section(HOOK), "A hook.")]);

    #[test]
    fn every_place_of_a_secret_is_shown_with_its_way_and_nothing_else() {
        let mut value = json!({"hook": {
            "url": "a", "to": ["b", {"file": "f"}], "headers": {"x": "c"}, "note": "d",
        }, "else": "e"});
        let mut seen = Vec::new();
        each_secret(&RECEIVER, &mut value, &mut |way, secret| {
            seen.push((way.join("."), secret.take()));
        });
        let expected = [
            ("hook.url", json!("a")),
            ("hook.to.0", json!("b")),
            ("hook.to.1", json!({"file": "f"})),
            ("hook.headers.x", json!("c")),
        ];
        assert_eq!(seen, expected.map(|(way, secret)| (way.to_owned(), secret)));
        assert_eq!(value["hook"]["note"], "d");
        let mut one = json!({"hook": {"to": "b"}});
        each_secret(&RECEIVER, &mut one, &mut |_, secret| *secret = json!(1));
        assert_eq!(one, json!({"hook": {"to": 1}}));
    }

    #[test]
    fn a_value_of_another_form_has_none() {
        for mut value in [json!(null), json!("x"), json!([1]), json!({"hook": ["y"]})] {
            each_secret(&RECEIVER, &mut value, &mut |way, _| panic!("a secret at {way:?}"));
        }
    }
}
