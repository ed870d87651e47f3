//! Browsers that show notifications.

use hark_api::Timestamp;
use hark_api::browsers::{Browser, NewBrowser};
use hark_api::problem::FieldError;
use hark_model::{ReceiverName, Unix, UserName};
use hark_web::{Answer, BrowserStore, Refused};

use super::Fake;

impl BrowserStore for Fake {
    fn push_key(&self) -> Answer<String> {
        Ok("BKey".to_owned())
    }

    fn push_receivers(&self, user: &UserName) -> Answer<Vec<ReceiverName>> {
        let leads_nowhere = user.as_str() == "nobody";
        let receiver = ReceiverName::new("ops-mail").unwrap();
        Ok(if leads_nowhere { Vec::new() } else { vec![receiver] })
    }

    fn own_push_receiver(&self, user: &UserName) -> Answer<Option<ReceiverName>> {
        let is_shared = user.as_str() == "tom";
        Ok(self.push_receivers(user)?.pop().filter(|_| !is_shared))
    }

    fn browsers(&self, user: &UserName) -> Answer<Vec<Browser>> {
        let stored = self.stored();
        let own = stored.browsers.iter().filter(|(whose, _)| whose == user);
        Ok(own.map(|(_, browser)| browser.clone()).collect())
    }

    fn add_browser(&self, user: &UserName, browser: &NewBrowser) -> Answer<Browser> {
        if browser.p256dh.is_empty() {
            return Err(Refused::Wrong(vec![FieldError::new("p256dh", "65 bytes are expected")]));
        }
        let mut stored = self.stored();
        stored.number += 1;
        let made = Browser {
            id: stored.number,
            name: browser.name.clone(),
            service: "push.example.net".to_owned(),
            digest: "00".repeat(32),
            created_at: Timestamp(Unix(0)),
        };
        stored.browsers.push((user.clone(), made.clone()));
        Ok(made)
    }

    fn drop_browser(&self, user: &UserName, id: u64) -> Answer<()> {
        let mut stored = self.stored();
        let before = stored.browsers.len();
        stored.browsers.retain(|(whose, browser)| !(whose == user && browser.id == id));
        if stored.browsers.len() == before { Err(Refused::Absent) } else { Ok(()) }
    }
}
