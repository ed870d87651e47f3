//! The dialogue with a mailbox server of the older kind (RFC 1939, RFC 2449, RFC 2595), as a machine.

use hark_conditions::Fact;

use crate::dialogue::{Dialogue, Step, shown};
use crate::login::Login;

/// What is to be said and heard.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Text that the greeting must contain.
    pub(crate) greeting: Option<String>,
    pub(crate) starttls: bool,
    /// Capabilities that must be there, in capital letters.
    pub(crate) capabilities: Vec<String>,
    pub(crate) login: Option<Login>,
}

impl Order {
    /// What is said to get to TLS, and nothing else.
    pub(crate) fn to_tls() -> Self {
        Self { greeting: None, starttls: true, capabilities: Vec::new(), login: None }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Greeting,
    Capa,
    /// The list of what the server can do, line by line.
    List,
    Stls,
    User,
    Pass,
    Stat,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    order: &'a Order,
    state: State,
    secured: bool,
    greeting: String,
    capabilities: Vec<String>,
    n_messages: Option<u32>,
}

const FAREWELL: &str = "QUIT";

/// Most capabilities: servers have a dozen.
const MAX_CAPABILITIES: usize = 200;

impl<'a> Talk<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            order,
            state: State::Greeting,
            secured: false,
            greeting: String::new(),
            capabilities: Vec::new(),
            n_messages: None,
        }
    }

    fn say(&mut self, state: State, line: impl Into<String>) -> Step {
        self.state = state;
        Step::Say(line.into())
    }

    fn greeted(&mut self, text: &str) -> Result<Step, String> {
        if let Some(wanted) = self.order.greeting.as_ref().filter(|wanted| !text.contains(*wanted))
        {
            return Err(format!("the greeting does not contain {wanted:?}: {}", shown(text)));
        }
        self.greeting = shown(text);
        Ok(self.say(State::Capa, "CAPA"))
    }

    fn able(&mut self) -> Result<Step, String> {
        let has = |name: &str| {
            self.capabilities
                .iter()
                .any(|line| line == name || line.split(' ').next() == Some(name))
        };
        if self.order.starttls && !self.secured {
            // Servers older than the list of capabilities may know STLS none the less: asking shows it.
            if !self.capabilities.is_empty() && !has("STLS") {
                return Err("does not offer STLS".to_owned());
            }
            return Ok(self.say(State::Stls, "STLS"));
        }
        if let Some(missing) = self.order.capabilities.iter().find(|name| !has(name)) {
            return Err(format!("does not offer {missing}"));
        }
        Ok(match &self.order.login {
            Some(login) => self.say(State::User, format!("USER {}", login.user)),
            None => Step::Part(FAREWELL),
        })
    }

    /// Takes the answer to our command: whether it was good, and its text.
    fn answered(&mut self, good: bool, text: &str) -> Result<Step, String> {
        let refused = |what: &str| Err(format!("refuses {what}: {}", shown(text)));
        match (self.state, good) {
            (State::Greeting, true) => self.greeted(text),
            (State::Greeting, false) => Err(format!("turns us away: {}", shown(text))),
            (State::Capa, true) => {
                self.state = State::List;
                Ok(Step::Hear)
            }
            (State::Capa, false) => self.able(),
            (State::Stls, true) => Ok(Step::Secure),
            (State::Stls, false) => refused("STLS"),
            (State::User, true) => {
                let password = self.order.login.as_ref().map_or("", |l| l.password.expose());
                Ok(self.say(State::Pass, format!("PASS {password}")))
            }
            (State::Pass, true) => Ok(self.say(State::Stat, "STAT")),
            (State::User | State::Pass, false) => refused("the login"),
            (State::Stat, true) => {
                self.n_messages = text.split(' ').next().and_then(|n| n.parse().ok());
                Ok(Step::Part(FAREWELL))
            }
            (State::Stat, false) => refused("STAT"),
            (State::List, _) => Ok(Step::Hear),
        }
    }
}

impl Talk<'_> {
    /// Says in words that all was well.
    pub(crate) fn good(&self) -> String {
        format!("greets with {:?}", self.greeting)
    }
}

