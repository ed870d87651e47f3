//! Dialogues that are not made of lines (SSH, XMPP, SIP over TCP): a machine hears the bytes as they come
//! and says what comes next. It decides, and does nothing itself; what carries its turns out is
//! [`crate::session`].

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Hear more.
    Hear,
    /// Say this; then [`Machine::hear`] is called at once with nothing new, for what has come already.
    Say(Vec<u8>),
    /// Agree on TLS, then go on with [`Machine::secured`].
    Secure,
    /// All that was to be seen was seen; say this as farewell, and do not wait for an answer.
    Part(Vec<u8>),
}

/// A dialogue of bytes, on the side of the client. What it keeps of what it heard is bounded by itself.
pub(crate) trait Machine: Send {
    /// Begins, once there is a connection.
    fn begin(&mut self) -> Turn;

    /// Takes what has come.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn hear(&mut self, bytes: &[u8]) -> Result<Turn, String>;

    /// Goes on after TLS was agreed on in the midst of it.
    fn secured(&mut self) -> Turn;
}

/// Plays a machine in a test against `server`, which is given what was said and returns what it answers.
/// Returns all that was said (`<TLS>` where TLS began), and how it ended.
#[cfg(test)]
pub(crate) fn play(
    machine: &mut impl Machine,
    mut server: impl FnMut(&[u8]) -> Vec<u8>,
) -> (Vec<Vec<u8>>, Result<(), String>) {
    let mut said: Vec<Vec<u8>> = Vec::new();
    let mut turn = machine.begin();
    loop {
        let heard = match turn {
            Turn::Hear => match server(&[]) {
                bytes if bytes.is_empty() => return (said, Err("the server hung up".to_owned())),
                bytes => bytes,
            },
            Turn::Say(bytes) => {
                let answer = server(&bytes);
                said.push(bytes);
                answer
            }
            Turn::Secure => {
                said.push(b"<TLS>".to_vec());
                turn = machine.secured();
                continue;
            }
            Turn::Part(bytes) => {
                said.push(bytes);
                return (said, Ok(()));
            }
        };
        turn = match machine.hear(&heard) {
            Ok(turn) => turn,
            Err(wrong) => return (said, Err(wrong)),
        };
    }
}
