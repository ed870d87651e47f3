//! Answers to programs that speak to Prometheus: what was asked, of which hosts.

use hark_web::{Answer, PromError, PromPatience, PromQuestion, PromSource, Sight};
use serde_json::json;

use super::Fake;

impl PromSource for Fake {
    fn prometheus(
        &self,
        sight: &Sight,
        question: &PromQuestion,
        patience: &PromPatience,
    ) -> Answer<Result<String, PromError>> {
        assert!(!patience.is_gone(), "somebody waits");
        let text = if let PromQuestion::Instant { text, .. } = question { text } else { "" };
        let kind = match text {
            "bad" => Some("bad_data"),
            "large" => Some("execution"),
            "slow" => Some("timeout"),
            "broken" => Some("internal"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Ok(Err(PromError { kind, text: "as it is".to_owned() }));
        }
        let hosts = match sight {
            Sight::Everything => json!("all"),
            Sight::Hosts(hosts) => json!(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()),
        };
        Ok(Ok(json!({"asked": format!("{question:?}"), "hosts": hosts}).to_string()))
    }
}
