//! What the API counts: requests by operation and code, their durations, what was refused for load.

use std::collections::BTreeMap;
use std::time::Duration;

use journey_types::{DURATION_BOUNDS_US, HistogramCounts};
use parking_lot::Mutex;
use tonic::Code;

use crate::metric_names::{MICROSECONDS, MetricSink, REQUEST_DURATION, REQUESTS, SHED};

/// The operation of each batch on an ingest stream.
pub(crate) const INGEST_STREAM_BATCH: &str = "IngestStreamBatch";
/// Whatever is not an operation of ours.
pub(crate) const OTHER: &str = "other";

/// Why something was refused for load or disk. All of them are exported from the start, so that a rate is never missing.
const CAUSES: [&str; 8] = [
    "CUSTOMER_PARKED",
    "DISK_LOW",
    "HOT_CUSTOMER",
    "NODE_BUSY",
    "NO_SESSION",
    "PARTITION_BUSY",
    "WORKSPACE_BUSY",
    "WORKSPACE_RATE",
];

/// Counts of the API. One lock for a few additions per request, not per event.
#[derive(Debug, Default)]
pub struct ApiMetrics {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// By operation (one of the descriptor's) and code.
    requests: BTreeMap<(&'static str, i32), u64>,
    durations: BTreeMap<&'static str, HistogramCounts>,
    shed: BTreeMap<&'static str, u64>,
}

impl ApiMetrics {
    /// Counts one answered request.
    pub(crate) fn answered(&self, op: &'static str, code: Code, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut counted = self.counted.lock();
        *counted.requests.entry((op, i32::from(code))).or_default() += 1;
        counted
            .durations
            .entry(op)
            .or_insert_with(|| HistogramCounts::new(DURATION_BOUNDS_US))
            .record(took_us);
    }

    /// Counts what was refused for load; refusals of other kinds are not shed.
    pub(crate) fn shed(&self, code: &str, n: u64) {
        if let Some(cause) = CAUSES.iter().find(|cause| **cause == code) {
            *self.counted.lock().shed.entry(cause).or_default() += n;
        }
    }

    /// Tells everything counted.
    pub fn export(&self, sink: &mut dyn MetricSink) {
        let counted = self.counted.lock();
        for ((op, code), n) in &counted.requests {
            let code = code_name(Code::from(*code));
            sink.value(&REQUESTS, &[("op", op), ("code", code)], as_f64(*n));
        }
        for (op, counts) in &counted.durations {
            sink.histogram(&REQUEST_DURATION, &[("op", op)], counts, MICROSECONDS);
        }
        for cause in CAUSES {
            let n = counted.shed.get(cause).copied().unwrap_or(0);
            sink.value(&SHED, &[("cause", cause)], as_f64(n));
        }
    }
}

/// The name of a gRPC code as the specification writes it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are far away, and an exported number is a float"
)]
const fn as_f64(n: u64) -> f64 {
    n as f64
}
