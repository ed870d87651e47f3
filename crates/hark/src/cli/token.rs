//! `hark token`: what programs ask the API with.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_api::tokens::Scope;
use hark_net::encoded;
use serde_json::{Value, json};

use super::ack::parse_duration;
use super::client::{ApiArgs, Client};
use super::status::{age_text, seconds_of, text};
use super::watch::{self, Watch};
use crate::out;

/// Show, make and revoke the API tokens of programs and users.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark users add ci --service\n  hark token add deploy --user ci \
    --scope events:send --valid 90d\n  hark token --user ci\n  hark token revoke 2f1c9a0b4d5e6f70 --user ci"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Make a token and print it, which is the only time that it is shown.
    Add(Add),
    /// Revoke a token.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// Whose [default: one's own].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl Whose {
    fn path(&self) -> String {
        match &self.user {
            Some(user) => format!("/api/0/users/{}/tokens", encoded(user)),
            None => "/api/0/tokens".to_owned(),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark token add deploy --user ci --scope incidents:write\n  \
    hark token add grafana --user ci --scope read --valid 365d")]
struct Add {
    /// What it is for.
    name: String,
    /// What it is good for, once or several times [default: all that its user may].
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    scope: Vec<Scope>,
    /// How long it is valid, such as `90d` [default: until it is revoked].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    valid: Option<Duration>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark token revoke 2f1c9a0b4d5e6f70 --user ci")]
struct Revoke {
    /// The token's number.
    id: String,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => {
            return watch::list(&args.api, &args.watch, |client| list(client, args));
        }
        Some(Order::Add(add)) => make(add)?,
        Some(Order::Revoke(one)) => {
            let answer = Client::new(&one.api)?
                .delete(&format!("{}/{}", one.whose.path(), encoded(&one.id)))
                .with_context(|| format!("cannot revoke the token {}", one.id))?;
            if one.api.json {
                out::json(&answer);
            } else {
                out::line(format!("{} is void.", one.id));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, Args { whose, api, .. }: &Args) -> anyhow::Result<()> {
    let tokens = client.get(&whose.path()).context("cannot ask for the tokens")?;
    if api.json {
        out::json(&tokens);
        return Ok(());
    }
    let now = hark_model::Clock.now().unix.seconds();
    let rows: Vec<Vec<String>> =
        tokens.as_array().into_iter().flatten().map(|token| row(token, now)).collect();
    if rows.is_empty() {
        out::line("There is no token.");
    } else {
        out::table(&["TOKEN", "FOR", "GOOD FOR", "LAST USED", "ENDS"], &rows);
    }
    Ok(())
}

fn make(add: &Add) -> anyhow::Result<()> {
    let body = json!({
        "name": add.name,
        "scopes": add.scope,
        "valid_seconds": add.valid.map(|valid| valid.as_secs()),
    });
    let answer = Client::new(&add.api)?
        .post(None, &add.whose.path(), &body)
        .with_context(|| format!("cannot make the token {}", add.name))?;
    if add.api.json {
        out::json(&answer);
    } else {
        // Alone on its line: a script takes it as it is.
        out::line(text(&answer["secret"]));
    }
    Ok(())
}

fn row(token: &Value, now: i64) -> Vec<String> {
    let scopes = token["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let scopes = scopes.collect::<Vec<_>>().join(" ");
    let good_for = if scopes.is_empty() { "everything".to_owned() } else { scopes };
    let used = match seconds_of(&token["last_used_at"]) {
        Some(at) => format!("{} ago", age_text(now.saturating_sub(at).max(0))),
        None => "never".to_owned(),
    };
    let ends = match seconds_of(&token["expires_at"]) {
        Some(at) => format!("in {}", age_text(at.saturating_sub(now).max(0))),
        None => "never".to_owned(),
    };
    vec![text(&token["id"]), text(&token["name"]), good_for, used, ends]
}

fn scope(word: &str) -> Result<Scope, String> {
    let known = || Scope::WORDS.map(|(word, _)| word).join(", ");
    Scope::from_word(word).ok_or_else(|| format!("use one of {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_token_is_good_for_and_whether_it_is_used() {
        let token = |scopes: Value, used: Value, ends: Value| json!({"id": "2f", "name": "ci", "scopes": scopes, "last_used_at": used, "expires_at": ends});
        let at = json!("1970-01-01T00:16:40Z");
        let shown = row(&token(json!(["read", "events:send"]), at.clone(), Value::Null), 1_060);
        assert_eq!(shown, ["2f", "ci", "read events:send", "60 s ago", "never"]);
        let shown = row(&token(json!([]), Value::Null, at), 940);
        assert_eq!(shown, ["2f", "ci", "everything", "never", "in 60 s"]);
    }

    #[test]
    fn scopes_are_the_words_of_the_api() {
        assert_eq!(scope("events:send"), Ok(Scope::EventsSend));
        assert!(scope("all").unwrap_err().contains("hosts:read"));
    }
}
