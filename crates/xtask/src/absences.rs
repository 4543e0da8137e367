//! What must not be named where (STYLE section 2, absences A1, A3, A4, A10), looked for in the source text.

use std::path::Path;

use crate::shapes::{is_test, rust_files};

struct Absence {
    /// Words that must not stand in the code.
    words: &'static [&'static str],
    /// Folders the rule covers; empty: everywhere.
    within: &'static [&'static str],
    /// Folders or files (by substring of the path) that may.
    except: &'static [&'static str],
    /// The rule, for people.
    rule: &'static str,
}

const PURE: &[&str] = &[
    "crates/journey-types/",
    "crates/journey-model/",
    "crates/journey-customer/",
];

const ABSENCES: &[Absence] = &[
    Absence {
        words: &[
            "tokio::",
            "ractor::",
            "tonic::",
            "sled::",
            "openraft::",
            "std::fs",
            "std::net",
            "std::thread",
            "std::env",
            "Instant::now",
            "SystemTime",
            "rand::",
        ],
        within: PURE,
        except: &[],
        rule: "A1: floors 0 to 2 do no IO, read no clock, draw nothing",
    },
    Absence {
        words: &["sled::"],
        within: &[],
        except: &["crates/journey-storage/", "crates/xtask/"],
        rule: "A3: only journey-storage names sled",
    },
    Absence {
        words: &["openraft::"],
        within: &[],
        except: &["crates/journey-consensus/", "crates/xtask/"],
        rule: "A3: only journey-consensus names openraft",
    },
    Absence {
        words: &["ractor::"],
        within: &[],
        except: &["actor", "crates/xtask/"],
        rule: "A3: only modules called actor name ractor",
    },
    Absence {
        words: &["journey_proto"],
        within: PURE,
        except: &[],
        rule: "A4: floors 0 to 2 name no generated type",
    },
    Absence {
        words: &["unbounded_channel", "mpsc::channel()", "channel::unbounded"],
        within: &[],
        except: &["crates/xtask/"],
        rule: "A10: no unbounded queue",
    },
    Absence {
        words: &[
            "FIXME",
            "todo!(",
            "unimplemented!(",
            "#[ignore",
            "#[should_panic",
        ],
        within: &[],
        except: &["crates/xtask/"],
        rule: "nothing unfinished and no test that is switched off",
    },
];

/// Whether the code holds the word at the start of a name: `Operand::of` does not name `rand::`.
fn names(code: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !(word.starts_with(is_word) && code[..at].ends_with(is_word)))
}

/// Finds forbidden words outside comments.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in rust_files(root)? {
        let path = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = std::fs::read_to_string(&file)?;
        for absence in ABSENCES {
            let covered = absence.within.is_empty()
                || absence.within.iter().any(|folder| path.starts_with(folder));
            let excepted = absence.except.iter().any(|part| path.contains(part));
            // Tests of pure crates may read files (golden data, real input), their benches the clock.
            let is_outside = is_test(&path) || path.contains("/benches/");
            if !covered || excepted || (is_outside && absence.rule.starts_with("A1")) {
                continue;
            }
            for (line_idx, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or("");
                if let Some(word) = absence.words.iter().find(|word| names(code, word)) {
                    findings.push(format!(
                        "{path}:{}: `{word}`: {}",
                        line_idx + 1,
                        absence.rule
                    ));
                }
            }
        }
    }
    Ok(findings)
}
