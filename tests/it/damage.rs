//! What a crash may leave is mended, and what is damaged is refused: each kind of damage is made in a real node's folder,
//! and the node that is started on it says one clear thing and ends, or serves.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::process::{Output, Stdio};

use journey_client::wire;
use journey_client::wire::event_result::Status;
use journey_storage::keys::prefix_bounds;
use journey_storage::{DataFolder, DataFolderOptions, Put, Table, Tree};
use tests::{NodeProcess, Refusals, http_get, wait_until};

use crate::world::{World, accept, event, programs};

const JOURNEY: &str = "\
journey: rests
entry: [ { event: started } ]
key: event.id
steps:
  rest: { delay: 1d, next: end }
";
const N_EVENTS: u32 = 40;
/// So many that each of two partitions has some.
const N_CUSTOMERS: u32 = 20;
/// Group of partition 0.
const GROUP: u32 = 1;

/// Which folder the damage is made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// By a killed process: rows are behind the log.
    Killed,
    /// By one that was told to stop: everything is in the state.
    Stopped,
}

/// A node's folder after each way to end.
struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    async fn make() -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let mut world = World::with_journeys(JOURNEY).await?;
        let data = world.folder.path().join("data");
        for number in 0..N_EVENTS {
            accept(&world.client, started(number)).await?;
        }
        world.node.kill()?;
        copy(&data, &root.path().join("Killed"))?;
        world.node.restart()?;
        anyhow::ensure!(world.node.terminate()?.success(), "the node did not stop");
        copy(&data, &root.path().join("Stopped"))?;
        Ok(Self { root })
    }

    /// A copy to make damage in.
    fn copy_of(&self, left: Left, name: &str) -> anyhow::Result<std::path::PathBuf> {
        let to = self.root.path().join(format!("case-{name}"));
        copy(&self.root.path().join(format!("{left:?}")), &to)?;
        Ok(to)
    }
}

fn started(number: u32) -> wire::CustomerEvent {
    event(
        &format!("c{}", number % N_CUSTOMERS),
        &format!("e{number}"),
        "started",
    )
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn open(folder: &Path) -> DataFolder {
    let opened = DataFolder::open(DataFolderOptions {
        path: folder.to_owned(),
        log_cache_bytes: 8 * 1_024 * 1_024,
        state_cache_bytes: 8 * 1_024 * 1_024,
    });
    opened.unwrap()
}

/// Changes rows of the log's tree, durably.
fn in_log(folder: &Path, change: impl FnOnce(&dyn Tree)) {
    let data = open(folder);
    change(data.log().tree("raft").unwrap().as_ref());
    data.log().flush_durable().unwrap();
}

/// Changes rows of one of the state's trees, durably.
fn in_state(folder: &Path, tree: &str, change: impl FnOnce(&dyn Tree)) {
    let data = open(folder);
    change(data.state().tree(tree).unwrap().as_ref());
    data.state().flush_durable().unwrap();
}

fn log_key(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&GROUP.to_be_bytes()[..], &[kind], rest].concat()
}

fn entry_key(index: u64) -> Vec<u8> {
    log_key(1, &index.to_be_bytes())
}

fn last_index(tree: &dyn Tree) -> u64 {
    let last = tree.last_at_or_below(Bound::Excluded(&log_key(2, &[])));
    let (key, _) = last.unwrap().unwrap();
    u64::from_be_bytes(*key[5..].first_chunk().unwrap())
}

fn change_entry(tree: &dyn Tree, index: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let key = entry_key(index);
    let mut row = tree.get(&key).unwrap().unwrap();
    change(&mut row);
    tree.put_ordered(&[Put::set(key, row)]).unwrap();
}

