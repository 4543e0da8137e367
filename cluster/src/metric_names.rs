//! Names of the metrics of a node: they are part of its contract, dashboards depend on them. Every one is an aggregate
//! over the node, so that no series vanishes when a partition moves.

use journey_partition::PartitionCounters;
use journey_server::metric_names::MetricName;

/// A counter of the partitions, its labels, and where it is read.
pub(crate) type PartitionFigure = (
    MetricName,
    &'static [(&'static str, &'static str)],
    fn(&PartitionCounters) -> u64,
);

/// Label `reason`: which bound was passed, that of the `number` of customers or that of their `memory`.
const PASSIVATIONS: MetricName = MetricName::counter(
    "journey_passivations_total",
    "Customers passivated, by the bound that was passed.",
);

/// What is summed over the partitions' counters.
pub(crate) const PARTITION_FIGURES: [PartitionFigure; 22] = [
    (
        MetricName::counter(
            "journey_events_accepted_total",
            "Events accepted, once applied.",
        ),
        &[],
        |c| c.n_accepted,
    ),
    (
        MetricName::counter("journey_dedupe_hits_total", "Events answered duplicate."),
        &[],
        |c| c.n_duplicates,
    ),
    (
        MetricName::counter(
            "journey_rejections_total",
            "Commands rejected by the domain.",
        ),
        &[],
        |c| c.n_rejected,
    ),
    (
        MetricName::counter(
            "journey_hot_customer_rejections_total",
            "Commands refused because a customer's mailbox was full.",
        ),
        &[],
        |c| c.n_hot_customer,
    ),
    (
        MetricName::counter(
            "journey_quarantined_total",
            "Commands quarantined because deciding them panicked.",
        ),
        &[],
        |c| c.n_quarantined,
    ),
    (
        MetricName::counter(
            "journey_turns_total",
            "Turns decided, also those without facts.",
        ),
        &[],
        |c| c.n_turns,
    ),
    (
        MetricName::counter(
            "journey_timer_fires_total",
            "Turns in which timers fired, once applied.",
        ),
        &[],
        |c| c.n_fires,
    ),
    (
        MetricName::counter(
            "journey_timer_idle_fires_total",
            "Turns in which a due timer turned out stale.",
        ),
        &[],
        |c| c.n_idle_fires,
    ),
    (
        MetricName::counter(
            "journey_effects_handed_over_total",
            "Claims applied and handed over to workers.",
        ),
        &[],
        |c| c.n_handed_over,
    ),
    (
        MetricName::counter(
            "journey_claims_unused_total",
            "Claims applied too late to hand over, or for a worker that had gone.",
        ),
        &[],
        |c| c.n_claims_unused,
    ),
    (
        MetricName::counter(
            "journey_claims_refused_total",
            "Claims refused by the deciding.",
        ),
        &[],
        |c| c.n_claims_refused,
    ),
    (
        MetricName::counter(
            "journey_workers_refused_total",
            "Worker streams refused because there were too many.",
        ),
        &[],
        |c| c.n_workers_refused,
    ),
    (
        MetricName::counter(
            "journey_activations_total",
            "Customers loaded from the replica.",
        ),
        &[],
        |c| c.n_activations,
    ),
    (
        MetricName::counter(
            "journey_transitions_total",
            "Times an instance left a step, once applied.",
        ),
        &[],
        |c| c.of_facts.n_transitions,
    ),
    (
        MetricName::counter(
            "journey_parked_total",
            "Times an instance was parked, once applied.",
        ),
        &[],
        |c| c.of_facts.n_parkings,
    ),
    (
        MetricName::counter(
            "journey_effects_returned_total",
            "Times an effect came back unbegun, from a worker or from a node that could not write it, once applied.",
        ),
        &[],
        |c| c.of_facts.n_returns,
    ),
    (PASSIVATIONS, &[("reason", "number")], |c| {
        c.n_passivations_for_number
    }),
    (PASSIVATIONS, &[("reason", "memory")], |c| {
        c.n_passivations_for_memory
    }),
    (
        MetricName::counter("journey_sessions_total", "Sessions opened."),
        &[],
        |c| c.n_sessions,
    ),
    (
        MetricName::counter("raft_proposals_total", "Entries proposed."),
        &[],
        |c| c.n_proposals,
    ),
    (
        MetricName::counter("raft_proposed_bytes_total", "Bytes proposed."),
        &[],
        |c| c.n_proposed_bytes,
    ),
    (
        MetricName::counter(
            "raft_proposals_lost_total",
            "Own entries refused, lost or void.",
        ),
        &[],
        |c| c.n_lost + c.n_superseded,
    ),
];

