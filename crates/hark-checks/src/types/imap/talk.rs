//! The dialogue with a mailbox server (RFC 9051, RFC 3501), as a machine.

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Capability,
    StartTls,
    Login,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    order: &'a Order,
    state: State,
    secured: bool,
    /// How many lines have come since we last said something.
    n_lines: usize,
    /// Number of the command that waits for its answer.
    tag: u32,
    greeting: String,
    capabilities: Vec<String>,
    logged_in: bool,
}

const FAREWELL: &str = "z LOGOUT";

/// Most lines of one answer: a login may list the state of the mailbox, no more.
const MAX_LINES: usize = 200;

impl<'a> Talk<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            order,
            state: State::Greeting,
            secured: false,
            n_lines: 0,
            tag: 0,
            greeting: String::new(),
            capabilities: Vec::new(),
            logged_in: false,
        }
    }

    fn say(&mut self, state: State, command: &str) -> Step {
        self.state = state;
        self.tag += 1;
        self.n_lines = 0;
        Step::Say(format!("a{} {command}", self.tag))
    }

    fn greeted(&mut self, line: &str) -> Result<Step, String> {
        let text = line.strip_prefix("* OK").or_else(|| line.strip_prefix("* PREAUTH"));
        let Some(text) = text.map(str::trim) else {
            return Err(format!("does not greet with `* OK`: {}", shown(line)));
        };
        if let Some(wanted) = self.order.greeting.as_ref().filter(|wanted| !text.contains(*wanted))
        {
            return Err(format!("the greeting does not contain {wanted:?}: {}", shown(text)));
        }
        self.greeting = shown(text);
        Ok(self.say(State::Capability, "CAPABILITY"))
    }

    /// Takes an untagged line.
    fn told(&mut self, line: &str) -> Result<Step, String> {
        let mut words = line.split_ascii_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("CAPABILITY") => {
                self.capabilities = words.map(str::to_ascii_uppercase).collect();
                Ok(Step::Hear)
            }
            Some("BYE") => Err(format!("says farewell: {}", shown(line))),
            _ => Ok(Step::Hear),
        }
    }

    /// Takes the answer to our command.
    fn answered(&mut self, answer: &str) -> Result<Step, String> {
        let good = answer.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("OK"));
        match self.state {
            State::Capability if good => self.able(),
            State::StartTls if good => Ok(Step::Secure),
            State::Login if good => {
                self.logged_in = true;
                Ok(Step::Part(FAREWELL))
            }
            State::Greeting | State::Capability => {
                Err(format!("refuses CAPABILITY: {}", shown(answer)))
            }
            State::StartTls => Err(format!("refuses STARTTLS: {}", shown(answer))),
            State::Login => Err(format!("refuses the login: {}", shown(answer))),
        }
    }

    fn able(&mut self) -> Result<Step, String> {
        let has = |name: &str| self.capabilities.iter().any(|capability| capability == name);
        if !has("IMAP4REV1") && !has("IMAP4REV2") {
            return Err("does not say that it speaks IMAP4rev1 or IMAP4rev2".to_owned());
        }
        if self.order.starttls && !self.secured {
            if !has("STARTTLS") {
                return Err("does not offer STARTTLS".to_owned());
            }
            return Ok(self.say(State::StartTls, "STARTTLS"));
        }
        if let Some(missing) = self.order.capabilities.iter().find(|name| !has(name)) {
            return Err(format!("does not offer {missing}"));
        }
        let Some(login) = &self.order.login else { return Ok(Step::Part(FAREWELL)) };
        if has("LOGINDISABLED") {
            return Err("takes no login over this connection".to_owned());
        }
        let command = format!("LOGIN {} {}", quoted(&login.user), quoted(login.password.expose()));
        Ok(self.say(State::Login, &command))
    }
}

/// Writes a text between quotes. What cannot stand there was refused when the settings were read.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Talk<'_> {
    /// Says in words that all was well.
    pub(crate) fn good(&self) -> String {
        format!("greets with {:?}", self.greeting)
    }
}

