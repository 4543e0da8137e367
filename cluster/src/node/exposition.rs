//! Metrics as the text that Prometheus reads (format 0.0.4).
//!
//! Written here rather than by a library: what is exported are plain numbers of the crates, taken when asked for, and
//! the common library writes OpenMetrics, which `promtool check metrics` does not take.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use journey_server::metric_names::{MetricKind, MetricName, MetricSink};
use journey_types::HistogramCounts;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Collects metrics, by name.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    metric: MetricName,
    samples: String,
}

impl Exposition {
    /// The text, metrics sorted by name.
    pub(crate) fn into_text(self) -> String {
        let mut text = String::new();
        for (name, family) in self.families {
            let kind = match family.metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            let help = family.metric.help;
            push(
                &mut text,
                format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
            );
            text.push_str(&family.samples);
        }
        text
    }

    fn samples(&mut self, metric: &MetricName) -> &mut String {
        let family = self.families.entry(metric.name).or_insert_with(|| Family {
            metric: *metric,
            samples: String::new(),
        });
        &mut family.samples
    }
}

impl MetricSink for Exposition {
    fn value(&mut self, metric: &MetricName, labels: &[(&'static str, &str)], value: f64) {
        let labels = braced(labels, None);
        let samples = self.samples(metric);
        push(samples, format_args!("{}{labels} {value}\n", metric.name));
    }

    fn histogram(
        &mut self,
        metric: &MetricName,
        labels: &[(&'static str, &str)],
        counts: &HistogramCounts,
        unit: f64,
    ) {
        let name = metric.name;
        let samples = self.samples(metric);
        for (bound, n) in counts.cumulative() {
            let bound = (as_f64(bound) / unit).to_string();
            let labels = braced(labels, Some(&bound));
            push(samples, format_args!("{name}_bucket{labels} {n}\n"));
        }
        let n = counts.n();
        let to_infinity = braced(labels, Some("+Inf"));
        let labels = braced(labels, None);
        let sum = as_f64(counts.sum()) / unit;
        push(samples, format_args!("{name}_bucket{to_infinity} {n}\n"));
        push(
            samples,
            format_args!("{name}_sum{labels} {sum}\n{name}_count{labels} {n}\n"),
        );
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string does not fail");
}

/// `{name="value",le="bound"}`, or nothing.
fn braced(labels: &[(&'static str, &str)], bound: Option<&str>) -> String {
    let bound = bound.map(|bound| ("le", bound));
    let mut text = String::new();
    for (name, value) in labels.iter().copied().chain(bound) {
        text.push(if text.is_empty() { '{' } else { ',' });
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        push(&mut text, format_args!("{name}=\"{value}\""));
    }
    if !text.is_empty() {
        text.push('}');
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are far away, and an exported number is a float"
)]
pub(crate) const fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