/// A kind of damage, and what the refusal must say beside the folder.
type Case = (&'static str, Left, fn(&Path), &'static [&'static str]);

const REFUSED: &[Case] = &[
    (
        "log-lost",
        Left::Stopped,
        |folder| fs::remove_dir_all(folder.join("log")).unwrap(),
        &[
            "is not a data folder",
            "log/db is missing",
            "restore this one",
        ],
    ),
    (
        "log-ends-before-the-state",
        Left::Stopped,
        |folder| {
            in_log(folder, |tree| {
                let last = last_index(tree);
                tree.put_ordered(&[Put::remove(entry_key(last))]).unwrap();
            });
        },
        &["/log", "group 1 (partition 0)", "reaches index", "ends at"],
    ),
    (
        "state-older-than-a-purge",
        Left::Stopped,
        |folder| {
            in_log(folder, |tree| {
                let last = last_index(tree);
                // format, checksum, protobuf of (term 1, leader 1, index)
                let body = [8, 1, 16, 1, 24, u8::try_from(last).unwrap()];
                let mut mark = vec![1];
                mark.extend(crc32c::crc32c(&body).to_be_bytes());
                mark.extend(body);
                tree.put_ordered(&[Put::set(log_key(3, &[]), mark)])
                    .unwrap();
            });
            let data = open(folder);
            let tree = data.state().tree("p0").unwrap();
            tree.put_ordered(&[Put::remove(b"mfloor\0".to_vec())])
                .unwrap();
            data.state().flush_durable().unwrap();
        },
        &[
            "/log",
            "group 1 (partition 0)",
            "reaches index 0",
            "starts after index",
        ],
    ),
    (
        "vote-lost",
        Left::Killed,
        |folder| {
            in_log(folder, |tree| {
                tree.put_ordered(&[Put::remove(log_key(2, &[]))]).unwrap()
            })
        },
        &["/log", "vote of group 1 (partition 0)", "term 0", "of term"],
    ),
    (
        "hole",
        Left::Killed,
        |folder| {
            in_log(folder, |tree| {
                tree.put_ordered(&[Put::remove(entry_key(3))]).unwrap()
            })
        },
        &[
            "/log",
            "group 1 (partition 0)",
            "damaged at index 3",
            "entry 4 follows",
        ],
    ),
    (
        "checksum",
        Left::Killed,
        |folder| {
            in_log(folder, |tree| {
                change_entry(tree, 3, |row| *row.last_mut().unwrap() ^= 1)
            })
        },
        &[
            "/log",
            "group 1 (partition 0)",
            "damaged at index 3",
            "checksum",
        ],
    ),
    (
        "newer-entry",
        Left::Killed,
        |folder| in_log(folder, |tree| change_entry(tree, 3, |row| row[0] = 7)),
        &[
            "/log",
            "group 1 (partition 0)",
            "entry 3 in format 7",
            "reads format 1",
            "start the release",
        ],
    ),
    (
        "newer-fact",
        Left::Killed,
        |folder| {
            in_log(folder, |tree| {
                let last = last_index(tree);
                change_entry(tree, last, |row| {
                    // The payload is the last field; its first byte is the version of the partition's own format.
                    let at = row.windows(2).position(|two| two[0] == 0x2a).unwrap();
                    let length = 1 + usize::from(row[at + 1] >= 0x80);
                    row[at + 1 + length] = 9;
                    let checksum = crc32c::crc32c(&row[5..]).to_be_bytes();
                    row[1..5].copy_from_slice(&checksum);
                });
            });
        },
        &["partition 0", "does not decode", "version 9", "reads 1"],
    ),
    (
        "newer-folder",
        Left::Stopped,
        |folder| fs::write(folder.join("FORMAT"), "journeyd data format 7\n").unwrap(),
        &["data format 7", "reads up to 1", "start the release"],
    ),
    (
        "newer-row",
        Left::Stopped,
        |folder| {
            let data = open(folder);
            let tree = data.state().tree("p0").unwrap();
            let mut row = tree.get(b"mfloor\0").unwrap().unwrap();
            row[0] = 7;
            tree.put_ordered(&[Put::set(b"mfloor\0".to_vec(), row)])
                .unwrap();
            data.state().flush_durable().unwrap();
        },
        &[
            "/state",
            "partition 0",
            "format 7",
            "reads format 1",
            "start the release",
        ],
    ),
    (
        "not-ours",
        Left::Stopped,
        |folder| fs::remove_file(folder.join("FORMAT")).unwrap(),
        &["is not a data folder", "no FORMAT file"],
    ),
    (
        "side-files-in-log",
        Left::Stopped,
        |folder| fs::write(folder.join("log/blobs/1"), b"x").unwrap(),
        &["/log/blobs", "1 side files", "never synced"],
    ),
    (
        "side-files-in-state",
        Left::Stopped,
        |folder| fs::write(folder.join("state/blobs/1"), b"x").unwrap(),
        &["/state/blobs", "1 side files"],
    ),
    (
        "node-identity-damaged",
        Left::Stopped,
        |folder| {
            in_state(folder, "node", |tree| {
                let mut row = tree.get(&[1]).unwrap().unwrap();
                *row.last_mut().unwrap() ^= 1;
                tree.put_ordered(&[Put::set([1], row)]).unwrap();
            });
        },
        &["tree node", "checksum"],
    ),
    (
        "node-identity-lost",
        Left::Stopped,
        |folder| {
            in_state(folder, "node", |tree| {
                tree.put_ordered(&[Put::remove([1])]).unwrap();
            });
        },
        &["no member of cluster"],
    ),
    (
        "index-of-sled",
        Left::Stopped,
        |folder| damage_index(&folder.join("log")),
        &["/log/snap.", "does not read", "move the file away"],
    ),
];

fn damage_index(database: &Path) {
    let entries = fs::read_dir(database).unwrap().map(|entry| entry.unwrap());
    let index = entries
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("snap."));
    fs::write(index.unwrap(), b"not an index of sled").unwrap();
}

/// Damage that a crash may leave, and the line that tells of its mending.
const MENDED: &[Case] = &[
    (
        "torn-tail",
        Left::Killed,
        |folder| {
            in_log(folder, |tree| {
                let next = last_index(tree) + 1;
                let chunk = [entry_key(next), vec![0, 0]].concat();
                tree.put_ordered(&[Put::set(chunk, vec![7; 500])]).unwrap();
            });
        },
        &[
            " INFO ",
            "dropped a torn tail",
            "group 1 (partition 0)",
            "/log",
        ],
    ),
    (
        "half-written-index-of-sled",
        Left::Killed,
        |folder| {
            for database in ["log", "state"] {
                let path = folder
                    .join(database)
                    .join("snap.00000000FFFFFFFF.generating");
                fs::write(path, b"half an ind").unwrap();
            }
        },
        &[
            " INFO ",
            "half-written index",
            "/log/snap.00000000FFFFFFFF.generating",
        ],
    ),
];

/// Starts a node that is expected to end by itself.
fn start_and_end(folder: &Path) -> Output {
    let child = programs()
        .command("journeyd")
        .args(["start", "--http-listen", "", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(folder)
        .stdin(Stdio::null())
        .output();
    child.unwrap()
}

/// One line that begins with the program's name, and nothing that looks like a crash.
fn refusal_of(name: &str, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{name}: {text}");
    for unwanted in ["panicked", "RUST_BACKTRACE"] {
        assert!(!text.contains(unwanted), "{name}: {text}");
    }
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("journeyd: "))
        .collect();
    assert_eq!(errors.len(), 1, "{name}: {text}");
    errors[0].to_owned()
}

/// Numbers behind such words differ from run to run.
fn numberless(text: &str) -> String {
    const WORDS: [&str; 10] = [
        "index", "entry", "at", "after", "term", "byte", "position", "node", "replica", "cluster",
    ];
    let mut before = "";
    let mut words = Vec::new();
    for word in text.split(' ') {
        let digits = |c: char| c.is_ascii_hexdigit();
        if let Some((head, tail)) = word.split_once("snap.0") {
            words.push(format!("{head}snap.N{}", tail.trim_start_matches(digits)));
            continue;
        }
        if word.starts_with("index=") {
            words.push("index=N".to_owned());
            continue;
        }
        // The id of a cluster is hexadecimal, and may begin with a letter.
        let is_number = before == "cluster" || word.starts_with(|c: char| c.is_ascii_digit());
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        let is_hidden =
            is_number && WORDS.contains(&before) && bare.chars().all(|c| c.is_ascii_hexdigit());
        words.push(if is_hidden {
            word.replace(bare, "N")
        } else {
            word.to_owned()
        });
        before = word;
    }
    words.join(" ")
}

#[tokio::test]
async fn damaged_folders_are_refused_and_crashed_ones_mended() -> anyhow::Result<()> {
    let folders = Folders::make().await?;
    let mut table = Refusals::new(
        "damage",
        "Damaged data folders",
        "What `journeyd start` says of a data folder that is damaged, lost in part, or written by a later release: it does not start, exit \
         code 1, and changes nothing. Numbers of entries, terms and bytes are shown as N.",
    );
    table.section("The start is refused");
    for (name, left, damage, expected) in REFUSED {
        let folder = folders.copy_of(*left, name)?;
        table.replace(&folder.display().to_string(), "FOLDER");
        damage(&folder);
        let refusal = refusal_of(name, &start_and_end(&folder));
        table.row(&name.replace('-', " "), &numberless(&refusal))?;
        for part in *expected {
            assert!(refusal.contains(part), "{name}: no {part:?} in: {refusal}");
        }
        // A refusal changes nothing: the second start says the same.
        let again = refusal_of(name, &start_and_end(&folder));
        assert_eq!(again, refusal, "{name}");
    }
    table.section("What a crash leaves is mended, with one line that says so");
    for (name, left, damage, expected) in MENDED {
        let folder = folders.copy_of(*left, name)?;
        table.replace(&folder.display().to_string(), "FOLDER");
        damage(&folder);
        let node = NodeProcess::start(&programs(), &folder, &[])?;
        let log = node.log();
        let is_told = |line: &&String| expected.iter().all(|part| line.contains(part));
        let n_told = log.iter().filter(is_told).count();
        assert_eq!(n_told, 1, "{name}: {log:#?}");
        let told = log.iter().find(is_told).cloned().unwrap_or_default();
        let (_, told) = told.split_once(" INFO ").unwrap_or_default();
        table.row(&name.replace('-', " "), &numberless(told))?;
        let client = journey_client::Client::connect(node.address()).await?;
        for number in 0..N_EVENTS {
            let result = crate::world::send(&client, started(number)).await?;
            let status = result.status();
            let is_known = status == Status::Duplicate;
            assert!(is_known, "{name}: event {number} is {status:?}");
        }
    }
    table.hold()
}

#[tokio::test]
async fn folder_in_use_is_refused_with_the_process_that_uses_it() -> anyhow::Result<()> {
    let world = World::start().await?;
    let folder = world.folder.path().join("data");
    let refusal = refusal_of("in use", &start_and_end(&folder));
    let user = format!(
        "is in use by another process (process id {})",
        world.node.id()
    );
    assert!(refusal.contains(&user), "{refusal}");
    assert!(
        refusal.contains("stop that process or use another data folder"),
        "{refusal}"
    );
    Ok(())
}

#[tokio::test]
async fn of_processes_that_race_for_a_new_folder_one_gets_it() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("data");
    let race = |number: u32| {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || {
            let started = NodeProcess::start(&programs(), &folder, &["--partitions", "1"]);
            (number, started)
        })
    };
    let (first, second) = tokio::join!(race(1), race(2));
    let (mut winners, mut refusals) = (BTreeSet::new(), Vec::new());
    // Both are kept until both have ended their start: a winner that stops at once would let the other in.
    let ended = [first?, second?];
    for (number, started) in &ended {
        match started {
            Ok(_) => {
                winners.insert(*number);
            }
            Err(error) => refusals.push(error.to_string()),
        }
    }
    assert_eq!(winners.len(), 1, "{refusals:?}");
    assert!(
        refusals[0].contains("is in use by another process"),
        "{refusals:?}"
    );
    Ok(())
}

