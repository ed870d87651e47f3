//! Templates of mails that are no receiver's own: they take the place of what is built in, for all of them.
//!
//! A mail must go out whatever somebody has written into a template: one that fails on a message gives way
//! to the built-in one, and the log says so.

use std::sync::{Arc, PoisonError, RwLock};

use hark_model::Notification;

use crate::Context;
use crate::card::Tone;
use crate::render::{Template, explain};

/// The file with the text of mails.
pub const MAIL_TEXT: &str = "mail.txt";

/// The file with the part of mails in HTML.
pub const MAIL_PAGE: &str = "mail.html";

/// What the part in HTML has beside the fields of every template, with a sample of each.
const OF_PAGE: [(&str, &str); 2] = [("text", "The text."), ("colour", "#d1242f")];

/// The templates.
#[derive(Debug, Default)]
pub struct MailTemplates {
    text: Option<Template>,
    page: Option<Template>,
}

impl MailTemplates {
    /// Takes the file `name`, which is tried on a sample of every kind of message.
    ///
    /// # Errors
    /// If it cannot be used: why, in one line. What is built in is used then.
    pub fn take(&mut self, name: &str, source: &str) -> Result<(), String> {
        match name {
            MAIL_TEXT => self.text = Some(Template::parse(source).map_err(|e| explain(&e))?),
            MAIL_PAGE => {
                let page = Template::parse_page(source, &OF_PAGE).map_err(|e| explain(&e))?;
                self.page = Some(page);
            }
            name => return Err(format!("{name} is no template of mails")),
        }
        Ok(())
    }

    /// Returns the text of a mail, if there is a template and it can be used.
    pub(crate) fn text(&self, n: &Notification, context: &Context) -> Option<String> {
        used(MAIL_TEXT, self.text.as_ref()?.fill_with(n, context, &[]))
    }

    /// Returns the part of a mail in HTML that says `text`, if there is a template and it can be used.
    pub(crate) fn page(&self, n: &Notification, text: &str, context: &Context) -> Option<String> {
        let colour = Tone::of(n).hex();
        let more = [("text", text), ("colour", colour.as_str())];
        used(MAIL_PAGE, self.page.as_ref()?.fill_with(n, context, &more))
    }
}

fn used(name: &str, filled: Result<String, minijinja::Error>) -> Option<String> {
    match filled {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::warn!(name, error = explain(&error), "a template of mails is not used");
            None
        }
    }
}

/// The templates in force: another configuration may bring others while messages are on their way.
#[derive(Clone, Debug, Default)]
pub struct MailStyle(Arc<RwLock<Arc<MailTemplates>>>);

impl MailStyle {
    /// Has mails be written by these from now on.
    pub fn take_on(&self, templates: Arc<MailTemplates>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = templates;
    }

    pub(crate) fn now(&self) -> Arc<MailTemplates> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{context, problem};

    #[test]
    fn a_template_of_ones_own_writes_text_and_page() {
        let mut templates = MailTemplates::default();
        templates.take(MAIL_TEXT, "{{ host }} {{ status }}: {{ link }}").unwrap();
        let page = "<b style=\"color:{{ colour }}\">{{ summary }}</b><pre>{{ text }}</pre>";
        templates.take(MAIL_PAGE, page).unwrap();
        let mut n = problem();
        n.summary = "<i>".to_owned();
        let text = templates.text(&n, &context()).unwrap();
        assert!(text.starts_with("db1.example.net critical: https://hark.example.net/"), "{text}");
        let page = templates.page(&n, "a < b", &context()).unwrap();
        assert_eq!(page, "<b style=\"color:#d1242f\">&lt;i&gt;</b><pre>a &lt; b</pre>");
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_line() {
        let mut templates = MailTemplates::default();
        let wrong = templates.take(MAIL_TEXT, "a\n{{ hots }}").unwrap_err();
        assert!(wrong.contains("line 2"), "{wrong}");
        assert!(templates.take(MAIL_TEXT, "{{ text }}").is_err(), "that is of the page alone");
        assert!(templates.take(MAIL_PAGE, "{% if %}").is_err());
        assert!(templates.take("mail.doc", "x").is_err());
        assert_eq!(templates.text(&problem(), &context()), None, "the built-in one is used");
    }

    #[test]
    fn one_that_fails_on_a_message_gives_way() {
        let mut templates = MailTemplates::default();
        let picky = "{% if summary == 'other' %}{{ none_of_these }}{% endif %}fine";
        templates.take(MAIL_TEXT, picky).unwrap();
        let mut n = problem();
        assert_eq!(templates.text(&n, &context()).as_deref(), Some("fine"));
        n.summary = "other".to_owned();
        assert_eq!(templates.text(&n, &context()), None);
    }

    #[test]
    fn those_in_force_are_the_newest() {
        let style = MailStyle::default();
        let other = style.clone();
        let mut templates = MailTemplates::default();
        templates.take(MAIL_TEXT, "new").unwrap();
        style.take_on(Arc::new(templates));
        assert_eq!(other.now().text(&problem(), &context()).as_deref(), Some("new"));
    }
}
