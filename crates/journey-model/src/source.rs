//! The authored files as they come in: a name for people and the text.

/// One file, or what stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What to call it in messages: a path, `<stdin>` …
    pub name: String,
    /// Its text: one or more YAML documents.
    pub text: String,
}

impl Source {
    /// A source of that name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}
