//! A name and a password with which a check logs in.

use hark_config::{Key, Kind, Section};
use hark_model::Secret;

use crate::endpoint::TlsMode;

/// The settings of a login.
pub(crate) const KEYS: [Key; 2] = [
    Key::new("user", Kind::Text, "Name to log in with; without one there is no login."),
    Key::new("password", Kind::Secret, "Its password; it may stand in a file or the environment."),
];

/// The name with which anybody may log in at a file server.
const ANYBODY: &str = "anonymous";

/// What is said as password by anybody: servers want something like an address.
const NO_PASSWORD: &str = "hark@";

/// A name and its password.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// Reads the login. Over a connection in the clear it must be asked for expressly (`tls: false`), so
/// that no password goes there because a line was forgotten.
pub(crate) fn read(section: &Section<'_>, mode: TlsMode) -> Option<Login> {
    let password = section.opt_secret("password");
    let Some(user) = section.parse("user", |text| sayable(text).map(str::to_owned)) else {
        if section.has("password") && !section.has("user") {
            section.error("password", "there is no `user` to log in with");
        }
        return None;
    };
    let anybody = user == ANYBODY;
    if mode == TlsMode::Off && !anybody && !section.has("tls") {
        section
            .error("user", "the password would go over the network in the clear")
            .hint("set `tls: starttls` or `tls: true`; `tls: false` if that is what you want");
    }
    let password = match password {
        Some(password) => password,
        None if anybody => Secret::new(NO_PASSWORD),
        None => {
            section.required("password");
            return None;
        }
    };
    if let Err(why) = sayable(password.expose()) {
        section.error("password", why);
        return None;
    }
    Some(Login { user, password })
}

/// Refuses what would end the line in which it is said, or what old protocols cannot say.
fn sayable(text: &str) -> Result<&str, &'static str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(text);
    }
    Err("only printable ASCII can be said in this protocol")
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn login(text: &str, mode: TlsMode) -> (Option<Login>, String) {
        let document = Document::single(text);
        let login = read(&document.root(&NoSecrets), mode);
        (login, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_password_goes_in_the_clear_only_where_that_is_said() {
        let text = "user: mon\npassword: secret\n";
        assert!(login(text, TlsMode::Off).1.contains("in the clear"));
        assert_eq!(login(&format!("{text}tls: false\n"), TlsMode::Off).1, "");
        let (login, errors) = login(text, TlsMode::StartTls);
        assert_eq!(errors, "");
        assert_eq!(login.unwrap().password.expose(), "secret");
    }

    #[test]
    fn anybody_needs_no_password() {
        let (login, errors) = login("user: anonymous\n", TlsMode::Off);
        assert_eq!(errors, "");
        assert_eq!(login.unwrap().password.expose(), "hark@");
    }

    #[test]
    fn a_login_is_whole_and_can_be_said() {
        for (text, wrong) in [
            ("user: mon\n", "the key `password` is missing"),
            ("password: x\n", "there is no `user`"),
            ("user: \"a\\r\\nDELE 1\"\npassword: x\n", "printable ASCII"),
            ("user: a\npassword: \"x\\nRSET\"\n", "printable ASCII"),
        ] {
            let (login, errors) = login(text, TlsMode::Direct);
            assert!(errors.contains(wrong), "{errors}");
            assert!(login.is_none());
        }
        assert!(login("", TlsMode::Off).0.is_none());
    }
}
