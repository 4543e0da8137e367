//! What can be typed: the commands with their flags, and the help that describes them.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Talks to a journeyd node, and checks and simulates journeys without one.
///
/// Exit codes: 0 fine, 1 the command failed, found errors, or (`ingest`, `simulate`) rejected lines, 2 wrong usage, 10
/// (`cluster health`) not healthy.
#[derive(Debug, Parser)]
#[command(name = "journeyctl", version, max_term_width = 110)]
pub struct Arguments {
    /// Address of a node, or of several, divided by commas: the first that answers is asked.
    #[arg(
        long,
        global = true,
        env = "JOURNEYCTL_ADDRESS",
        default_value = "http://127.0.0.1:7701"
    )]
    pub address: String,
    /// How to print results.
    #[arg(short, long, global = true, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
    /// The workspace of customers, and of lines of event files that name none.
    #[arg(
        long,
        global = true,
        env = "JOURNEYCTL_WORKSPACE",
        default_value = "default"
    )]
    pub workspace: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs: one JSON document (or JSON Lines where a command goes on for ever).
    Json,
}

/// The nouns and verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check, publish, list and count journeys.
    #[command(subcommand)]
    Journey(JourneyCommand),
    /// Send events from files to a node.
    Ingest(IngestArguments),
    /// Look at customers.
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// Ask how the cluster is.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Look at the nodes of the cluster, drain and remove them.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Look at partitions and their replicas, and say which node leads one.
    #[command(subcommand)]
    Partition(PartitionCommand),
    /// Take effects, print each as a JSON line, and acknowledge it.
    Worker(WorkerArguments),
    /// Look at effects that failed too often, try them again or give them up.
    #[command(subcommand)]
    Deadletter(DeadLetterCommand),
    /// Look at commands that failed in the node itself, take them in again or give them up.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Replay recorded events through journeys in virtual time; needs no node.
    ///
    /// Messages count as delivered at once. Calls and tasks are answered at once with null, so `vars.<step>` is null
    /// and neither `sla` nor `timeout` of such a step comes; `journey test` answers them as each test says.
    Simulate(SimulateArguments),
}

