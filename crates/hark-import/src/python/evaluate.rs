//! Statements to values: what would stand in the variables, as far as that can be known without running.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every form that is not named is one that cannot be known, a new one too"
)]

use std::collections::BTreeMap;

use super::parse::{Argument, Expr, Line, Piece, Statement};
use super::value::{MAX_LENGTH, Value, item, operate, range, shown};

/// A call that was met.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) line: u32,
    /// Name of what is called, with its dots.
    pub(crate) name: String,
    pub(crate) plain: Vec<Value>,
    pub(crate) named: Vec<(String, Value)>,
}

impl Call {
    /// Returns the argument that stands at this place or has this name.
    pub(crate) fn argument(&self, place: usize, name: &str) -> Option<&Value> {
        self.plain.get(place).or_else(|| self.named(name))
    }

    /// Returns the argument that has this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Value> {
        self.named.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What a program did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Calls that stand alone, in the order in which they would be made.
    pub(crate) calls: Vec<Call>,
    /// Attributes of names from elsewhere that were set: `config.base_tick`.
    pub(crate) settings: BTreeMap<String, (u32, Value)>,
    /// What was left out: line and reason.
    pub(crate) notes: Vec<(u32, String)>,
}

/// Most steps: a loop in a loop over all hosts of a large site needs some thousands.
const MAX_STEPS: usize = 200_000;

/// Says what the program would do.
pub(crate) fn evaluate(lines: &[Line]) -> Outcome {
    let mut machine = Machine { variables: BTreeMap::new(), out: Outcome::default(), n_steps: 0 };
    machine.block(lines);
    machine.out
}

struct Machine {
    variables: BTreeMap<String, Value>,
    out: Outcome,
    n_steps: usize,
}

impl Machine {
    fn block(&mut self, lines: &[Line]) {
        for line in lines {
            self.n_steps += 1;
            if self.n_steps > MAX_STEPS {
                if self.n_steps == MAX_STEPS + 1 {
                    self.note(line.line, "the rest is left out: loops go on for too long");
                }
                return;
            }
            self.line(line);
        }
    }

    fn note(&mut self, line: u32, text: impl Into<String>) {
        self.out.notes.push((line, text.into()));
    }

    fn line(&mut self, line: &Line) {
        match &line.statement {
            Statement::Assign { targets, value, adds } => {
                let value = self.value(value);
                for target in targets {
                    self.assign(line.line, target, value.clone(), *adds);
                }
            }
            Statement::Alone(Expr::Call { line, of, arguments }) => {
                self.call_alone(*line, of, arguments);
            }
            // A text alone is a remark.
            Statement::Import | Statement::Alone(Expr::Text(_) | Expr::Name(_)) => {}
            Statement::Alone(_) => self.note(line.line, "left out: nothing follows from it"),
            Statement::For { target, over, body } => self.repeat(line.line, target, over, body),
            Statement::Skipped { word, name } => {
                let text = match name {
                    Some(name) => format!("left out: `{word} {name}` and its block"),
                    None => format!("left out: `{word}` and what belongs to it"),
                };
                self.note(line.line, text);
            }
        }
    }

    fn repeat(&mut self, line: u32, target: &Expr, over: &Expr, body: &[Line]) {
        match self.items(over) {
            Ok(items) => {
                for item in items {
                    self.assign(line, target, item, false);
                    self.block(body);
                }
            }
            Err(why) => self.note(line, format!("left out: a loop over what is not known ({why})")),
        }
    }

