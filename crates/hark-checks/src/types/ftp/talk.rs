//! The dialogue with a file server (RFC 959, RFC 4217), as a machine. Only the control connection is
//! used: no data connection is opened.

use hark_conditions::Fact;

use crate::dialogue::{Dialogue, Replies, Reply, Step, shown};
use crate::login::Login;

/// What is to be said and heard.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Text that the greeting must contain.
    pub(crate) greeting: Option<String>,
    /// TLS is agreed on in the midst of the dialogue.
    pub(crate) starttls: bool,
    pub(crate) login: Option<Login>,
}

impl Order {
    /// What is said to get to TLS, and nothing else.
    pub(crate) fn to_tls() -> Self {
        Self { greeting: None, starttls: true, login: None }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Greeting,
    AuthTls,
    User,
    Pass,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    order: &'a Order,
    state: State,
    replies: Replies,
    greeting: String,
    logged_in: bool,
}

const FAREWELL: &str = "QUIT";

impl<'a> Talk<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            order,
            state: State::Greeting,
            replies: Replies::default(),
            greeting: String::new(),
            logged_in: false,
        }
    }

    fn say(&mut self, state: State, line: impl Into<String>) -> Step {
        self.state = state;
        Step::Say(line.into())
    }

    fn take(&mut self, reply: &Reply) -> Result<Step, String> {
        let said = || shown(&reply.to_string());
        match (self.state, reply.code) {
            // Ready in some minutes; the greeting comes then.
            (State::Greeting, 120) => Ok(Step::Hear),
            (State::Greeting, 220) => self.greeted(reply),
            (State::Greeting, _) => Err(format!("does not greet with 220: {}", said())),
            (State::AuthTls, 234) => Ok(Step::Secure),
            (State::AuthTls, _) => Err(format!("refuses TLS: {}", said())),
            (State::User, 331) => {
                let password = self.order.login.as_ref().map_or("", |l| l.password.expose());
                Ok(self.say(State::Pass, format!("PASS {password}")))
            }
            // 202 says that a password was not needed.
            (State::User, 230) | (State::Pass, 230 | 202) => {
                self.logged_in = true;
                Ok(Step::Part(FAREWELL))
            }
            (State::User | State::Pass, 332) => Err(format!("wants an account: {}", said())),
            (State::User | State::Pass, _) => Err(format!("refuses the login: {}", said())),
        }
    }

    fn greeted(&mut self, reply: &Reply) -> Result<Step, String> {
        let text = reply.lines.join("\n");
        if let Some(wanted) = self.order.greeting.as_ref().filter(|wanted| !text.contains(*wanted))
        {
            return Err(format!("the greeting does not contain {wanted:?}: {}", shown(&text)));
        }
        self.greeting = shown(reply.first());
        Ok(if self.order.starttls { self.say(State::AuthTls, "AUTH TLS") } else { self.log_in() })
    }

    fn log_in(&mut self) -> Step {
        match &self.order.login {
            Some(login) => self.say(State::User, format!("USER {}", login.user)),
            None => Step::Part(FAREWELL),
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
        match self.replies.hear(line)? {
            Some(reply) => self.take(&reply),
            None => Ok(Step::Hear),
        }
    }

    fn secured(&mut self) -> Step {
        self.log_in()
    }

    fn facts(&self) -> Vec<(&'static str, Fact)> {
        vec![("greeting", self.greeting.as_str().into()), ("logged_in", self.logged_in.into())]
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Secret;

    use super::*;
    use crate::dialogue::play;

    fn order() -> Order {
        Order { greeting: None, starttls: false, login: None }
    }

    fn anonymous() -> Login {
        Login { user: "anonymous".to_owned(), password: Secret::new("hark@") }
    }

    #[test]
    fn a_greeting_is_enough() {
        let order = order();
        let (said, end) = play(&mut Talk::new(&order), &["120 wait", "220-a", "b", "220 ready"]);
        assert_eq!(said, ["QUIT"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_login_goes_over_tls() {
        let order = Order { starttls: true, login: Some(anonymous()), ..order() };
        let mut talk = Talk::new(&order);
        let (said, end) =
            play(&mut talk, &["220 ready", "234 go", "331 password", "230-hello", "230 in"]);
        assert_eq!(said[..2], ["AUTH TLS", "<TLS>"]);
        // What comes after TLS is said by `secured`.
        assert_eq!(said[2..], ["USER anonymous", "PASS hark@", "QUIT"]);
        assert_eq!(end, Ok(()));
        assert_eq!(talk.facts()[1], ("logged_in", Fact::from(true)));
    }

    #[test]
    fn some_servers_want_no_password() {
        let order = Order { login: Some(anonymous()), ..order() };
        let (said, end) = play(&mut Talk::new(&order), &["220 ready", "230 in"]);
        assert_eq!(said, ["USER anonymous", "QUIT"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn what_is_refused_is_said() {
        let secure = Order { starttls: true, ..order() };
        let login = Order { login: Some(anonymous()), ..order() };
        let greeted = Order { greeting: Some("vsFTPd".to_owned()), ..order() };
        for (order, server, wrong) in [
            (&order(), vec!["421 full"], "does not greet with 220: 421 full"),
            (&order(), vec!["+OK"], "this is no reply: +OK"),
            (&greeted, vec!["220 ProFTPD"], "the greeting does not contain \"vsFTPd\": ProFTPD"),
            (&secure, vec!["220 x", "530 first log in"], "refuses TLS: 530 first log in"),
            (&login, vec!["220 x", "331 p", "530 no"], "refuses the login: 530 no"),
            (&login, vec!["220 x", "332 account"], "wants an account: 332 account"),
        ] {
            assert_eq!(play(&mut Talk::new(order), &server).1, Err(wrong.to_owned()));
        }
    }
}
