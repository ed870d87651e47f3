//! From `check_ping!100,20%!500,60%` to the words of a command line.

use std::collections::BTreeMap;

use super::objects::{Object, Objects};

/// Where Debian keeps the plugins: `$USER1$` where no resource file says otherwise.
const PLUGINS: &str = "/usr/lib/nagios/plugins";

/// Longest command line after all macros.
const MAX_LINE: usize = 16 * 1024;

/// Most rounds of macros in macros.
const MAX_ROUNDS: usize = 5;

/// The commands of a configuration.
#[derive(Debug)]
pub(super) struct Commands {
    lines: BTreeMap<String, String>,
    macros: BTreeMap<String, String>,
}

impl Commands {
    pub(super) fn new(objects: &Objects) -> Self {
        let mut macros = objects.macros.clone();
        macros.entry("USER1".to_owned()).or_insert_with(|| PLUGINS.to_owned());
        let lines = objects
            .of("command")
            .filter_map(|c| {
                Some((c.get("command_name")?.to_owned(), c.get("command_line")?.to_owned()))
            })
            .collect();
        Self { lines, macros }
    }

    /// Returns the words of the command that a host or service calls.
    ///
    /// # Errors
    /// Why it cannot be run without a shell, or what of it is not declared.
    pub(super) fn line(
        &self,
        call: &str,
        host: &Object,
        object: &Object,
    ) -> Result<Vec<String>, String> {
        let mut parts = split_call(call).into_iter();
        let name = parts.next().unwrap_or_default();
        let Some(line) = self.lines.get(name.trim()) else {
            return Err(format!("the command {name} is not declared"));
        };
        let mut macros = self.macros.clone();
        for (number, argument) in (1_u32..).zip(parts) {
            macros.insert(format!("ARG{number}"), argument);
        }
        about(host, "HOST", &mut macros);
        if object.kind == "service" {
            about(object, "SERVICE", &mut macros);
        }
        words(&filled(line, &macros)?)
    }
}

/// Takes a call apart at `!`; `\!` is a mark of its own.
fn split_call(call: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = call.chars().peekable();
    while let Some(c) = chars.next() {
        let is_escaped = c == '\\' && chars.peek() == Some(&'!');
        let put = if is_escaped { chars.next() } else { Some(c) };
        match (put, parts.last_mut()) {
            (Some('!'), _) if !is_escaped => parts.push(String::new()),
            (Some(c), Some(last)) => last.push(c),
            _ => {}
        }
    }
    parts
}

/// Adds the macros of a host or service.
fn about(object: &Object, prefix: &str, macros: &mut BTreeMap<String, String>) {
    let name = object.get("host_name").unwrap_or_default();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            macros.insert(format!("{prefix}{key}"), value.to_owned());
        }
    };
    if prefix == "HOST" {
        put("NAME", Some(name));
        put("ADDRESS", object.get("address").or(Some(name)));
        put("ALIAS", object.get("alias").or(Some(name)));
        put("DISPLAYNAME", object.get("display_name").or(Some(name)));
    } else {
        put("DESC", object.get("service_description"));
        put("DISPLAYNAME", object.get("display_name"));
    }
    for (key, value) in object.customs() {
        macros.insert(format!("_{prefix}{key}"), value.to_owned());
    }
}

/// Puts values for macros; arguments that were not given are empty, as in Nagios.
fn filled(line: &str, macros: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = line.to_owned();
    for _ in 0..MAX_ROUNDS {
        let mut out = String::new();
        let mut rest = text.as_str();
        let mut has_changed = false;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let Some((name, behind)) = after.split_once('$') else {
                return Err("a `$` has no other half".to_owned());
            };
            if name.is_empty() {
                // `$$` is one, put back at the end.
                out.push('\u{0}');
            } else if let Some(value) = macros.get(name) {
                out.push_str(value);
                has_changed = true;
            } else if !name.starts_with("ARG") {
                return Err(format!("the macro ${name}$ is known only while Nagios runs"));
            }
            rest = behind;
            if out.len() > MAX_LINE {
                return Err("the command line is too long".to_owned());
            }
        }
        out.push_str(rest);
        text = out;
        if !has_changed {
            break;
        }
    }
    Ok(text.replace('\u{0}', "$"))
}

/// Splits a command line into words as a shell would, and refuses what only a shell can do.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a quote has no other half".to_owned()),
                    }
                }
            }
            '"' => quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '|' | '&' | ';' | '<' | '>' | '`' | '(' | ')' => {
                return Err(format!("it needs a shell (`{c}`); put it into a script and run that"));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("the command line is empty".to_owned()) } else { Ok(words) }
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => return Err("a quote has no other half".to_owned()),
            },
            Some(c) => word.push(c),
            None => return Err("a quote has no other half".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_apart() {
        assert_eq!(split_call("check_x!a b!c\\!d!"), ["check_x", "a b", "c!d", ""]);
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words(r#"a "b c" 'd"e' f\ g """#).unwrap(), ["a", "b c", "d\"e", "f g", ""]);
        assert!(words("a | b").unwrap_err().contains("shell"));
        assert!(words("a 'b").is_err());
    }

    #[test]
    fn macros_are_filled_in_also_within_macros() {
        let macros = [("ARG1", "-H $HOSTADDRESS$"), ("HOSTADDRESS", "192.0.2.1")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        assert_eq!(filled("x $ARG1$ $ARG2$ $$5", &macros).unwrap(), "x -H 192.0.2.1  $5");
        assert!(filled("x $LASTSERVICESTATE$", &macros).unwrap_err().contains("while Nagios runs"));
        let endless = [("ARG1".to_owned(), "$ARG1$$ARG1$".to_owned())].into();
        drop(filled("$ARG1$", &endless));
    }
}
