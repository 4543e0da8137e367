//! What is said on each channel: one variant per channel and locale, rendered in the turn that grants it.
//!
//! Templates are MiniJinja with strict undefined: what is not there fails the message unless `default(…)` says what to
//! write instead. They see `customer`, `entry`, `instance`, `vars`, `local` and `now`. Values are escaped for HTML in
//! the `body` of an `email` and in any field called `html`; everywhere else they are written as they are.
//!
//! ```text
//!   fields ──► compile: syntax, names, filters, limits ──► Content
//!   Content + channel + Scope ──► Rendered
//! ```

mod check;
mod filters;
mod limits;
mod locale;
mod needs;
mod tags;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use journey_types::{Channel, ContentId, ContentVersion, Value};
use minijinja::Environment;

use self::check::Finding;
use self::filters::{HTML_SUFFIX, environment};
use self::limits::{
    FIELD_SIZE_BYTES_MAX, FIELDS_PER_VARIANT_MAX, MESSAGE_SIZE_BYTES_MAX, UNDERLINE_SIZE_BYTES_MAX,
};
use self::values::{Reads, context};
use crate::expression::EvaluationError;
use crate::scope::Scope;

pub use self::check::{ContentProblem, ContentSite};
pub(crate) use self::locale::canonical_locale;
pub use self::locale::{LocaleChoice, LocaleFit};
pub(crate) use self::needs::{Needs, lacks};

/// One version of a content document, compiled. Cheap to clone.
#[derive(Clone)]
pub struct Content {
    /// Its id.
    pub id: ContentId,
    /// Its version.
    pub version: ContentVersion,
    /// The variants of each channel in listed order, at least one each.
    pub variants: BTreeMap<Channel, Vec<Variant>>,
    templates: Arc<Templates>,
}

/// The templates of one channel and locale by field: `subject`, `title`, `body` …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Whom it is for, such as `en-GB`; `None`: everybody without a variant of their own.
    pub locale: Option<String>,
    /// MiniJinja sources by field, strict undefined.
    pub fields: BTreeMap<String, String>,
}

/// Rendered fields by name, as they are recorded in the journal.
pub type Rendered = BTreeMap<String, String>;

struct Templates {
    environment: Environment<'static>,
    /// By channel and position of the variant.
    reads: BTreeMap<(Channel, usize), Reads>,
}

impl Content {
    /// Compiles the templates of a content document.
    ///
    /// # Errors
    /// Every problem found: syntax, unknown variables, filters and statements, limits.
    pub fn compile(
        id: ContentId,
        version: ContentVersion,
        variants: BTreeMap<Channel, Vec<Variant>>,
        site: &ContentSite<'_>,
    ) -> Result<Self, Vec<ContentProblem>> {
        let mut environment = environment();
        let mut reads_by_channel = BTreeMap::new();
        let mut problems = Vec::new();
        let listed = variants.iter().flat_map(|(channel, variants)| {
            let variants = variants.iter().enumerate();
            variants.map(move |(position, variant)| ((channel, position), variant))
        });
        for (at, variant) in listed {
            let mut reads = Reads::default();
            if variant.fields.len() > FIELDS_PER_VARIANT_MAX {
                problems.push(too_many_fields(at, variant));
                continue;
            }
            for (field, source) in &variant.fields {
                let name = template_name(at, field);
                let findings = check::check(&name, source, site, &mut reads);
                let is_sound = findings.is_empty();
                let place = |finding| placed(at, field, source, finding);
                problems.extend(findings.into_iter().map(place));
                if is_sound && let Err(error) = environment.add_template_owned(name, source.clone())
                {
                    let finding = Finding {
                        range: 0..0,
                        message: error.to_string(),
                        suggestion: None,
                    };
                    problems.push(place(finding));
                }
            }
            reads_by_channel.insert((at.0.clone(), at.1), reads);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let templates = Arc::new(Templates {
            environment,
            reads: reads_by_channel,
        });
        Ok(Self {
            id,
            version,
            variants,
            templates,
        })
    }

    /// What the variants of each channel cannot be rendered without.
    pub(crate) fn needs(&self) -> BTreeMap<Channel, Needs> {
        let mut by_channel: BTreeMap<Channel, Needs> = BTreeMap::new();
        for ((channel, _), reads) in &self.templates.reads {
            let needs = by_channel.entry(channel.clone()).or_default();
            needs.entry |= reads.needs.entry;
            needs.input |= reads.needs.input;
        }
        by_channel
    }

    /// The variant of a channel for customers of that locale; `None` when it has none for the channel.
    #[must_use]
    pub fn choose(&self, channel: &Channel, locale: Option<&str>) -> Option<LocaleChoice<'_>> {
        locale::choose(self.variants.get(channel)?, locale)
    }