    /// Returns the elements of a list, or the keys of a mapping.
    fn items(&mut self, over: &Expr) -> Result<Vec<Value>, String> {
        // `d.items()`, `d.keys()`, `d.values()`, `range(n)`, `enumerate(l)`, `sorted(l)`.
        if let Expr::Call { of, arguments, .. } = over {
            if let Expr::Attribute(inner, name) = &**of
                && let Value::Dict(entries) = self.value(inner)
            {
                return match name.as_str() {
                    "items" => {
                        Ok(entries.into_iter().map(|(k, v)| Value::List(vec![k, v])).collect())
                    }
                    "keys" => Ok(entries.into_iter().map(|(k, _)| k).collect()),
                    "values" => Ok(entries.into_iter().map(|(_, v)| v).collect()),
                    _ => Err(format!("`.{name}()`")),
                };
            }
            if let (Expr::Name(name), [Argument::Plain(only)]) = (&**of, arguments.as_slice()) {
                match name.as_str() {
                    "range" => return range(&self.value(only)),
                    "list" | "tuple" | "set" | "sorted" => return self.items(only),
                    "enumerate" => {
                        let items = self.items(only)?.into_iter().enumerate();
                        #[expect(clippy::cast_precision_loss, reason = "lists are bounded")]
                        let pair = |(n, v)| Value::List(vec![Value::Number(n as f64), v]);
                        return Ok(items.map(pair).collect());
                    }
                    _ => {}
                }
            }
        }
        match self.value(over) {
            Value::List(items) => Ok(items),
            Value::Dict(entries) => Ok(entries.into_iter().map(|(key, _)| key).collect()),
            Value::Text(text) => Ok(text.chars().map(|c| Value::Text(c.to_string())).collect()),
            Value::Unknown(why) => Err(why),
            Value::Name(name) => Err(format!("`{name}`")),
            Value::None | Value::Bool(_) | Value::Number(_) | Value::Made(_) => {
                Err("it is no list".to_owned())
            }
        }
    }

    fn assign(&mut self, line: u32, target: &Expr, value: Value, adds: bool) {
        match target {
            Expr::Name(name) => {
                let value = match self.variables.remove(name) {
                    Some(old) if adds => operate(old, "+", value),
                    _ => value,
                };
                self.variables.insert(name.clone(), value);
            }
            Expr::List(targets) => match value {
                Value::List(values) if values.len() == targets.len() => {
                    for (target, value) in targets.iter().zip(values) {
                        self.assign(line, target, value, false);
                    }
                }
                _ => self.note(line, "left out: several names are set to what is not known"),
            },
            Expr::Attribute(..) => self.set_attribute(line, target, value, adds),
            Expr::Item(of, index) => {
                let index = self.value(index);
                if let Expr::Name(name) = &**of
                    && let Some(Value::Dict(entries)) = self.variables.get_mut(name)
                {
                    entries.retain(|(key, _)| *key != index);
                    entries.push((index, value));
                } else {
                    self.note(line, "left out: an element is set of what is not known");
                }
            }
            _ => self.note(line, "left out: it is not clear what is set"),
        }
    }

    fn set_attribute(&mut self, line: u32, target: &Expr, value: Value, adds: bool) {
        let Some(name) = self.path(target) else {
            self.note(line, "left out: an attribute is set of what is not known");
            return;
        };
        let value = match self.out.settings.remove(&name) {
            Some((_, old)) if adds => operate(old, "+", value),
            _ => value,
        };
        self.out.settings.insert(name, (line, value));
    }

    /// Returns the dotted name that an expression is, whatever was set there before.
    fn path(&self, expr: &Expr) -> Option<String> {
        if let Expr::Attribute(of, name) = expr {
            return Some(format!("{}.{name}", self.path(of)?));
        }
        let Expr::Name(name) = expr else { return None };
        match self.variables.get(name) {
            None => Some(name.clone()),
            Some(Value::Name(meant)) => Some(meant.clone()),
            Some(_) => None,
        }
    }

    fn call_alone(&mut self, line: u32, of: &Expr, arguments: &[Argument]) {
        // Lists and mappings that are added to.
        if let (Expr::Attribute(inner, method), [Argument::Plain(only)]) = (of, arguments)
            && let Expr::Name(name) = &**inner
            && let Some(Value::List(_)) = self.variables.get(name)
            && matches!(&**method, "append" | "extend")
        {
            let added = self.value(only);
            let added = if method == "append" { Value::List(vec![added]) } else { added };
            let old = self.variables.remove(name).unwrap_or(Value::List(Vec::new()));
            self.variables.insert(name.clone(), operate(old, "+", added));
            return;
        }
        match self.call(line, of, arguments) {
            Value::Made(call) => self.out.calls.push(*call),
            Value::Unknown(why) => self.note(line, format!("left out: {why}")),
            _ => {}
        }
    }