/// Label `version`.
pub(crate) const BUILD_INFO: MetricName =
    MetricName::gauge("build_info", "1, with the version of the program.");
/// 0 or 1.
pub(crate) const READY: MetricName =
    MetricName::gauge("journey_ready", "Whether /readyz says ready.");
/// Bytes.
pub(crate) const RESIDENT_MEMORY: MetricName = MetricName::gauge(
    "process_resident_memory_bytes",
    "Resident memory of the process.",
);
pub(crate) const RUNTIME_BUSY: MetricName = MetricName::counter(
    "journey_runtime_busy_seconds_total",
    "How long the runtime's workers were not waiting for work, all of them together.",
);
pub(crate) const RUNTIME_WORKERS: MetricName =
    MetricName::gauge("journey_runtime_workers", "Workers of the runtime.");
pub(crate) const INFLIGHT: MetricName = MetricName::gauge(
    "journey_inflight",
    "Requests with events that wait at the partitions.",
);
pub(crate) const INFLIGHT_LIMIT: MetricName = MetricName::gauge(
    "journey_inflight_limit",
    "Requests with events that may wait at the partitions.",
);
pub(crate) const CUSTOMERS: MetricName =
    MetricName::gauge("journey_customers", "Customers ever heard of.");
pub(crate) const ACTORS_RESIDENT: MetricName = MetricName::gauge(
    "journey_actors_resident",
    "Customers in the memory of the deciding.",
);
pub(crate) const ACTOR_PANICS: MetricName = MetricName::counter(
    "journey_actor_panics_total",
    "Failures of a partition's actor, after each of which it was started anew.",
);
pub(crate) const MAILBOX_COMMANDS: MetricName = MetricName::gauge(
    "journey_mailbox_commands",
    "Commands that wait in mailboxes.",
);
pub(crate) const PARKED: MetricName =
    MetricName::gauge("journey_parked_customers", "Customers parked after panics.");
pub(crate) const ACTIVATION_DURATION: MetricName = MetricName::histogram(
    "journey_activation_duration_seconds",
    "Time to read a customer from rows, of those that were not in memory.",
);
pub(crate) const MAILBOX_DEPTH: MetricName = MetricName::histogram(
    "journey_mailbox_depth",
    "Commands waiting with a customer when one came, itself included.",
);
pub(crate) const DLQ_MESSAGES: MetricName =
    MetricName::gauge("dlq_messages", "Effects among the dead letters.");
pub(crate) const DLQ_BYTES: MetricName = MetricName::gauge(
    "dlq_bytes",
    "What the dead letters take of their budget of 64 MiB a partition.",
);
pub(crate) const DLQ_OLDEST_AGE: MetricName = MetricName::gauge(
    "dlq_oldest_age_seconds",
    "Age of the oldest dead letter; 0 where there is none.",
);
pub(crate) const STOPPED_QUEUES: MetricName = MetricName::gauge(
    "journey_stopped_queues",
    "Queues that stand still because the dead letters take all of their budget.",
);
pub(crate) const QUARANTINED: MetricName = MetricName::gauge(
    "journey_quarantined_commands",
    "Commands that lie in the quarantines.",
);
/// Labels `definition`, the journey's id or `other` beyond the bound, and `state`.
pub(crate) const INSTANCES: MetricName = MetricName::gauge(
    "journey_instances",
    "Instances by journey and state; completed, exited and held out since ever.",
);
pub(crate) const DIRTY_CUSTOMERS: MetricName = MetricName::gauge(
    "journey_dirty_customers",
    "Customers whose rows are behind.",
);
pub(crate) const RESIDENT_CUSTOMERS: MetricName = MetricName::gauge(
    "journey_resident_bytes",
    "Memory that replicas hold in customers, estimated.",
);
pub(crate) const TIMERS_ARMED: MetricName = MetricName::gauge(
    "journey_timers_armed",
    "Timers held in memory: those due first; the rest lies in rows.",
);
/// Label `bucket`: overdue for at most so long, and longer than the bucket before.
pub(crate) const TIMERS_OVERDUE: MetricName = MetricName::gauge(
    "journey_timers_overdue",
    "Timers in memory that are due and did not fire yet, by how long they have been due.",
);
pub(crate) const TIMER_LATENESS: MetricName = MetricName::histogram(
    "journey_timer_lateness_seconds",
    "How long after its instant each timer was stamped that fired, once applied.",
);
pub(crate) const WORKERS: MetricName = MetricName::gauge("journey_workers", "Worker streams.");
pub(crate) const EFFECTS_OFFERED: MetricName = MetricName::gauge(
    "journey_effects_offered",
    "Effects in memory that wait for a worker.",
);
pub(crate) const LEADER_PARTITIONS: MetricName =
    MetricName::gauge("raft_leader_partitions", "Partitions that this node leads.");
