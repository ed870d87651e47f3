//! Version 4 of Amazon's signature: a keyed hash over the request in a fixed form.

use hark_model::Secret;
use hark_model::time::Unix;
use hark_net::hex;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// Where the service is: it has one region for all the world.
const REGION: &str = "us-east-1";
const SERVICE: &str = "route53";

/// Who asks.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    pub(super) session_token: Option<Secret>,
}

/// Returns the headers that prove who sends a request. `target` is path and query, the query in the order
/// of its keys and encoded already.
pub(super) fn sign(
    credentials: &Credentials,
    method: &str,
    host: &str,
    target: &str,
    content: &str,
    now: Unix,
) -> Vec<(&'static str, String)> {
    let time = now.rfc3339();
    // 2015-08-30T12:36:00.000Z becomes 20150830T123600Z.
    let stamp: String =
        time.split('.').next().unwrap_or_default().replace(['-', ':'], "").replace('Z', "") + "Z";
    let mut headers = vec![("host", host.to_owned()), ("x-amz-date", stamp.clone())];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let proof =
        authorization(credentials, (REGION, SERVICE), method, target, &headers, content, &stamp);
    headers.retain(|(name, _)| *name != "host");
    headers.push(("authorization", proof));
    headers
}

fn authorization(
    credentials: &Credentials,
    (region, service): (&str, &str),
    method: &str,
    target: &str,
    headers: &[(&str, String)],
    content: &str,
    stamp: &str,
) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let lines = lines.concat();
    let hashed = hex(digest(&SHA256, content.as_bytes()).as_ref());
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hashed}");
    let day = stamp.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest(&SHA256, request.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
    let key = signing_key(credentials.secret_key.expose(), day, region, service);
    let signature = hex(keyed(key.as_ref(), &text).as_ref());
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    )
}

fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> hmac::Tag {
    let first = keyed(format!("AWS4{secret}").as_bytes(), day);
    let steps = [region, service, "aws4_request"];
    steps.iter().fold(first, |key, step| keyed(key.as_ref(), step))
}

fn keyed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        }
    }

    /// The example of Amazon's manual "Signature Version 4 signing process".
    #[test]
    fn the_signing_key_is_that_of_the_manual() {
        let secret = credentials().secret_key;
        let key = signing_key(secret.expose(), "20150830", "us-east-1", "iam");
        assert_eq!(
            hex(key.as_ref()),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }

    #[test]
    fn the_signature_is_that_of_the_manual() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
            ("host", "iam.amazonaws.com".to_owned()),
            ("x-amz-date", "20150830T123600Z".to_owned()),
        ];
        let target = "/?Action=ListUsers&Version=2010-05-08";
        let place = ("us-east-1", "iam");
        let stamp = "20150830T123600Z";
        let proof = authorization(&credentials(), place, "GET", target, &headers, "", stamp);
        assert_eq!(
            proof,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    /// `get-vanilla` of the suite of examples that Amazon publishes for version 4.
    #[test]
    fn the_plainest_request_of_the_suite_is_signed_as_there() {
        let headers = [
            ("host", "example.amazonaws.com".to_owned()),
            ("x-amz-date", "20150830T123600Z".to_owned()),
        ];
        let place = ("us-east-1", "service");
        let proof =
            authorization(&credentials(), place, "GET", "/", &headers, "", "20150830T123600Z");
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert!(proof.ends_with(signature), "{proof}");
    }

    #[test]
    fn the_headers_of_a_request_have_the_time_and_the_proof() {
        let now = Unix(1_440_938_160_000);
        let signed = sign(&credentials(), "GET", "route53.amazonaws.com", "/x", "", now);
        assert_eq!(signed[0], ("x-amz-date", "20150830T123600Z".to_owned()));
        assert!(signed[1].1.contains("/20150830/us-east-1/route53/aws4_request"), "{signed:?}");
    }
}
