//! The dialogue with a mail server (RFC 5321), as a machine.

use hark_conditions::Fact;
use regex::Regex;

use crate::dialogue::{Dialogue, Replies, Reply, Step, shown};

/// A command to give, and what must be answered.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) say: String,
    /// What must be found in the answer; any answer that is not an error where it is absent.
    pub(crate) answer: Option<Regex>,
}

/// What is to be said and heard.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Text that the greeting must contain.
    pub(crate) greeting: Option<String>,
    /// The name we give ourselves.
    pub(crate) helo: String,
    /// TLS is agreed on in the midst of the dialogue.
    pub(crate) starttls: bool,
    /// The sender that must be taken.
    pub(crate) from: Option<String>,
    pub(crate) commands: Vec<Command>,
}

impl Order {
    /// What is said to get to TLS, and nothing else.
    pub(crate) fn to_tls() -> Self {
        let (greeting, from, commands) = (None, None, Vec::new());
        Self { greeting, helo: super::HELO.to_owned(), starttls: true, from, commands }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    From,
    Command(usize),
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    order: &'a Order,
    state: State,
    replies: Replies,
    secured: bool,
    greeting: String,
    extensions: Vec<String>,
    /// The answer to the last command.
    last: Option<String>,
}

const FAREWELL: &str = "QUIT";

impl<'a> Talk<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            order,
            state: State::Greeting,
            replies: Replies::default(),
            secured: false,
            greeting: String::new(),
            extensions: Vec::new(),
            last: None,
        }
    }

    fn take(&mut self, reply: &Reply) -> Result<Step, String> {
        match self.state {
            State::Greeting => self.greeted(reply),
            State::Ehlo if reply.code == 250 => {
                self.extensions =
                    reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
                self.introduced()
            }
            // Servers older than extensions know only HELO; TLS cannot be agreed on with them.
            State::Ehlo if !self.wants_tls() => {
                self.state = State::Helo;
                Ok(Step::Say(format!("HELO {}", self.order.helo)))
            }
            State::Ehlo | State::Helo if reply.code != 250 => {
                Err(format!("refuses our name: {}", shown(&reply.to_string())))
            }
            State::Ehlo | State::Helo => self.introduced(),
            State::StartTls if reply.code == 220 => Ok(Step::Secure),
            State::StartTls => Err(format!("refuses STARTTLS: {}", shown(&reply.to_string()))),
            State::From if reply.is_good() => Ok(self.command(0)),
            State::From => Err(format!("refuses the sender: {}", shown(&reply.to_string()))),
            State::Command(n) => self.answered(n, reply),
        }
    }

    fn greeted(&mut self, reply: &Reply) -> Result<Step, String> {
        if reply.code != 220 {
            return Err(format!("does not greet with 220: {}", shown(&reply.to_string())));
        }
        let text = reply.lines.join("\n");
        if let Some(wanted) = self.order.greeting.as_ref().filter(|wanted| !text.contains(*wanted))
        {
            return Err(format!("the greeting does not contain {wanted:?}: {}", shown(&text)));
        }
        self.greeting = shown(reply.first());
        Ok(self.introduce())
    }

    fn introduce(&mut self) -> Step {
        self.state = State::Ehlo;
        Step::Say(format!("EHLO {}", self.order.helo))
    }

    fn wants_tls(&self) -> bool {
        self.order.starttls && !self.secured
    }

    fn introduced(&mut self) -> Result<Step, String> {
        if self.wants_tls() {
            if !self.offers("STARTTLS") {
                return Err("does not offer STARTTLS".to_owned());
            }
            self.state = State::StartTls;
            return Ok(Step::Say("STARTTLS".to_owned()));
        }
        Ok(match &self.order.from {
            Some(from) => {
                self.state = State::From;
                Step::Say(format!("MAIL FROM:<{from}>"))
            }
            None => self.command(0),
        })
    }

    fn offers(&self, extension: &str) -> bool {
        self.extensions.iter().any(|line| line.split(' ').next() == Some(extension))
    }

    fn command(&mut self, n: usize) -> Step {
        match self.order.commands.get(n) {
            Some(command) => {
                self.state = State::Command(n);
                Step::Say(command.say.clone())
            }
            None => Step::Part(FAREWELL),
        }
    }

    fn answered(&mut self, n: usize, reply: &Reply) -> Result<Step, String> {
        let text = reply.to_string();
        let Some(command) = self.order.commands.get(n) else { return Ok(Step::Part(FAREWELL)) };
        let good = match &command.answer {
            Some(wanted) => wanted.is_match(&text),
            None => reply.is_good(),
        };
        if !good {
            let wanted = command.answer.as_ref().map(|wanted| format!(", not /{wanted}/"));
            let wanted = wanted.unwrap_or_default();
            return Err(format!("answers {:?} with {}{wanted}", command.say, shown(&text)));
        }
        self.last = Some(shown(&text));
        Ok(self.command(n + 1))
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
        self.secured = true;
        // What was offered in the clear counts for nothing (RFC 3207).
        self.extensions.clear();
        self.introduce()
    }

    fn facts(&self) -> Vec<(&'static str, Fact)> {
        vec![
            ("greeting", self.greeting.as_str().into()),
            ("extensions", self.extensions.clone().into()),
            ("answer", self.last.clone().into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::play;

    fn order() -> Order {
        Order {
            greeting: None,
            helo: "mon.example.net".to_owned(),
            starttls: false,
            from: None,
            commands: Vec::new(),
        }
    }

    fn command(say: &str, answer: Option<&str>) -> Command {
        let answer = answer.map(|pattern| Regex::new(pattern).unwrap());
        Command { say: say.to_owned(), answer }
    }

    #[test]
    fn a_server_that_greets_and_takes_our_name_is_good() {
        let order = order();
        let mut talk = Talk::new(&order);
        let (said, end) = play(
            &mut talk,
            &["220 mx.example ESMTP", "250-mx.example", "250-SIZE 10", "250 8BITMIME"],
        );
        assert_eq!(said, ["EHLO mon.example.net", "QUIT"]);
        assert_eq!(end, Ok(()));
        assert_eq!(talk.facts()[0], ("greeting", Fact::from("mx.example ESMTP")));
        let extensions = ["SIZE 10", "8BITMIME"].map(str::to_owned).to_vec();
        assert_eq!(talk.facts()[1], ("extensions", Fact::from(extensions)));
    }

    #[test]
    fn a_server_without_extensions_is_greeted_the_old_way() {
        let order = order();
        let (said, end) =
            play(&mut Talk::new(&order), &["220 old", "502 not implemented", "250 old.example"]);
        assert_eq!(said, ["EHLO mon.example.net", "HELO mon.example.net", "QUIT"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn tls_is_agreed_on_and_the_dialogue_begins_anew() {
        let order = Order { starttls: true, ..order() };
        let mut talk = Talk::new(&order);
        let (said, end) = play(
            &mut talk,
            &["220 mx", "250-mx", "250 STARTTLS", "220 go ahead", "250-mx", "250 AUTH PLAIN"],
        );
        let ehlo = "EHLO mon.example.net";
        assert_eq!(said, [ehlo, "STARTTLS", "<TLS>", ehlo, "QUIT"].map(str::to_owned)[..].to_vec());
        assert_eq!(end, Ok(()));
        let extensions = Fact::from(vec!["AUTH PLAIN".to_owned()]);
        assert_eq!(talk.facts()[1].1, extensions, "what was offered before counts for nothing");
    }

    #[test]
    fn tls_that_is_not_offered_or_refused_is_an_error() {
        let order = Order { starttls: true, ..order() };
        for (server, wrong) in [
            (vec!["220 mx", "250 mx"], "does not offer STARTTLS"),
            (vec!["220 mx", "250-mx", "250 STARTTLSX"], "does not offer STARTTLS"),
            (vec!["220 mx", "502 no"], "refuses our name: 502 no"),
            (vec!["220 mx", "250-mx", "250 STARTTLS", "454 later"], "refuses STARTTLS: 454 later"),
        ] {
            let (_, end) = play(&mut Talk::new(&order), &server);
            assert_eq!(end, Err(wrong.to_owned()));
        }
    }

    #[test]
    fn the_sender_and_each_command_must_be_answered_as_expected() {
        let order = Order {
            from: Some("picomon@localhost.local".to_owned()),
            commands: vec![
                command("RCPT TO:<postmaster@example.net>", Some("^250 2\\.1\\.5")),
                command("RSET", None),
            ],
            ..order()
        };
        let begin = ["220 mx", "250 mx"];
        let mut talk = Talk::new(&order);
        let good = [&begin[..], &["250 ok", "250 2.1.5 fine", "250 reset"]].concat();
        let (said, end) = play(&mut talk, &good);
        assert_eq!(
            said[1..],
            [
                "MAIL FROM:<picomon@localhost.local>",
                "RCPT TO:<postmaster@example.net>",
                "RSET",
                "QUIT"
            ]
        );
        assert_eq!(end, Ok(()));
        assert_eq!(talk.facts()[2].1, Fact::from("250 reset"));
        for (answers, wrong) in [
            (vec!["553 5.1.8 who?"], "refuses the sender: 553 5.1.8 who?"),
            (
                vec!["250 ok", "250 other"],
                "answers \"RCPT TO:<postmaster@example.net>\" with 250 other, not /^250 2\\.1\\.5/",
            ),
            (vec!["250 ok", "250 2.1.5 ok", "502 no"], "answers \"RSET\" with 502 no"),
        ] {
            let (_, end) = play(&mut Talk::new(&order), &[&begin[..], &answers].concat());
            assert_eq!(end, Err(wrong.to_owned()));
        }
    }

    #[test]
    fn an_error_can_be_what_is_expected() {
        let commands = vec![command("RCPT TO:<a@elsewhere.example>", Some("^[45]54"))];
        let order = Order { commands, ..order() };
        let (_, end) = play(&mut Talk::new(&order), &["220 mx", "250 mx", "554 relay denied"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_wrong_greeting_is_an_error() {
        let order = Order { greeting: Some("mx.example".to_owned()), ..order() };
        for (line, wrong) in [
            ("554 go away", "does not greet with 220: 554 go away"),
            ("220 other", "the greeting does not contain \"mx.example\": other"),
            ("SSH-2.0-x", "this is no reply: SSH-2.0-x"),
        ] {
            assert_eq!(play(&mut Talk::new(&order), &[line]).1, Err(wrong.to_owned()));
        }
    }
}
