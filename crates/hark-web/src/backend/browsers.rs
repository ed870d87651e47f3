//! Browsers that show notifications, as stored.

use hark_api::browsers::{Browser, NewBrowser};
use hark_model::{ReceiverName, UserName};

use super::Answer;

/// Storage of browsers. They are of users of the store and of the configuration alike.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait BrowserStore {
    /// Returns the public key that browsers are told.
    fn push_key(&self) -> Answer<String>;
    /// Returns the receivers that lead to the browsers of a user at present, perhaps to those of others as well.
    fn push_receivers(&self, user: &UserName) -> Answer<Vec<ReceiverName>>;
    /// Returns a receiver that leads to the browsers of a user and of nobody else.
    fn own_push_receiver(&self, user: &UserName) -> Answer<Option<ReceiverName>>;
    /// Returns the browsers of a user, the oldest first.
    fn browsers(&self, user: &UserName) -> Answer<Vec<Browser>>;
    /// Has a browser show the notifications of a user from now on.
    /// [`Refused::Wrong`](super::Refused::Wrong) says what about it is wrong,
    /// [`Refused::Conflict`](super::Refused::Conflict) that there are too many.
    fn add_browser(&self, user: &UserName, browser: &NewBrowser) -> Answer<Browser>;
    /// Has a browser show none any more.
    fn drop_browser(&self, user: &UserName, id: u64) -> Answer<()>;
}
