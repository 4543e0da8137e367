//! Cuts a line into its columns.

/// What stands between two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// Any number of blanks and tabs; those around the line do not count.
    Whitespace,
    /// One character; a column may stand in double quotes, where `""` is a quote.
    Character(char),
}

impl Delimiter {
    /// The columns of a line without its line break.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn columns(self, line: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Whitespace => Ok(line.split_whitespace().map(str::to_owned).collect()),
            Self::Character(delimiter) => quoted_columns(line, delimiter),
        }
    }

    /// As it is written in a map.
    pub(super) fn word(self) -> String {
        match self {
            Self::Whitespace => "whitespace".to_owned(),
            Self::Character(delimiter) => delimiter.to_string(),
        }
    }
}

fn quoted_columns(line: &str, delimiter: char) -> Result<Vec<String>, String> {
    let mut columns = Vec::new();
    let mut rest = line;
    loop {
        let (column, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_column(quoted)?
        } else {
            let end = rest.find(delimiter).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        columns.push(column);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(columns),
            None => {
                let n = columns.len();
                return Err(format!("column {n} goes on after its closing quote"));
            }
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted_column(text: &str) -> Result<(String, &str), String> {
    let mut column = String::new();
    let mut rest = text;
    loop {
        let Some(quote) = rest.find('"') else {
            return Err("a quoted column is never closed on its line".to_owned());
        };
        column.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                column.push('"');
                rest = after;
            }
            None => return Ok((column, rest)),
        }
    }
}
