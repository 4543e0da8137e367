//! The table of a suite, as it stands in the README.

use super::Report;

/// One row a report.
pub(crate) fn markdown_table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| scenario | events/s | share of floor | ack p50 / p99 / p99.9 / max ms | event → effect p50 / p99 ms | resident | disk | CPU per event | more |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        text.push_str(&row(report));
    }
    text
}

fn row(report: &Report) -> String {
    let share = report
        .share_of_floor
        .map_or_else(dash, |share| format!("{share:.3}"));
    let ack = report.ack_latency_ms.map_or_else(dash, |l| {
        format!(
            "{} / {} / {} / {}",
            ms(l.p50),
            ms(l.p99),
            ms(l.p999),
            ms(l.max)
        )
    });
    let effect = report
        .effect_latency_ms
        .map_or_else(dash, |l| format!("{} / {}", ms(l.p50), ms(l.p99)));
    let mib = |bytes: Option<u64>| bytes.map_or_else(dash, |bytes| format!("{} MiB", bytes >> 20));
    let cpu = report
        .cpu_us_per_event
        .map_or_else(dash, |us| format!("{us:.1} µs"));
    format!(
        "| `{}`, {} customers | {:.0} | {share} | {ack} | {effect} | {} | {} | {cpu} | {} |\n",
        report.scenario,
        report.customers,
        report.events_per_second,
        mib(report.resident_bytes),
        mib(report.disk_bytes),
        more(report)
    )
}

/// What else the scenario is about.
fn more(report: &Report) -> String {
    let mut parts = Vec::new();
    for phase in report
        .phases
        .iter()
        .filter(|phase| phase.measured && phase.name != report.phase)
    {
        if let Some(first) = phase.first_ack_ms {
            parts.push(format!("{}: first ack {first:.0} ms", phase.name));
            continue;
        }
        if phase.kind == "start" {
            continue;
        }
        let mut part = format!("{}: {:.0}/s", phase.name, phase.events_per_second);
        if let Some(us) = phase.cpu_us_per_event {
            part.push_str(&format!(", {us:.1} µs"));
        }
        if let Some(latency) = phase.ack_latency_ms {
            part.push_str(&format!(", p99 {} ms", ms(latency.p99)));
        }
        if let Some(latency) = phase.refusal_latency_ms {
            let share = phase.share_of_maximum.unwrap_or(0.0);
            part.push_str(&format!(
                ", goodput {share:.2} of the maximum ({:.2} for each second of CPU), refusal p50 {} p99 {} ms",
                phase.share_of_maximum_per_cpu.unwrap_or(0.0),
                ms(latency.p50),
                ms(latency.p99)
            ));
        }
        if let [first, .., last] = phase.stretches.as_slice() {
            part.push_str(&format!("; first twentieth: {first}; last: {last}"));
        }
        parts.push(part);
    }
    if let Some((one_node, ratio)) = report.one_node.as_ref().zip(report.replication_ratio) {
        parts.push(format!(
            "{} nodes: {ratio:.3} of {:.0}/s of one node",
            report.nodes, one_node.events_per_second
        ));
    }
    if let Some(late) = report.timer_lateness_ms {
        parts.push(format!("timers late p99 ≤ {} ms", ms(late.p99)));
    }
    if let Some(bytes) = report.state_bytes_per_customer {
        parts.push(format!("{bytes:.0} B of rows per customer"));
    }
    parts.join("; ")
}

fn dash() -> String {
    "–".to_owned()
}

fn ms(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
