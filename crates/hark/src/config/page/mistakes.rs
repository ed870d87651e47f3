//! What is wrong with a configuration, for those who show a form instead of the text.

use hark_config::Document;

/// More are not shown at a form: they are counted in the text.
const MAX: usize = 50;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Whether the configuration can be used all the same.
    pub(crate) is_warning: bool,
    /// What is wrong.
    pub(crate) message: String,
    /// The way out.
    pub(crate) hint: Option<String>,
    /// The word that was probably meant.
    pub(crate) suggestion: Option<String>,
    /// The file.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The keys that lead to it from the root, items of lists by their number from 0.
    pub(crate) path: Vec<String>,
}

impl Mistake {
    /// Returns the first ones of a document, errors before warnings.
    pub(crate) fn of(document: &Document) -> Vec<Self> {
        let mut list = document.diagnostics().list();
        list.sort_by_key(|diagnostic| !diagnostic.is_error());
        list.truncate(MAX);
        let mistakes = list.into_iter().map(|diagnostic| {
            let position = document.position(diagnostic.span);
            Self {
                is_warning: !diagnostic.is_error(),
                path: document.path_of(diagnostic.span),
                message: diagnostic.message,
                hint: diagnostic.hint,
                suggestion: diagnostic.suggestion,
                file: position.file.to_string(),
                line: position.line,
            }
        });
        mistakes.collect()
    }
}
