//! Where secrets come from that do not stand in the configuration itself.

/// Reads secrets that the configuration only points to (`{file: …}`, `{env: …}`). Passed in, so
/// that reading a configuration touches neither files nor the environment by itself.
pub trait SecretSource {
    /// Returns the text of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read, in words for the person who wrote the path.
    fn file(&self, path: &str) -> Result<String, String>;

    /// Returns the text of a file that holds a key, which others must not be able to read.
    ///
    /// # Errors
    /// Why it cannot be read, or that others can.
    fn key_file(&self, path: &str) -> Result<String, String> {
        self.file(path)
    }

    /// Returns the value of the environment variable `name`.
    ///
    /// # Errors
    /// Why there is none, in words for the person who wrote the name.
    fn env(&self, name: &str) -> Result<String, String>;
}

/// Knows no secret: for tests and for places without a file system.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn file(&self, _path: &str) -> Result<String, String> {
        Err("secrets from files are not read here".to_owned())
    }

    fn env(&self, _name: &str) -> Result<String, String> {
        Err("secrets from the environment are not read here".to_owned())
    }
}
