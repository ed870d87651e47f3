//! Status pages of the fake: one for everybody, one for users, one with a password and a token.

use std::collections::BTreeSet;
use std::sync::Arc;

use hark_api::hosts::Declared;
use hark_api::status_pages::{ComponentState, PublicContent};
use hark_model::{Secret, UserName};
use hark_web::{
    Answer, PublicIncidentRecord, ReaderWay, Refused, StatusAccess, StatusDocument, StatusPages,
    StatusPart, StatusSite, StatusSites, StatusSummary,
};

use super::{Fake, THEN, found};

/// What opens the page `keyed`.
pub(crate) const PAGE_TOKEN: &str = "0123456789abcdef";

fn site(slug: &str, domain: Option<&str>, access: StatusAccess) -> StatusSite {
    StatusSite {
        slug: slug.to_owned(),
        title: slug.to_uppercase(),
        domains: domain.into_iter().map(str::to_owned).collect(),
        access,
        editors: BTreeSet::from([UserName::new("owner").unwrap()]),
        components: vec!["api".to_owned(), "web".to_owned()],
        // Of one that is for everybody, and of one with a key.
        readers: BTreeSet::from_iter((slug != "users").then_some(ReaderWay::Mail)),
        declared: Declared { file: "hark.yaml".to_owned(), line: 3 },
    }
}

fn hash() -> Secret {
    let mut digest = [0; 32];
    let n = 10.try_into().unwrap();
    ring::pbkdf2::derive(
        ring::pbkdf2::PBKDF2_HMAC_SHA256,
        n,
        b"salt",
        b"correct horse",
        &mut digest,
    );
    Secret::new(format!("pbkdf2:sha256:10$salt${}", crate::server::hex(&digest)))
}

impl StatusPages for Fake {
    fn status_sites(&self) -> Arc<StatusSites> {
        let closed = |users, keyed: bool| StatusAccess::Closed {
            users,
            password: keyed.then(hash),
            token: keyed.then(|| Secret::new(PAGE_TOKEN)),
        };
        Arc::new(StatusSites {
            sites: vec![
                site("open", Some("status.example.net"), StatusAccess::Everyone),
                site("users", None, closed(true, false)),
                site("keyed", Some("keyed.example.net"), closed(false, true)),
            ],
            style: "body {}",
            script: "0;",
        })
    }

    fn status_document(&self, page: &str, part: &StatusPart) -> Answer<StatusDocument> {
        self.stored().made_pages += 1;
        if *part == StatusPart::Logo {
            return Err(Refused::Absent);
        }
        let titles: Vec<String> = self
            .stored()
            .published
            .iter()
            .filter(|one| one.page == page)
            .map(|one| one.content.title.clone())
            .collect();
        let text = format!("{page} {part:?} {}", titles.join(" "));
        Ok(StatusDocument { content_type: "text/html; charset=utf-8", bytes: text.into() })
    }

    fn status_summaries(&self) -> Answer<Vec<StatusSummary>> {
        let component = |id: &str| {
            (id.to_owned(), id.to_uppercase(), String::new(), ComponentState::Operational)
        };
        Ok(vec![StatusSummary {
            slug: "open".to_owned(),
            state: ComponentState::Operational,
            headline: "All systems operational".to_owned(),
            components: vec![component("api"), component("web")],
            open: 0,
        }])
    }

    fn public_incidents(&self, page: &str) -> Answer<Vec<PublicIncidentRecord>> {
        let stored = self.stored();
        Ok(stored.published.iter().rev().filter(|one| one.page == page).cloned().collect())
    }

    fn reader_asks(&self, page: &str, way: ReaderWay, address: &str) -> Answer<()> {
        self.stored().readers.push(format!("{page} {} {address}", way.word()));
        Ok(())
    }

    fn reader_joins(&self, page: &str, token: &str) -> Answer<bool> {
        Ok(token == format!("joins-{page}"))
    }

    fn reader_leaves(&self, page: &str, token: &str) -> Answer<bool> {
        Ok(token == format!("leaves-{page}"))
    }

    fn publish(&self, page: &str, content: &PublicContent) -> Answer<PublicIncidentRecord> {
        let mut stored = self.stored();
        let id = stored.published.last().map_or(1, |last| last.id + 1);
        let (page, content) = (page.to_owned(), content.clone());
        let made = PublicIncidentRecord { id, page, version: 1, updated: THEN, content };
        stored.published.push(made.clone());
        Ok(made)
    }

    fn change_public_incident(
        &self,
        page: &str,
        id: u64,
        version: u64,
        content: &PublicContent,
    ) -> Answer<PublicIncidentRecord> {
        let mut stored = self.stored();
        let one = stored.published.iter_mut().find(|one| one.id == id && one.page == page);
        let one = found(one)?;
        if one.version != version {
            return Err(Refused::Conflict("it was changed meanwhile".to_owned()));
        }
        one.version += 1;
        one.content = content.clone();
        Ok(one.clone())
    }

    fn remove_public_incident(&self, page: &str, id: u64) -> Answer<()> {
        self.stored().published.retain(|one| one.id != id || one.page != page);
        Ok(())
    }
}
