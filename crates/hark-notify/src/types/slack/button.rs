//! Slack tells us that somebody has pressed the button: a form with a JSON document, signed with the
//! app's secret over the time and the bytes of the body.

use std::time::Duration;

use hark_model::Secret;
use http::HeaderMap;
use ring::hmac;
use serde_json::Value;

use crate::handling::{Call, CallAnswer, CallError, Called, person};
use hark_net::decoded;

/// The name of our button.
pub(super) const ACTION: &str = "hark_acknowledge";

/// How old a signed call may be: what Slack advises against calls that are sent again.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Reads a call, whose signature must be right.
pub(super) fn read(secret: &Secret, call: &Call<'_>) -> Result<Called, CallError> {
    verify(secret, call).ok_or(CallError::Unsigned)?;
    let malformed = |what: &str| CallError::Malformed { what: what.to_owned() };
    let body = std::str::from_utf8(call.body).map_err(|_| malformed("it is not a form"))?;
    let payload = body.split('&').find_map(|field| field.strip_prefix("payload="));
    let payload = payload.and_then(decoded).ok_or_else(|| malformed("it has no payload"))?;
    let payload: Value =
        serde_json::from_str(&payload).map_err(|_| malformed("its payload is not JSON"))?;
    let actions = payload["actions"].as_array().map_or(&[][..], Vec::as_slice);
    let ours = actions.iter().find(|action| action["action_id"] == ACTION);
    let Some(token) = ours.and_then(|action| action["value"].as_str()) else {
        // Buttons that open a page are told too.
        return Ok(Called::Nothing(answer("", "")));
    };
    let user = &payload["user"];
    let name = user["name"].as_str().or_else(|| user["username"].as_str());
    Ok(Called::Acknowledge {
        token: token.to_owned(),
        by: person(name.or_else(|| user["id"].as_str()).unwrap_or_default()),
        id: user["id"].as_str().unwrap_or_default().to_owned(),
        comment: String::new(),
        is_signed: true,
        about: String::new(),
        answer,
    })
}

/// Checks `X-Slack-Signature`: `v0=` and the hexadecimal HMAC-SHA-256 of `v0:TIME:BODY`.
fn verify(secret: &Secret, call: &Call<'_>) -> Option<()> {
    let header =
        |name: &str, headers: &HeaderMap| headers.get(name)?.to_str().ok().map(str::to_owned);
    let time = header("x-slack-request-timestamp", call.headers)?;
    let seconds: i64 = time.parse().ok()?;
    if call.now.seconds().abs_diff(seconds) > MAX_AGE.as_secs() {
        return None;
    }
    let signature = header("x-slack-signature", call.headers)?;
    let signature = unhex(signature.strip_prefix("v0=")?)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = [b"v0:", time.as_bytes(), b":", call.body].concat();
    hmac::verify(&key, &signed, &signature).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// Slack shows nothing of the answer to a press of a block's button, but wants one.
fn answer(said: &str, _about: &str) -> CallAnswer {
    let body = serde_json::json!({
        "response_type": "ephemeral",
        "replace_original": false,
        "text": said,
    });
    CallAnswer { content_type: "application/json", body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use hark_model::Unix;

    use super::*;

    /// The example of Slack's page on verifying requests.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: &str = "1531420618";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn call_with(time: &str, signature: &str, body: &str, now: i64) -> Result<Called, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", time.parse().unwrap());
        headers.insert("x-slack-signature", signature.parse().unwrap());
        let call = Call { headers: &headers, body: body.as_bytes(), now: Unix(now * 1000) };
        read(&Secret::new(SECRET), &call)
    }

    fn signed(body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let code = hmac::sign(&key, format!("v0:{TIME}:{body}").as_bytes());
        format!("v0={}", hark_net::hex(code.as_ref()))
    }

    #[test]
    fn the_signature_is_the_one_that_slack_documents() {
        let now = 1_531_420_618;
        // It is signed, and is no press of a button.
        let read = call_with(TIME, SIGNATURE, BODY, now);
        assert_eq!(
            read.unwrap_err(),
            CallError::Malformed { what: "it has no payload".to_owned() }
        );
        for (time, signature, body, now) in [
            (TIME, SIGNATURE, "token=other", now),
            (TIME, &SIGNATURE.replace("v0=a2", "v0=a3"), BODY, now),
            (TIME, "v0=", BODY, now),
            (TIME, "v0=a21", BODY, now),
            ("1531420619", SIGNATURE, BODY, now),
            (TIME, SIGNATURE, BODY, now + 301),
            (TIME, SIGNATURE, BODY, now - 301),
        ] {
            let read = call_with(time, signature, body, now);
            assert_eq!(read.unwrap_err(), CallError::Unsigned, "{time} {signature} {now}");
        }
    }

    #[test]
    fn a_press_says_who_and_carries_the_token() {
        let payload = r#"{"type":"block_actions","user":{"id":"U1","username":"mira","name":"mira"},"actions":[{"action_id":"hark_acknowledge","value":"the-token"}]}"#;
        let body = format!("payload={}", hark_net::encoded(payload));
        let read = call_with(TIME, &signed(&body), &body, 1_531_420_620).unwrap();
        let Called::Acknowledge { token, by, id, answer, .. } = read else { panic!("{read:?}") };
        assert_eq!((token.as_str(), by.as_str(), id.as_str()), ("the-token", "mira", "U1"));
        assert!(answer("Taken.", "").body.contains("\"text\":\"Taken.\""));
        let other = body.replace("hark_acknowledge", "hark_open");
        let read = call_with(TIME, &signed(&other), &other, 1_531_420_620).unwrap();
        assert!(matches!(read, Called::Nothing(_)), "{read:?}");
    }
}