    fn call(&mut self, line: u32, of: &Expr, arguments: &[Argument]) -> Value {
        let mut call = Call { line, name: String::new(), plain: Vec::new(), named: Vec::new() };
        call.name = match self.value(of) {
            Value::Name(name) => name,
            Value::Unknown(why) => return Value::Unknown(why),
            Value::Text(_) => return Value::Unknown("a function of a text".to_owned()),
            _ => return Value::Unknown("it is not known what is called".to_owned()),
        };
        for argument in arguments {
            match argument {
                Argument::Plain(value) => {
                    let value = self.value(value);
                    call.plain.push(value);
                }
                Argument::Named(name, value) => {
                    let value = self.value(value);
                    call.named.push((name.clone(), value));
                }
                Argument::Spread(list) => match self.items(list) {
                    Ok(items) => call.plain.extend(items),
                    Err(why) => return Value::Unknown(why),
                },
                Argument::SpreadNamed(dict) => match self.value(dict) {
                    Value::Dict(entries) => call.named.extend(entries.into_iter().filter_map(
                        |(key, value)| match key {
                            Value::Text(key) => Some((key, value)),
                            _ => None,
                        },
                    )),
                    _ => return Value::Unknown("`**` of what is not known".to_owned()),
                },
            }
        }
        builtin(&call).unwrap_or_else(|| Value::Made(Box::new(call)))
    }

    fn value(&mut self, expr: &Expr) -> Value {
        self.n_steps += 1;
        if self.n_steps > MAX_STEPS {
            return Value::Unknown("loops go on for too long".to_owned());
        }
        match expr {
            Expr::None => Value::None,
            Expr::Bool(flag) => Value::Bool(*flag),
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Format(pieces) => self.format(pieces),
            Expr::List(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            Expr::Dict(entries) => Value::Dict(
                entries.iter().map(|(key, value)| (self.value(key), self.value(value))).collect(),
            ),
            Expr::Name(name) => {
                self.variables.get(name).cloned().unwrap_or_else(|| Value::Name(name.clone()))
            }
            Expr::Attribute(of, name) => match self.value(of) {
                Value::Name(of) => {
                    let name = format!("{of}.{name}");
                    match self.out.settings.get(&name) {
                        Some((_, value)) => value.clone(),
                        None => Value::Name(name),
                    }
                }
                Value::Made(call) => call
                    .named(name)
                    .cloned()
                    .unwrap_or(Value::Unknown(format!("`.{name}` of a {}", call.name))),
                Value::Unknown(why) => Value::Unknown(why),
                _ => Value::Unknown(format!("`.{name}`")),
            },
            Expr::Item(of, index) => {
                let index = self.value(index);
                item(self.value(of), &index)
            }
            Expr::Call { line, of, arguments } => self.call(*line, of, arguments),
            Expr::Operation(left, sign, right) => {
                let left = self.value(left);
                operate(left, sign, self.value(right))
            }
            Expr::Negative(of) => match self.value(of) {
                Value::Number(number) => Value::Number(-number),
                _ => Value::Unknown("a minus before what is no number".to_owned()),
            },
            Expr::Comprehension { each, target, over } => match self.items(over) {
                Ok(items) => Value::List(
                    items
                        .into_iter()
                        .map(|item| {
                            self.assign(0, target, item, false);
                            self.value(each)
                        })
                        .collect(),
                ),
                Err(why) => Value::Unknown(why),
            },
            Expr::Unknown(what) => Value::Unknown((*what).to_owned()),
        }
    }

    fn format(&mut self, pieces: &[Piece]) -> Value {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(value) => match shown(&self.value(value)) {
                    Some(value) => text.push_str(&value),
                    None => {
                        return Value::Unknown("a text with what is not known in it".to_owned());
                    }
                },
            }
            if text.len() > MAX_LENGTH {
                return Value::Unknown("a text is too long".to_owned());
            }
        }
        Value::Text(text)
    }
}