    /// Renders the variant of a channel for the customer's locale: every field of it.
    ///
    /// # Errors
    /// A missing variant, an undefined variable, a template fault or a text beyond its bound, in words.
    pub fn render(
        &self,
        channel: &Channel,
        scope: &Scope<'_>,
    ) -> Result<Rendered, EvaluationError> {
        let locale = scope.customer.traits.get("locale").and_then(Value::as_text);
        let choice = self.choose(channel, locale);
        let reads = |choice: &LocaleChoice<'_>| {
            let at = (channel.clone(), choice.position);
            self.templates.reads.get(&at)
        };
        let Some((choice, reads)) = choice.and_then(|choice| Some((choice, reads(&choice)?)))
        else {
            return Err(EvaluationError {
                reason: format!("content `{}` has no variant for `{channel}`", self.id),
            });
        };
        let context = context(reads, scope)?;
        let mut bytes_left = MESSAGE_SIZE_BYTES_MAX;
        let mut rendered = Rendered::new();
        let at = (channel, choice.position);
        for field in choice.variant.fields.keys() {
            let text = self.render_field(at, field, &context, bytes_left)?;
            bytes_left -= text.len();
            rendered.insert(field.clone(), text);
        }
        Ok(rendered)
    }

    fn render_field(
        &self,
        at: (&Channel, usize),
        field: &str,
        context: &minijinja::value::Value,
        bytes_left: usize,
    ) -> Result<String, EvaluationError> {
        let mut text = Bounded {
            bytes: Vec::new(),
            size_bytes_max: bytes_left.min(FIELD_SIZE_BYTES_MAX),
            is_full: false,
        };
        let template = self
            .templates
            .environment
            .get_template(&template_name(at, field));
        let outcome = template.and_then(|template| {
            template
                .render_captured_to(context.clone(), &mut text)
                .map(drop)
        });
        let channel = at.0;
        let at = |reason: String| EvaluationError {
            reason: format!("content `{}`, {channel} `{field}`{reason}", self.id),
        };
        if text.is_full {
            return Err(at(format!(
                ": more than {} bytes",
                bytes_left.min(FIELD_SIZE_BYTES_MAX)
            )));
        }
        outcome.map_err(|error| at(reason(&error)))?;
        String::from_utf8(text.bytes).map_err(|_| at(": not UTF-8".to_owned()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Content")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("variants", &self.variants)
            .finish_non_exhaustive()
    }
}

/// The name decides about escaping.
fn template_name((channel, position): (&Channel, usize), field: &str) -> String {
    let is_html = field == "html" || (field == "body" && channel.as_str() == "email");
    let suffix = if is_html { HTML_SUFFIX } else { "" };
    format!("{channel}/{position}/{field}{suffix}")
}

/// `, line 3: `customer.traits.first_name` is undefined`.
fn reason(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map(|line| format!(", line {line}"))
        .unwrap_or_default();
    let part = || {
        let part = error.template_source()?.get(error.range()?)?;
        (part.len() <= UNDERLINE_SIZE_BYTES_MAX).then(|| format!("{} in `{part}`", error.kind()))
    };
    let words = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => part().unwrap_or_else(|| error.kind().to_string()),
    };
    format!("{line}: {words}")
}

fn placed(
    (channel, position): (&Channel, usize),
    field: &str,
    source: &str,
    finding: Finding,
) -> ContentProblem {
    let before = source.get(..finding.range.start).unwrap_or_default();
    ContentProblem {
        channel: channel.clone(),
        position,
        field: field.to_owned(),
        line: before.matches('\n').count() + 1,
        range: finding.range,
        message: finding.message,
        suggestion: finding.suggestion,
    }
}

fn too_many_fields(at: (&Channel, usize), variant: &Variant) -> ContentProblem {
    let n_fields = variant.fields.len();
    let finding = Finding {
        range: 0..0,
        message: format!(
            "a variant has at most {FIELDS_PER_VARIANT_MAX} fields, this one has {n_fields}"
        ),
        suggestion: None,
    };
    placed(at, "", "", finding)
}

/// Takes text up to a bound and refuses the rest.
struct Bounded {
    bytes: Vec<u8>,
    size_bytes_max: usize,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.size_bytes_max {
            self.is_full = true;
            return Err(io::Error::other("the text is larger than its bound"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