/// One damaged row stops its partition where it is read, for good and with its reason; the other partition serves on.
#[tokio::test]
async fn a_partition_that_stops_lets_the_others_go_on() -> anyhow::Result<()> {
    let folders = Folders::make().await?;
    let folder = folders.copy_of(Left::Stopped, "one-partition")?;
    {
        let data = open(&folder);
        let tree = data.state().tree("p0")?;
        let (from, to) = prefix_bounds(&Table::Customer.key().finish());
        let from = from.as_ref().map(Vec::as_slice);
        let rows = tree.range(from, to.as_ref().map(Vec::as_slice), 1_000)?;
        assert!(!rows.is_empty(), "no customer of partition 0 was written");
        for (key, mut row) in rows {
            row[0] = 7;
            tree.put_ordered(&[Put::set(key, row)])?;
        }
        data.state().flush_durable()?;
    }
    let mut node = NodeProcess::start(&programs(), &folder, &[])?;
    for _ in 0..2 {
        let client = journey_client::Client::connect(node.address()).await?;
        let (mut stopped, mut served) = (BTreeSet::new(), BTreeSet::new());
        for round in 0..2 {
            for customer in 0..N_CUSTOMERS {
                let number = N_EVENTS + round * N_CUSTOMERS + customer;
                let result = crate::world::send(&client, started(number)).await?;
                match (result.status(), result.reason.as_str()) {
                    (Status::Rejected, "PARTITION_STOPPED") => {
                        let told = &result.message;
                        assert!(told.contains("format 7") && !result.retry, "{result:?}");
                        stopped.insert(customer);
                    }
                    // The one that finds the row has no answer: what became of it is not known.
                    (Status::Rejected, "OUTCOME_UNKNOWN") if round == 0 => {}
                    (Status::Accepted | Status::Duplicate, _) => {
                        served.insert(customer);
                    }
                    _ => panic!("{result:?}"),
                }
            }
        }
        assert!(
            !stopped.is_empty() && !served.is_empty(),
            "{stopped:?} {served:?}"
        );
        assert!(stopped.is_disjoint(&served), "{stopped:?} {served:?}");
        assert_eq!(stopped.len() + served.len(), 20);
        let http = node.http().to_owned();
        let told = wait_until("the stopped partition in /readyz", async || {
            let ready = http_get(&http, "/readyz").ok()?;
            ready.body.contains("partition 0 stopped").then_some(ready)
        });
        let told = told.await?;
        assert_eq!(told.code, 503);
        assert!(told.body.contains("format 7"), "{told:?}");
        // What only the other one has is read as ever.
        let request = wire::GetCustomerRequest {
            customer_id: format!("c{}", served.first().unwrap()),
            ..Default::default()
        };
        client.get_customer(request).await?;
        // A start does not mend it, and keeps nobody else from being served.
        node.kill()?;
        node.restart()?;
    }
    Ok(())
}