/// `journeyctl journey …`
#[derive(Debug, Subcommand)]
pub enum JourneyCommand {
    /// Report every problem of the files, with line, column and suggestion; needs no node.
    Check {
        /// YAML files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Check on the node, against what is published there.
        #[arg(long)]
        online: bool,
    },
    /// Run the tests embedded in the journeys, in virtual time; needs no node. The exit code is 1 when one fails.
    Test {
        /// YAML files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Check and publish the files, all or none; live when it returns.
    Publish {
        /// YAML files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// List the published journeys.
    List,
    /// Show one journey as its author wrote it.
    Show {
        /// The journey.
        id: String,
        /// A version; the newest by default.
        #[arg(long, value_parser = number::<u32>(1..=u64::from(u32::MAX), 2))]
        version: Option<u32>,
    },
    /// Count instances, steps, goals, messages and refusals of one journey.
    Counts {
        /// The journey.
        id: String,
        /// A version; all versions together by default.
        #[arg(long, value_parser = number::<u32>(1..=u64::from(u32::MAX), 2))]
        version: Option<u32>,
    },
    /// Let customers enter a journey that has an entry `api: enroll`.
    ///
    /// The exit code is 1 when one of them did not enter. Repeating the command with the same --id is safe: who entered
    /// before is a duplicate.
    Enroll(EnrollArguments),
    /// Enroll everyone matching, in paced waves: not available yet.
    #[command(hide = true, disable_help_flag = true)]
    Launch {
        /// Anything.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

/// `journeyctl journey enroll …`
#[derive(Debug, Args)]
pub struct EnrollArguments {
    /// The journey.
    pub journey: String,
    /// A customer; may be given several times.
    #[arg(long = "customer", value_name = "ID", required_unless_present = "ids")]
    pub customers: Vec<String>,
    /// A file of customers, `-` for standard input, plain or gzip: one id a line, or JSON Lines
    /// `{"customer_id": …, "id": …, "input": {…}}` of which only `customer_id` must be there.
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// A JSON object that the journey reads as `input`, for every customer that brings none of its own.
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// The idempotency id, for every customer that brings none of its own; a new one by default, which is printed.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// `journeyctl cluster …`
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Show nodes, partitions and everything that is not as it should be, as any node sees it.
    Status {
        /// Again and again.
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Say whether everything is served and every replica is there: exit code 0 when it is so, 10 when not or nobody
    /// answers.
    ///
    /// Degraded is: everything is served, and less may be lost than should be. Before the next node is restarted it should
    /// say healthy.
    Health {
        /// Wait until it is healthy.
        #[arg(long, conflicts_with = "watch")]
        exit_when_healthy: bool,
        /// Again and again.
        #[command(flatten)]
        watch: WatchArguments,
    },
}

/// `journeyctl node …`
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes with what they lead and hold, and whether they answer.
    List {
        /// Again and again.
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Let a node give its replicas away and take none, before it is stopped for long or removed.
    ///
    /// Until they are elsewhere it goes on serving them. Where too few nodes are left each partition keeps fewer replicas.
    Drain {
        /// The node's id.
        #[arg(value_parser = node_id)]
        node: u64,
        /// Wait until it has none left.
        #[arg(long)]
        wait: bool,
    },
    /// Let a node that drains take replicas again.
    Undrain {
        /// The node's id.
        #[arg(value_parser = node_id)]
        node: u64,
    },
    /// Take a node out of the cluster for ever; it must be drained, or down, and stopped.
    Remove {
        /// The node's id.
        #[arg(value_parser = node_id)]
        node: u64,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `journeyctl partition …`
#[derive(Debug, Subcommand)]
pub enum PartitionCommand {
    /// List the partitions with their leader and replicas.
    List {
        /// Only those that are not healthy.
        #[arg(long)]
        unhealthy: bool,
        /// Again and again.
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Show one partition with each of its replicas.
    Describe {
        /// The partition.
        #[arg(value_parser = partition_id)]
        partition: u32,
        /// Again and again.
        #[command(flatten)]
        watch: WatchArguments,
    },
    /// Let a node lead a partition, of which it must have a voting replica.
    ///
    /// Leaders are kept even over the nodes: another partition may go the other way.
    TransferLeader {
        /// The partition.
        #[arg(value_parser = partition_id)]
        partition: u32,
        /// The node that shall lead.
        #[arg(long, value_name = "NODE", value_parser = node_id)]
        to: u64,
    },
}

fn node_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "write the number that `journeyctl node list` shows".to_owned())
}

fn partition_id(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "write the number that `journeyctl partition list` shows".to_owned())
}

/// A whole number from one to another, or what to write instead.
fn number<N: TryFrom<u64>>(
    range: RangeInclusive<u64>,
    example: u64,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let bounds = if *most >= u64::from(u32::MAX) {
                format!("{least} or more")
            } else {
                format!("{least} to {most}")
            };
            format!("write a whole number, {bounds}, such as {example}")
        })
    }
}

/// Whether and how often something is shown again.
#[derive(Debug, Clone, Default, Args)]
pub struct WatchArguments {
    /// Show it again and again, until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// Seconds between two looks of --watch.
    #[arg(long, default_value_t = 2, requires = "watch", value_parser = number::<u32>(1..=3_600, 5))]
    pub interval: u32,
}

/// `journeyctl ingest …`
#[derive(Debug, Args)]
pub struct IngestArguments {
    /// Files of events, `-` for standard input: JSON Lines (native, CloudEvents or Segment, also mixed), or delimited
    /// text with --map; each may be packed with gzip.
    ///
    /// A line that cannot be read, or that the node rejects, is reported with its number and counted, and the rest goes
    /// on; the exit code is then 1. Repeating the command is safe: what was accepted before is a duplicate.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// A YAML file with a `map` document that says how to read lines that are not JSON.
    #[arg(long)]
    pub map: Option<PathBuf>,
    /// Load as history: updates profiles and aggregates, enters nothing, sends nothing.
    #[arg(long)]
    pub history: bool,
    /// Events per request at most, 1 to 1,000.
    #[arg(long, default_value_t = 256, value_parser = number::<u32>(1..=1_000, 500))]
    pub batch: u32,
}

/// `journeyctl customer …`
#[derive(Debug, Subcommand)]
pub enum CustomerCommand {
    /// Profile, history and running instances of one customer.
    Show {
        /// The customer.
        id: String,
    },
    /// What happened to one customer lately, and why.
    Timeline {
        /// The customer.
        id: String,
    },
    /// Profiles and history of customers as JSON Lines.
    Export {
        /// A file with one customer id a line; all customers of the workspace by default.
        #[arg(long)]
        ids: Option<PathBuf>,
    },
}

/// `journeyctl worker …`
#[derive(Debug, Args)]
pub struct WorkerArguments {
    /// Take effects of these channels; without --channel and --queue those of all channels.
    #[arg(long = "channel")]
    pub channels: Vec<String>,
    /// Take calls and tasks of these queues.
    #[arg(long = "queue")]
    pub queues: Vec<String>,
    /// Answer calls and tasks with this JSON value; null by default.
    #[arg(long, value_name = "JSON")]
    pub answer: Option<String>,
    /// Effects that may be unanswered at once.
    #[arg(long, default_value_t = 100, value_parser = number::<u32>(1..=10_000, 50))]
    pub credit: u32,
    /// Stop after that many effects.
    #[arg(long, value_parser = number::<u64>(1..=u64::MAX, 10))]
    pub limit: Option<u64>,
    /// Answer every effect with a failure instead: `now` (it comes again) or `good` (the next channel is tried).
    #[arg(long, value_enum)]
    pub fail: Option<WorkerFailure>,
}

/// How `worker --fail` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkerFailure {
    /// Failed for now.
    Now,
    /// Failed for good.
    Good,
}

/// `journeyctl deadletter …`
#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// List them, the oldest of each partition first.
    List {
        /// Which.
        #[command(flatten)]
        filter: DeadLetterFilter,
    },
    /// Show one with what it says, why, and all attempts.
    Read {
        /// The effect id.
        id: String,
    },
    /// Hand them over anew, each as the same effect with a fresh retry budget.
    Replay {
        /// Which.
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// Which, and how.
        #[command(flatten)]
        what: SetAsideArguments,
    },
    /// Give them up.
    Discard {
        /// Which.
        #[command(flatten)]
        filter: DeadLetterFilter,
        /// Which, and how.
        #[command(flatten)]
        what: SetAsideArguments,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct DeadLetterFilter {
    /// Those that go there: a channel such as `email`, or `queue:care`, or `webhook:crm`.
    #[arg(long)]
    pub channel: Option<String>,
    /// Those of this journey.
    #[arg(long)]
    pub journey: Option<String>,
    /// Those of this customer.
    #[arg(long)]
    pub customer: Option<String>,
}

impl DeadLetterFilter {
    /// Whether it takes everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.channel.is_none() && self.journey.is_none() && self.customer.is_none()
    }
}

/// What is replayed or discarded, and how.
#[derive(Debug, Args)]
pub struct SetAsideArguments {
    /// Ids as listed; without ids and filter everything of the workspace is meant, and asked about.
    pub ids: Vec<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `journeyctl quarantine …`
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List quarantined commands and parked customers.
    List {
        /// Those of this customer.
        #[arg(long)]
        customer: Option<String>,
    },
    /// Show one with its event.
    Show {
        /// Its id.
        id: String,
    },
    /// Take events in again.
    Replay {
        /// Those of this customer.
        #[arg(long)]
        customer: Option<String>,
        /// Which, and how.
        #[command(flatten)]
        what: SetAsideArguments,
    },
    /// Give commands up.
    Discard {
        /// Those of this customer.
        #[arg(long)]
        customer: Option<String>,
        /// Which, and how.
        #[command(flatten)]
        what: SetAsideArguments,
    },
    /// Let a customer go on that was parked after three failures in a minute.
    Release {
        /// The customer.
        customer: String,
    },
}

/// `journeyctl simulate …`
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// YAML files or folders of journeys.
    #[arg(long, required = true, num_args = 1..)]
    pub journeys: Vec<PathBuf>,
    /// Files of events, `-` for standard input: JSON Lines (native, CloudEvents or Segment, also mixed), or delimited
    /// text with --map; each may be packed with gzip. A line that cannot be read is reported and counted, and the rest
    /// goes on; the exit code is then 1.
    #[arg(long, required = true, num_args = 1..)]
    pub events: Vec<PathBuf>,
    /// A YAML file with a `map` document that says how to read lines that are not JSON.
    #[arg(long)]
    pub map: Option<PathBuf>,
    /// Stop virtual time here (RFC 3339); timers due at this very instant still fire. Events after it are left out and
    /// counted as rejected, which is no failure.
    #[arg(long)]
    pub until: Option<String>,
}