/// Functions of the language that make values of values.
fn builtin(call: &Call) -> Option<Value> {
    let [only] = call.plain.as_slice() else { return None };
    match (call.name.as_str(), only) {
        ("str", value) => shown(value).map(Value::Text),
        ("int", Value::Number(number)) => Some(Value::Number(number.trunc())),
        ("int" | "float", Value::Text(text)) => text.trim().parse().ok().map(Value::Number),
        ("float", Value::Number(number)) => Some(Value::Number(*number)),
        ("list" | "tuple" | "set" | "sorted", Value::List(items)) => {
            Some(Value::List(items.clone()))
        }
        ("range", number) => range(number).ok().map(Value::List),
        #[expect(clippy::cast_precision_loss, reason = "lists are bounded")]
        ("len", Value::List(items)) => Some(Value::Number(items.len() as f64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn run(text: &str) -> Outcome {
        evaluate(&parse(text).unwrap())
    }

    fn setting(text: &str) -> Value {
        run(text).settings.remove("x.y").unwrap().1
    }

    #[test]
    fn values_are_worked_out() {
        for (text, value) in [
            ("x.y = 86400 / 60 * 2", Value::Number(2880.0)),
            ("a = 7 // 2\nx.y = a % 2", Value::Number(1.0)),
            ("n = 'w'\nx.y = n + '%d.%s' % (3, 'net')", Value::Text("w3.net".to_owned())),
            ("n = 4\nx.y = f'h{n}{{}}' 'z'", Value::Text("h4{}z".to_owned())),
            ("d = {'a': [1, 2]}\nx.y = d['a'][-1]", Value::Number(2.0)),
            ("x.y = -2 ** 2", Value::Number(-4.0)),
            ("a, b = 1, 2\nx.y = b", Value::Number(2.0)),
            ("x.y = 1\nx.y += 2", Value::Number(3.0)),
            ("x.y = int('5')", Value::Number(5.0)),
        ] {
            assert_eq!(setting(text), value, "{text}");
        }
    }

    #[test]
    fn loops_make_their_calls() {
        let out = run("hosts = []\nfor n in range(2):\n  hosts.append(Host('192.0.2.%d' % n))\n\
            for h in hosts:\n  checks.add(Ping, h, retry=2)\n");
        assert_eq!(out.calls.len(), 2);
        let Value::Made(host) = &out.calls[1].plain[1] else { panic!("no host") };
        assert_eq!(host.plain, [Value::Text("192.0.2.1".to_owned())]);
        assert_eq!(out.calls[0].named("retry"), Some(&Value::Number(2.0)));
        assert!(out.notes.is_empty(), "{:?}", out.notes);
    }

    #[test]
    fn lists_can_be_made_of_lists() {
        let value = setting("x.y = [n + 'z' for n in ['a', 'b']]");
        assert_eq!(
            value,
            Value::List(vec![Value::Text("az".to_owned()), Value::Text("bz".to_owned())])
        );
    }

    #[test]
    fn what_cannot_be_known_is_told() {
        let out =
            run("import os\nif os.environ:\n  a = 1\nfor b in c():\n  d(b)\nclass E(F):\n  pass\n");
        let notes: Vec<_> = out.notes.iter().map(|(line, text)| format!("{line} {text}")).collect();
        assert_eq!(
            notes,
            [
                "2 left out: `if` and what belongs to it",
                "4 left out: a loop over what is not known (it is no list)",
                "6 left out: `class E` and its block",
            ]
        );
    }

    #[test]
    fn endless_work_ends() {
        let out = run("for a in range(10000):\n  for b in range(10000):\n    c.d(a)\n");
        assert!(out.notes.iter().any(|(_, text)| text.contains("too long")));
        let doubling = "a = 'x'\n".to_owned() + &"a = a + a\n".repeat(60);
        assert!(run(&doubling).calls.is_empty());
    }
}