impl Dialogue for Talk<'_> {
    fn hear(&mut self, line: &str) -> Result<Step, String> {
        if matches!(self.state, State::List) {
            if line == "." {
                return self.able();
            }
            if self.capabilities.len() >= MAX_CAPABILITIES {
                return Err(format!("has more than {MAX_CAPABILITIES} capabilities"));
            }
            self.capabilities.push(line.to_ascii_uppercase());
            return Ok(Step::Hear);
        }
        if let Some(text) = line.strip_prefix("+OK") {
            return self.answered(true, text.trim());
        }
        match line.strip_prefix("-ERR") {
            Some(text) => self.answered(false, text.trim()),
            None => Err(format!("this is no answer: {}", shown(line))),
        }
    }

    fn secured(&mut self) -> Step {
        self.secured = true;
        // What was offered in the clear counts for nothing.
        self.capabilities.clear();
        self.say(State::Capa, "CAPA")
    }

    fn facts(&self) -> Vec<(&'static str, Fact)> {
        vec![
            ("greeting", self.greeting.as_str().into()),
            ("capabilities", self.capabilities.clone().into()),
            ("messages", self.n_messages.into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Secret;

    use super::*;
    use crate::dialogue::play;

    fn order() -> Order {
        Order { greeting: None, starttls: false, capabilities: Vec::new(), login: None }
    }

    fn login() -> Login {
        Login { user: "mon".to_owned(), password: Secret::new("s3cret") }
    }

    #[test]
    fn a_server_that_greets_and_says_what_it_can_is_good() {
        let order =
            Order { capabilities: vec!["UIDL".to_owned(), "SASL PLAIN".to_owned()], ..order() };
        let mut talk = Talk::new(&order);
        let server = ["+OK ready", "+OK", "UIDL", "SASL PLAIN", "."];
        let (said, end) = play(&mut talk, &server);
        assert_eq!(said, ["CAPA", "QUIT"]);
        assert_eq!(end, Ok(()));
        let capabilities = ["UIDL", "SASL PLAIN"].map(str::to_owned).to_vec();
        assert_eq!(talk.facts()[1].1, Fact::from(capabilities));
    }

    #[test]
    fn a_server_without_capabilities_is_good_if_none_are_wanted() {
        let order = order();
        let (said, end) = play(&mut Talk::new(&order), &["+OK", "-ERR unknown command"]);
        assert_eq!(said, ["CAPA", "QUIT"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_login_goes_over_tls_and_counts_the_messages() {
        let order = Order { starttls: true, login: Some(login()), ..order() };
        let mut talk = Talk::new(&order);
        let server = [
            "+OK",
            "+OK",
            "STLS",
            ".",
            "+OK begin",
            "+OK",
            "USER",
            ".",
            "+OK",
            "+OK",
            "+OK 3 1200",
        ];
        let (said, end) = play(&mut talk, &server);
        assert_eq!(
            said,
            ["CAPA", "STLS", "<TLS>", "CAPA", "USER mon", "PASS s3cret", "STAT", "QUIT"]
        );
        assert_eq!(end, Ok(()));
        assert_eq!(talk.facts()[2], ("messages", Fact::from(3_u32)));
    }

    #[test]
    fn what_is_missing_or_refused_is_said() {
        let secure = Order { starttls: true, ..order() };
        let capable = Order { capabilities: vec!["UIDL".to_owned()], ..order() };
        let login = Order { login: Some(login()), ..order() };
        let greeted = Order { greeting: Some("Dovecot".to_owned()), ..order() };
        for (order, server, wrong) in [
            (&order(), vec!["-ERR too many"], "turns us away: too many"),
            (&order(), vec!["220 mail"], "this is no answer: 220 mail"),
            (&greeted, vec!["+OK Qpopper"], "the greeting does not contain \"Dovecot\": Qpopper"),
            (&capable, vec!["+OK", "+OK", "TOP", "."], "does not offer UIDL"),
            (&secure, vec!["+OK", "+OK", "TOP", "."], "does not offer STLS"),
            (&secure, vec!["+OK", "-ERR", "-ERR no"], "refuses STLS: no"),
            (&login, vec!["+OK", "-ERR", "+OK", "-ERR [AUTH] no"], "refuses the login: [AUTH] no"),
        ] {
            assert_eq!(play(&mut Talk::new(order), &server).1, Err(wrong.to_owned()));
        }
    }

    #[test]
    fn a_list_without_end_is_cut_off() {
        let order = order();
        let mut server = vec!["+OK", "+OK"];
        server.extend(std::iter::repeat_n("X", MAX_CAPABILITIES + 1));
        assert!(play(&mut Talk::new(&order), &server).1.unwrap_err().contains("more than"));
    }
}
