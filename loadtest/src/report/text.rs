//! A report for people at a terminal.

use std::fmt;

use super::{Latency, PhaseReport, Report};

/// Batches that left later than this are worth a word.
const SEND_LAG_TOLD_MS: f64 = 2.0;
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p99,
            p999,
            max,
            ..
        } = self;
        write!(
            formatter,
            "p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, max {max:.1} ms"
        )
    }
}

impl fmt::Display for PhaseReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ({}, {:.1} s)",
            self.name, self.kind, self.seconds
        )?;
        if let (Some(first), Some(ending)) = (self.first_ack_ms, self.ending_ms) {
            return write!(
                formatter,
                ": ended in {ending:.0} ms, first ack {first:.0} ms after the start"
            );
        }
        write!(formatter, ": {:.0} events/s", self.events_per_second)?;
        if let Some(offered) = self.offered_per_second {
            write!(formatter, " of {offered:.0} offered")?;
        }
        if let Some(share) = self.share_of_maximum {
            write!(formatter, ", {share:.2} of the maximum")?;
        }
        if let Some(share) = self.share_of_maximum_per_cpu.filter(|_| self.refused > 0) {
            write!(formatter, " ({share:.2} for each second of CPU)")?;
        }
        if let Some(us) = self.cpu_us_per_event {
            write!(formatter, "; {us:.1} us of CPU per event")?;
        }
        if let (Some(node), Some(harness)) = (self.node_cores, self.harness_cores) {
            write!(formatter, "; cores: node {node:.2}, harness {harness:.2}")?;
        }
        if let Some(latency) = &self.ack_latency_ms {
            write!(formatter, "; {latency}")?;
        }
        if let Some(lag) = self.send_lag_ms.filter(|lag| lag.p99 > SEND_LAG_TOLD_MS) {
            write!(formatter, "; sent late by p99 {:.1} ms", lag.p99)?;
        }
        if self.refused > 0 {
            let (all, part) = (self.refused, self.refused_in_part);
            write!(
                formatter,
                "; {all} refused, {part} of them beside accepted ones"
            )?;
        }
        if let Some(latency) = &self.refusal_latency_ms {
            write!(formatter, ", the others in {latency}")?;
        }
        if let Some(latency) = &self.refusal_answer_ms {
            write!(formatter, " ({latency} from when they left)")?;
        }
        for stretch in &self.stretches {
            write!(formatter, "\n    {stretch}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {:.0} events/s",
            self.scenario, self.events_per_second
        )?;
        if let (Some(share), Some(floor)) = (self.share_of_floor, &self.floor) {
            write!(
                formatter,
                ", {share:.3} of the floor ({:.0} events/s)",
                floor.events_per_second
            )?;
        }
        writeln!(formatter)?;
        for phase in &self.phases {
            writeln!(formatter, "  {phase}")?;
        }
        if let Some(latency) = &self.effect_latency_ms {
            writeln!(formatter, "  event to effect at a worker: {latency}")?;
        }
        if let Some(late) = &self.timer_lateness_ms {
            writeln!(
                formatter,
                "  timers late by at most: p50 {:.0} ms, p99 {:.0} ms, p99.9 {:.0} ms",
                late.p50, late.p99, late.p999
            )?;
        }
        writeln!(
            formatter,
            "  {}: {} connections, batches of {}, {} in flight each; {} customers; {} build on {} cores",
            self.form,
            self.connections,
            self.batch,
            self.in_flight,
            self.customers,
            self.machine.build,
            self.machine.cpus
        )?;
        self.write_node(formatter)?;
        self.write_replication(formatter)?;
        if !self.refused.is_empty() {
            let refused: Vec<_> = self
                .refused
                .iter()
                .map(|(reason, n)| format!("{n} {reason}"))
                .collect();
            writeln!(formatter, "  refused for now: {}", refused.join(", "))?;
        }
        self.write_sums(formatter)
    }
}

impl Report {
    fn write_node(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(bytes) = self.resident_bytes {
            parts.push(format!("{:.0} MiB resident", bytes as f64 / MIB));
        }
        if let Some(bytes) = self.resident_bytes_per_customer {
            parts.push(format!("{bytes:.0} B of it grown per customer"));
        }
        if let Some(bytes) = self.disk_bytes {
            parts.push(format!("{:.0} MiB on disk", bytes as f64 / MIB));
        }
        if let Some(bytes) = self.state_bytes_per_customer {
            parts.push(format!("{bytes:.0} B of rows per customer"));
        }
        if let Some(us) = self.cpu_us_per_event {
            parts.push(format!("{us:.1} us of CPU per event"));
        }
        if parts.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "  node: {}", parts.join(", "))
    }

    fn write_replication(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((one_node, ratio)) = self.one_node.as_ref().zip(self.replication_ratio) else {
            return Ok(());
        };
        write!(
            formatter,
            "  {} nodes: {ratio:.3} of the {:.0} events/s of one node in this run",
            self.nodes, one_node.events_per_second
        )?;
        if let Some(latency) = &one_node.ack_latency_ms {
            write!(formatter, ", whose ack is {latency}")?;
        }
        if let Some(us) = one_node.cpu_us_per_event {
            write!(formatter, ", {us:.1} us of CPU per event")?;
        }
        if let Some(ratio) = self.replication_cpu_ratio {
            write!(formatter, " ({ratio:.3} of what all nodes use)")?;
        }
        writeln!(formatter)
    }

    fn write_sums(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sums_proven {
            return write!(formatter, "  sums proven: all {} hold", self.sums.len());
        }
        write!(formatter, "  sums NOT proven:")?;
        for proof in self.missing() {
            write!(formatter, "\n    {proof}")?;
        }
        for failure in &self.failures {
            write!(formatter, "\n    {failure}")?;
        }
        Ok(())
    }
}