pub(crate) const VOTING_REPLICAS: MetricName = MetricName::gauge(
    "raft_voting_replicas",
    "Replicas of partitions on this node that vote.",
);
pub(crate) const LEADERLESS_PARTITIONS: MetricName = MetricName::gauge(
    "raft_leaderless_partitions",
    "Partitions without a known leader.",
);
pub(crate) const STALLED_PARTITIONS: MetricName = MetricName::gauge(
    "raft_stalled_partitions",
    "Things with work that do not move; /healthz?verbose names them.",
);
pub(crate) const APPLY_LAG: MetricName = MetricName::gauge(
    "raft_apply_lag_entries",
    "Entries in the log and not applied, of the partition with most.",
);
pub(crate) const LOG_BYTES: MetricName = MetricName::gauge(
    "raft_log_bytes",
    "Bytes of log entries not purged, all groups together.",
);
pub(crate) const PROPOSAL_DURATION: MetricName = MetricName::histogram(
    "raft_proposal_duration_seconds",
    "Time from a proposal to its outcome: replicated, on disk and applied.",
);
pub(crate) const FLUSH_DURATION: MetricName = MetricName::histogram(
    "store_flush_duration_seconds",
    "Time of a commit of the log: writes and the fsync they share.",
);
pub(crate) const BATCH_ENTRIES: MetricName = MetricName::histogram(
    "store_batch_entries",
    "Writes of the log that shared one fsync.",
);
/// Label `tree`: `log`, `state`, `other`.
pub(crate) const DISK_BYTES: MetricName =
    MetricName::gauge("store_disk_bytes", "What the data folder takes on disk.");
pub(crate) const DISK_FREE: MetricName = MetricName::gauge(
    "store_disk_free_bytes",
    "Room that is left for the data folder: on the disk, or of its budget.",
);
/// Label `state`: `ok`, `low`, `high`, `critical`.
pub(crate) const DISK_STATE: MetricName =
    MetricName::gauge("store_disk_state", "1 for the state that the disk is in.");

/// The figures of connectors have the label `connector`, bounded by the configuration.
pub(crate) const CONNECTOR_INFLIGHT: MetricName = MetricName::gauge(
    "journey_connector_inflight",
    "Effects that a connector delivers or settles.",
);
pub(crate) const CONNECTOR_CREDIT: MetricName = MetricName::gauge(
    "journey_connector_credit",
    "Effects that a connector would take at once.",
);
/// Labels `connector` and `state`.
pub(crate) const CONNECTOR_BREAKER: MetricName = MetricName::gauge(
    "journey_connector_breaker",
    "1 for the state that the connector's circuit breaker is in.",
);
pub(crate) const CONNECTOR_BREAKER_OPENED: MetricName = MetricName::counter(
    "journey_connector_breaker_opened_total",
    "How often a connector's circuit breaker opened.",
);
/// Labels `connector` and `class`.
pub(crate) const CONNECTOR_ATTEMPTS: MetricName = MetricName::counter(
    "journey_connector_attempts_total",
    "Attempts of a connector by how they ended.",
);
pub(crate) const CONNECTOR_LATE: MetricName = MetricName::counter(
    "journey_connector_late_hand_overs_total",
    "Hand-overs to a connector that came too late and were left to expire.",
);
pub(crate) const CONNECTOR_UNSETTLED: MetricName = MetricName::counter(
    "journey_connector_unsettled_total",
    "Attempts of a connector whose outcome no partition took; their effects come again.",
);
