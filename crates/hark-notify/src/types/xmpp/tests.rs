use super::*;
use crate::types::tests::server::mistakes;

#[test]
fn mistakes_are_shown() {
    let good = Xmpp.example();
    for (from, to, expected) in [
        ("jid: hark@example.net", "jid: hark", "an address is `NAME@DOMAIN`"),
        ("to: [mira@example.net]", "to: [mira@example.net/phone]", "NAME@DOMAIN"),
        ("to: [mira@example.net]\nrooms: [ops@rooms.example.net]\n", "", "nobody would get"),
        ("password: correct-horse\n", "", "password"),
        ("password: correct-horse\n", "password: x\nsecurity: none\n", "starttls"),
    ] {
        let errors = mistakes(&Xmpp, &good.replace(from, to));
        assert!(errors.contains(expected), "{from}: {errors}");
    }
    let many: Vec<_> = (0..=MAX_RECIPIENTS).map(|n| format!("p{n}@example.net")).collect();
    let text = good.replace("mira@example.net", &many.join(", "));
    assert!(mistakes(&Xmpp, &text).contains("at most 50"), "{}", mistakes(&Xmpp, &text));
}

#[test]
fn addresses_are_compared_without_repeats() {
    let (user, domain) = read_address("Mira@Example.net").unwrap();
    assert_eq!((user.as_str(), domain.as_str()), ("Mira", "Example.net"));
    for wrong in ["@example.net", "a b@example.net", "a@", "a@b@c", "", "a@b/c"] {
        assert!(read_address(wrong).is_err(), "{wrong}");
    }
}