impl Dialogue for Talk<'_> {
    fn hear(&mut self, line: &str) -> Result<Step, String> {
        if self.state == State::Greeting {
            return self.greeted(line);
        }
        self.n_lines += 1;
        if self.n_lines > MAX_LINES {
            return Err(format!("an answer has more than {MAX_LINES} lines"));
        }
        if let Some(rest) = line.strip_prefix("* ") {
            return self.told(rest);
        }
        match line.strip_prefix(&format!("a{} ", self.tag)) {
            Some(answer) => self.answered(answer),
            None => Err(format!("this is no answer: {}", shown(line))),
        }
    }

    fn secured(&mut self) -> Step {
        self.secured = true;
        // What was offered in the clear counts for nothing.
        self.capabilities.clear();
        self.say(State::Capability, "CAPABILITY")
    }

    fn facts(&self) -> Vec<(&'static str, Fact)> {
        vec![
            ("greeting", self.greeting.as_str().into()),
            ("capabilities", self.capabilities.clone().into()),
            ("logged_in", self.logged_in.into()),
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
        Login { user: "mon".to_owned(), password: Secret::new("a\"b\\c") }
    }

    const GREETING: &str = "* OK [CAPABILITY IMAP4rev1] ready";

    #[test]
    fn a_server_that_greets_and_says_what_it_can_is_good() {
        let order = order();
        let mut talk = Talk::new(&order);
        let (said, end) = play(&mut talk, &[GREETING, "* CAPABILITY IMAP4rev1 IDLE", "a1 OK done"]);
        assert_eq!(said, ["a1 CAPABILITY", "z LOGOUT"]);
        assert_eq!(end, Ok(()));
        let capabilities = ["IMAP4REV1", "IDLE"].map(str::to_owned).to_vec();
        assert_eq!(talk.facts()[1], ("capabilities", Fact::from(capabilities)));
    }

    #[test]
    fn a_login_goes_over_tls_and_is_quoted() {
        let order = Order { starttls: true, login: Some(login()), ..order() };
        let mut talk = Talk::new(&order);
        let server = [
            GREETING,
            "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED",
            "a1 OK",
            "a2 OK begin",
            "* CAPABILITY IMAP4rev1 AUTH=PLAIN",
            "a3 OK",
            "* CAPABILITY IMAP4rev1 IDLE",
            "a4 OK logged in",
        ];
        let (said, end) = play(&mut talk, &server);
        assert_eq!(
            said,
            [
                "a1 CAPABILITY",
                "a2 STARTTLS",
                "<TLS>",
                "a3 CAPABILITY",
                "a4 LOGIN \"mon\" \"a\\\"b\\\\c\"",
                "z LOGOUT"
            ]
        );
        assert_eq!(end, Ok(()));
        assert_eq!(talk.facts()[2], ("logged_in", Fact::from(true)));
    }

    #[test]
    fn what_is_missing_or_refused_is_said() {
        let capable = Order { capabilities: vec!["IDLE".to_owned()], ..order() };
        let secure = Order { starttls: true, ..order() };
        let login = Order { login: Some(login()), ..order() };
        let greeted = Order { greeting: Some("Dovecot".to_owned()), ..order() };
        let plain = "* CAPABILITY IMAP4rev1";
        for (order, server, wrong) in [
            (&order(), vec!["* BYE full"], "does not greet with `* OK`: * BYE full"),
            (&order(), vec!["220 mail"], "does not greet with `* OK`: 220 mail"),
            (&greeted, vec!["* OK Cyrus"], "the greeting does not contain \"Dovecot\": Cyrus"),
            (
                &order(),
                vec![GREETING, "a1 OK"],
                "does not say that it speaks IMAP4rev1 or IMAP4rev2",
            ),
            (&order(), vec![GREETING, "a1 BAD what"], "refuses CAPABILITY: BAD what"),
            (&order(), vec![GREETING, "* BYE shutdown"], "says farewell: BYE shutdown"),
            (&order(), vec![GREETING, "a7 OK"], "this is no answer: a7 OK"),
            (&capable, vec![GREETING, plain, "a1 OK"], "does not offer IDLE"),
            (&secure, vec![GREETING, plain, "a1 OK"], "does not offer STARTTLS"),
            (
                &login,
                vec![GREETING, plain, "a1 OK", "a2 NO [AUTHENTICATIONFAILED] no"],
                "refuses the login: NO [AUTHENTICATIONFAILED] no",
            ),
            (
                &login,
                vec![GREETING, "* CAPABILITY IMAP4rev1 LOGINDISABLED", "a1 OK"],
                "takes no login over this connection",
            ),
        ] {
            assert_eq!(play(&mut Talk::new(order), &server).1, Err(wrong.to_owned()));
        }
    }

    #[test]
    fn a_server_that_never_ends_its_answer_is_cut_off() {
        let order = order();
        let mut server = vec![GREETING];
        server.extend(std::iter::repeat_n("* 1 EXISTS", MAX_LINES + 1));
        let (_, end) = play(&mut Talk::new(&order), &server);
        assert!(end.unwrap_err().contains("more than"));
    }
}
