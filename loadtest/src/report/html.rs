//! A report as one HTML file that needs nothing else.

use super::chart::{Line, chart};
use super::{Report, markdown::markdown_table};
use crate::sampler::Sample;

const STYLE: &str = "\
body { font: 14px/1.5 system-ui, sans-serif; max-width: 1020px; margin: 2em auto; padding: 0 1em; color: #111 }
svg { width: 100%; height: auto } text { font-size: 11px; fill: #555 }
polyline { fill: none; stroke-width: 1.5 } .grid { stroke: #ddd; stroke-width: 1 }
pre { background: #f5f5f5; padding: 1em; overflow-x: auto } h2 { margin: 1.4em 0 0; font-size: 16px } p { margin: 0 0 .5em }
.bad { color: #b91c1c } td, th { text-align: left; padding: .1em 1em .1em 0 }";

/// The file.
pub(crate) fn html(report: &Report) -> String {
    let title = escape(&report.scenario);
    let verdict = if report.sums_proven {
        "<p>Every sum holds: what was acknowledged was found again.</p>".to_owned()
    } else {
        "<p class=\"bad\">The sums are NOT proven.</p>".to_owned()
    };
    let sums: String = report
        .sums
        .iter()
        .map(|proof| {
            let class = if proof.holds { "" } else { " class=\"bad\"" };
            format!("<tr{class}><td>{}</td></tr>\n", escape(&proof.to_string()))
        })
        .collect();
    let table = markdown_table(std::slice::from_ref(report));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>loadtest {title}</title>\n\
         <style>\n{STYLE}\n</style></head><body>\n<h1>{title}</h1>\n<p>{}</p>\n{verdict}\n\
         <pre>{}</pre>\n{}\n<h2>Sums</h2>\n<table>\n{sums}</table>\n\
         <h2>As a row of the README</h2>\n<pre>{}</pre>\n</body></html>\n",
        escape(&report.about),
        escape(&report.to_string()),
        charts(report),
        escape(&table),
    )
}

/// Every plot, by time.
fn charts(report: &Report) -> String {
    let of = |read: &dyn Fn(&Sample) -> Option<f64>| -> Vec<(f64, f64)> {
        let samples = report.samples.iter();
        samples
            .filter_map(|sample| Some((sample.at_s, read(sample)?)))
            .collect()
    };
    let line = |name, read: &dyn Fn(&Sample) -> Option<f64>| Line {
        name,
        points: of(read),
    };
    let latency = |read: fn(&super::Latency) -> f64| {
        move |sample: &Sample| sample.ack_latency_ms.as_ref().map(read)
    };
    let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / 1_048_576.0);
    let plots = [
        chart(
            "Throughput",
            "events per second",
            &[
                line("acknowledged", &|s| Some(s.events_per_second)),
                line("refused", &|s| Some(s.refused_per_second)),
            ],
        ),
        chart(
            "Latency of acknowledgements, from the intended send time",
            "milliseconds",
            &[
                line("p50", &latency(|l| l.p50)),
                line("p99", &latency(|l| l.p99)),
                line("p99.9", &latency(|l| l.p999)),
                line("max", &latency(|l| l.max)),
            ],
        ),
        chart(
            "CPU",
            "percent of one core",
            &[
                line("node", &|s| s.cpu_percent),
                line("harness", &|s| s.harness_cpu_percent),
            ],
        ),
        chart(
            "Resident memory of the node",
            "MiB",
            &[line("resident", &|s| mib(s.resident_bytes))],
        ),
        chart(
            "Data folder",
            "MiB",
            &[line("on disk", &|s| mib(s.disk_bytes))],
        ),
        chart(
            "Disk bytes per event",
            "bytes that the folder grew by, for each acknowledged event",
            &[line("growth", &|s| s.disk_bytes_per_event)],
        ),
        chart(
            "Backlog",
            "commands in mailboxes and requests at the door",
            &[line("waiting", &|s| s.backlog)],
        ),
        chart(
            "Timer lateness",
            "milliseconds, p99 of the timers that fired (upper bound of the bucket)",
            &[line("p99", &|s| s.timer_lateness_p99_ms)],
        ),
    ];
    plots.concat()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
