use hark_config::{Document, NoSecrets, Style};

use super::*;

fn read(text: &str) -> (Vec<Page>, String) {
    let document = Document::single(text);
    let user = |name: &str| UserName::new(name).unwrap();
    let known = EditorsOf {
        teams: [(TeamName::new("web").unwrap(), vec![user("anna"), user("ben")])].into(),
        mailers: [ReceiverName::new("mail").unwrap()].into(),
    };
    let pages = Page::read_all(&document.root(&NoSecrets), &known, "mon.example.net");
    (pages, document.diagnostics().render(Style::Plain))
}

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aaaa";

#[test]
fn a_page_is_read_whole() {
    let (pages, errors) = read(&format!(
        "status_pages:
  nordlys:
    title: Nordlys  Hosting
    password: {HASH}
    domains: [Status.Example.net]
    days: 30
    timezone: Europe/Oslo
    language: de
    home: https://example.net/
    logo: logo.svg
    style: own.css
    indexed: false
    editors: ['team:web', mira]
    components:
      web: {{name: Website, group: Platform, tags: web, checks: 'http*'}}
      api: {{name: API, hosts: ['api*']}}
"
    ));
    assert_eq!(errors, "");
    let [page] = &pages[..] else { panic!("{pages:?}") };
    assert_eq!((page.slug.as_str(), page.title.as_str()), ("nordlys", "Nordlys Hosting"));
    assert_eq!((page.days, page.language), (30, Language::German));
    assert_eq!(page.domains, ["status.example.net"]);
    let ids: Vec<&str> = page.components.iter().map(|component| component.id.as_str()).collect();
    assert_eq!(ids, ["web", "api"], "in the order of the file");
    assert_eq!(page.components[0].matcher.checks, ["http*"]);
    let editors: Vec<&str> = page.editors.iter().map(UserName::as_str).collect();
    assert_eq!(editors, ["anna", "ben", "mira"]);
    assert!(
        matches!(&page.access, Access::Closed { users: false, keys } if keys.password.is_some())
    );
    assert!(!page.is_public());
}

#[test]
fn without_more_a_page_is_for_everybody_and_has_ninety_days() {
    let (pages, errors) =
        read("status_pages: {p: {title: P, components: {a: {name: A, hosts: a}}}}");
    assert_eq!(errors, "");
    assert!(pages[0].is_public());
    assert_eq!((pages[0].days, pages[0].zone.iana_name()), (90, Some("UTC")));
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    let component = "components: {a: {name: A, hosts: a}}";
    for (text, expected) in [
        (format!("P: {{title: P, {component}}}"), "use small letters"),
        (format!("p: {{{component}}}"), "`title`"),
        ("p: {title: P}".to_owned(), "`components`"),
        ("p: {title: P, components: {}}".to_owned(), "at least one component"),
        ("p: {title: P, components: {a: {name: A}}}".to_owned(), "what does it look at"),
        ("p: {title: P, components: {a: {hosts: a}}}".to_owned(), "`name`"),
        (
            "p: {title: P, components: {a: {name: A, hosts: a, check: b}}}".to_owned(),
            "did you mean `checks`",
        ),
        (format!("p: {{title: P, password: hunter2, {component}}}"), "hark passwd"),
        (format!("p: {{title: P, token: short, {component}}}"), "could be guessed"),
        (
            format!("p: {{title: P, visible_to: everyone, token: 0123456789abcdef, {component}}}"),
            "is not for everyone",
        ),
        (
            format!("p: {{title: P, domains: 'https://a.example', {component}}}"),
            "the name of no host",
        ),
        (format!("p: {{title: P, domains: mon.EXAMPLE.net, {component}}}"), "nobody could log in"),
        (
            format!(
                "p: {{title: P, domains: a.example, {component}}}, q: {{title: Q, domains: A.example, {component}}}"
            ),
            "two pages have this name",
        ),
        (format!("p: {{title: P, home: 'javascript:alert(1)', {component}}}"), "is no address"),
        (format!("p: {{title: P, logo: ../a.svg, {component}}}"), "is no name of a file"),
        (format!("p: {{title: P, style: a.html, {component}}}"), "ending in .css"),
        (format!("p: {{title: P, editors: 'team:wed', {component}}}"), "did you mean `web`"),
        (format!("p: {{title: P, timezone: Mars/Olympus, {component}}}"), "is no time zone"),
        (format!("p: {{title: P, days: 0, {component}}}"), "from 1 to 365"),
    ] {
        let (_, errors) = read(&format!("status_pages: {{{text}}}"));
        assert!(errors.contains(expected), "{expected} is missing in {errors} of {text}");
    }
}

#[test]
fn a_secret_does_not_show_in_what_is_said_about_it() {
    let (pages, _) = read(
        "status_pages: {p: {title: P, token: 0123456789abcdefgh, components: {a: {name: A, hosts: a}}}}",
    );
    assert!(!format!("{pages:?}").contains("0123456789"));
}

#[test]
fn readers_are_told_by_a_receiver_that_sends_mail_and_by_calls_as_far_as_it_is_said() {
    let page = |more: &str| {
        read(&format!(
            "status_pages: {{a: {{title: A, components: {{x: {{name: X, hosts: a}}}}{more}}}}}"
        ))
    };
    let (pages, errors) = page("");
    assert_eq!((errors.as_str(), pages[0].has_readers()), ("", false));
    let (pages, errors) = page(", mail_by: mail, webhooks: anywhere");
    assert_eq!((errors.as_str(), pages[0].has_readers()), ("", true));
    assert_eq!(pages[0].mail_by.as_ref().unwrap().as_str(), "mail");
    assert_eq!(pages[0].webhooks, Webhooks::Anywhere);
    let (_, errors) = page(", mail_by: chat");
    assert!(errors.contains("there is no receiver `chat` of the type `email`"), "{errors}");
    let (_, errors) = page(", webhooks: all");
    assert!(errors.contains("webhooks") || errors.contains("anywhere"), "{errors}");
}
