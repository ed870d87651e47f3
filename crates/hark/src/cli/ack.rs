//! `hark ack`: takes an incident, or gives it back; also with a reply to a mail.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hark_config::{Bare, duration};
use hark_model::Secret;
use hark_model::time::Clock;
use hark_notify::handling::{MAX_MAIL, Mail, MailOrder};
use serde_json::{Value, json};

use super::client::{ApiArgs, Client, Refusal};
use crate::out;

/// What a mail server does with a mail that was not understood: it goes back to its sender, with what
/// was printed (`EX_DATAERR` of sysexits).
const EXIT_SEND_BACK: u8 = 65;

/// What it does with one that could not be handed on now: it keeps it and tries again (`EX_TEMPFAIL`).
const EXIT_TRY_AGAIN: u8 = 75;

/// Acknowledge an incident: no reminders and no escalation until it is over, gets worse, or the time is
/// over. Whoever was told of the problem is told once that it is taken, by whom, and what they say.
///
/// With --mail it reads a reply to a mail of hark from standard input, as mail servers give it to
/// programs: `ack`, `ack 2h`, or `silence 2h` (also if it gets worse) in the first own line, then a
/// comment. The token in the mail proves that its message was read; no other right is needed, but if the
/// server knows whose address the mail is from, that user must be allowed to. A mail
/// that is not understood ends with exit code 65 (it goes back), one that the server could not take
/// with 75 (it is tried again), and one that was sent by a program is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark ack 17 -m 'on it'\n  \
    hark ack 17 -m 'waits for the disk' --for 4h --sticky\n  hark ack 17 --undo\n  \
    hark ack --mail --url https://hark.example.net:50004 < mail")]
pub(super) struct Args {
    /// The incident's number, as `hark status` shows it.
    #[arg(required_unless_present = "mail")]
    incident: Option<u64>,
    /// Why: others see it.
    #[arg(short, long, value_name = "TEXT", default_value = "from the command line")]
    message: String,
    /// For how long, such as `2h`; without, until it is over.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    held: Option<Duration>,
    /// Also if it gets worse.
    #[arg(long)]
    sticky: bool,
    /// Give it back.
    #[arg(long, conflicts_with_all = ["held", "sticky", "mail"])]
    undo: bool,
    /// Read a reply to a mail from standard input.
    #[arg(long, conflicts_with_all = ["incident", "held", "sticky"])]
    mail: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text, Bare::Refused).map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let Some(incident) = args.incident.filter(|_| !args.mail) else {
        return by_mail(&client, args);
    };
    let path = format!("/api/0/incidents/{incident}");
    let row = if args.undo {
        client.post(None, &format!("{path}/unack"), &Value::Null)
    } else {
        let mut request = json!({"comment": args.message, "sticky": args.sticky});
        if let Some(held) = args.held {
            let until = hark_api::Timestamp(Clock.now().unix + held);
            request["until_at"] = until.to_string().into();
        }
        client.post(None, &format!("{path}/ack"), &request)
    };
    let row = row.with_context(|| format!("cannot change incident {incident}"))?;
    if args.api.json {
        out::json(&row);
    } else if args.undo {
        out::line(format!("Nobody has incident {incident} now."));
    } else {
        out::line(format!("Incident {incident} is acknowledged."));
    }
    Ok(ExitCode::SUCCESS)
}

fn by_mail(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_MAIL).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("cannot read the mail")?;
    let mail = Mail::read(&bytes);
    if mail.is_automatic() {
        out::note("hark: a program sent this mail: nothing is done");
        return Ok(ExitCode::SUCCESS);
    }
    let order = match mail.order() {
        Ok(order) => order,
        Err(why) => {
            out::line(why);
            return Ok(ExitCode::from(EXIT_SEND_BACK));
        }
    };
    for token in mail.tokens() {
        match hand_over(client, &token, &mail, &order) {
            Ok(Some(handled)) => {
                if args.api.json {
                    out::json(&handled);
                } else {
                    out::line(handled["text"].as_str().unwrap_or_default());
                }
                let refused = handled["refused"] == true;
                return Ok(if refused {
                    ExitCode::from(EXIT_SEND_BACK)
                } else {
                    ExitCode::SUCCESS
                });
            }
            // Another token of the same mail may be newer.
            Ok(None) => {}
            Err(error) => {
                out::error(&error);
                return Ok(ExitCode::from(EXIT_TRY_AGAIN));
            }
        }
    }
    out::line(
        "hark: this mail answers no message of the last day: answer the mail itself, with its text or \
         to the address that it names, or sign in on the page",
    );
    Ok(ExitCode::from(EXIT_SEND_BACK))
}

/// Returns what the server says; `None` if the token is none of its, or too old.
fn hand_over(
    client: &Client,
    token: &Secret,
    mail: &Mail,
    order: &MailOrder,
) -> anyhow::Result<Option<Value>> {
    let mut request = json!({
        "token": token.expose(), "way": "mail", "from": mail.from().unwrap_or_default(),
        "comment": order.comment, "sticky": order.sticky,
    });
    if let Some(held) = order.held {
        request["for_seconds"] = held.as_secs().into();
    }
    match client.post(None, "/api/0/handle", &request) {
        Ok(handled) => Ok(Some(handled)),
        Err(error) => match error.downcast_ref::<Refusal>() {
            Some(Refusal { status: 404 | 409, .. }) => Ok(None),
            Some(refusal) if refusal.status == 422 => bail!("the server refused it: {refusal}"),
            _ => Err(error),
        },
    }
}
