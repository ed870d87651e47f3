//! `hark users`: who may log in, and what an administrator does about it.

use std::process::ExitCode;

use anyhow::Context;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::passwd::read_password;
use super::watch::{self, Watch};
use crate::out;

/// Show who may log in, make and remove users, and help who cannot get in any more.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark users\n  hark users add mira --full-name 'Mira Kvale' --admin\n  \
    hark users password mira\n  hark users reset mira"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Make a user; the password is asked for.
    Add(Add),
    /// Give a user a new password, which is asked for; it ends the user's sessions.
    Password(Password),
    /// Take a user's second factors away, for one who has lost them; it ends the user's sessions.
    Reset(Reset),
    /// Remove a user with all sessions, tokens and second factors.
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark users add mira --admin\n  \
    echo 'correct horse battery' | hark users add tom --full-name 'Tom Berg'\n  \
    hark users add ci --service")]
struct Add {
    /// The name to log in with.
    name: String,
    /// The name for people.
    #[arg(long, default_value = "", value_name = "NAME")]
    full_name: String,
    /// May do everything.
    #[arg(long)]
    admin: bool,
    /// Is a program: it has tokens (`hark token`) and no password.
    #[arg(long)]
    service: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark users password mira")]
struct Password {
    /// The name to log in with.
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark users reset mira")]
struct Reset {
    /// The name to log in with.
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark users remove mira")]
struct Remove {
    /// The name to log in with.
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => {
            return watch::list(&args.api, &args.watch, |client| list(client, &args.api));
        }
        Some(Order::Add(add)) => make(add)?,
        Some(Order::Password(one)) => {
            let client = Client::new(&one.api)?;
            let body = json!({"password": read_password()?.expose()});
            let answer = client
                .put(&path(&one.name), &body)
                .with_context(|| format!("cannot change the password of {}", one.name))?;
            said(&one.api, &answer, &format!("{} has a new password.", one.name));
        }
        Some(Order::Reset(one)) => {
            let answer = Client::new(&one.api)?
                .delete(&format!("{}/second-factor", path(&one.name)))
                .with_context(|| format!("cannot take the second factors of {} away", one.name))?;
            let text = format!("{} logs in with the password alone.", one.name);
            said(&one.api, &answer, &text);
        }
        Some(Order::Remove(one)) => {
            let answer = Client::new(&one.api)?
                .delete(&path(&one.name))
                .with_context(|| format!("cannot remove {}", one.name))?;
            said(&one.api, &answer, &format!("{} is gone.", one.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, api: &ApiArgs) -> anyhow::Result<()> {
    let users = client.get("/api/0/users").context("cannot ask for the users")?;
    if api.json {
        out::json(&users);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = users.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("Nobody may log in yet: hark users add NAME --admin");
    } else {
        out::table(&["NAME", "CALLED", "MAY", "LOGS IN BY", "SECOND FACTOR", "SET IN"], &rows);
    }
    Ok(())
}

fn make(add: &Add) -> anyhow::Result<()> {
    let client = Client::new(&add.api)?;
    let mut body = json!({
        "name": add.name, "full_name": add.full_name, "admin": add.admin, "service": add.service,
    });
    if !add.service {
        body["password"] = json!(read_password()?.expose());
    }
    let answer = client
        .post(None, "/api/0/users", &body)
        .with_context(|| format!("cannot make the user {}", add.name))?;
    let text = if add.service {
        format!("{} is there: hark token add NAME --user {}", add.name, add.name)
    } else {
        format!("{} may log in.", add.name)
    };
    said(&add.api, &answer, &text);
    Ok(())
}

fn path(name: &str) -> String {
    format!("/api/0/users/{}", encoded(name))
}

fn said(api: &ApiArgs, answer: &Value, text: &str) {
    if api.json {
        out::json(answer);
    } else {
        out::line(text);
    }
}

fn row(user: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let declared = &user["declared"];
    let place = match declared["file"].as_str() {
        Some(file) => format!("{file}:{}", declared["line"]),
        None => String::new(),
    };
    let guarded = if user["second_factor"] == true { "yes" } else { "no" };
    let by = match user["origin"].as_str() {
        Some(origin) => origin.to_owned(),
        None if user["service"] == true => "token".to_owned(),
        None => "password".to_owned(),
    };
    let (name, called) = (word(&user["name"]), word(&user["full_name"]));
    vec![name, called, rights(user), by, guarded.to_owned(), place]
}

/// Says what a user may do: everything, or each role with how many hosts have it.
fn rights(user: &Value) -> String {
    if user["admin"] == true {
        return "everything".to_owned();
    }
    let roles = user["roles"].as_object();
    let of = |role: &str| {
        let n = roles.map_or(0, |roles| roles.values().filter(|found| *found == role).count());
        (n > 0).then(|| format!("{role} of {n}"))
    };
    let found: Vec<String> = ["owner", "manager", "monitor"].into_iter().filter_map(of).collect();
    if found.is_empty() { "sees nothing".to_owned() } else { found.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_counted_by_role() {
        assert_eq!(rights(&json!({"admin": true, "roles": {}})), "everything");
        assert_eq!(rights(&json!({"admin": false, "roles": {}})), "sees nothing");
        let roles = json!({"a": "monitor", "b": "owner", "c": "monitor"});
        let user = json!({"admin": false, "roles": roles});
        assert_eq!(rights(&user), "owner of 1, monitor of 2");
    }

    #[test]
    fn a_row_says_where_a_user_is_set() {
        let user = json!({
            "name": "mira", "full_name": "Mira", "admin": true, "roles": {},
            "second_factor": true, "declared": {"file": "hark.yaml", "line": 7}
        });
        assert_eq!(row(&user), ["mira", "Mira", "everything", "password", "yes", "hark.yaml:7"]);
        let program = json!({"name": "ci", "full_name": "", "admin": false, "service": true});
        assert_eq!(row(&program), ["ci", "", "sees nothing", "token", "no", ""]);
        let elsewhere =
            json!({"name": "tom", "full_name": "", "admin": true, "origin": "oidc work"});
        assert_eq!(row(&elsewhere), ["tom", "", "everything", "oidc work", "no", ""]);
    }
}
