//! `[cluster]`: how this node comes to others and what it is among them.

use journey_consensus::limits::{ADDRESS_SIZE_BYTES_MAX, NODE_WEIGHT_MAX, ZONE_SIZE_BYTES_MAX};
use serde::{Deserialize, Deserializer, de};

use super::{Config, Listen, Millis};

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct ClusterConfig {
    /// Id of the cluster, 16 hexadecimal digits, default none. A new cluster is founded with it, else with one drawn by
    /// chance; a node of another cluster does not start.
    pub id: Option<ClusterId>,
    /// Address where other nodes reach this one, default empty: the node stays alone. By convention port 7703; port 0
    /// takes a free one. An address that is not loopback needs `insecure-listen`.
    pub peer_listen: Listen,
    /// Peer addresses (`host:port`) of members; a node with an empty data folder joins their cluster instead of founding
    /// one. Default none. A node that is a member already comes back to its cluster by itself. One text with commas
    /// between them will do too.
    #[serde(deserialize_with = "addresses")]
    pub join: Vec<String>,
    /// `host:port` of `listen` as clients and other nodes reach it, default the address itself.
    pub advertise: Option<String>,
    /// `host:port` of `peer-listen` as other nodes reach it, default the address itself.
    pub peer_advertise: Option<String>,
    /// What fails together with this node: a rack, a room, a data centre. Default empty, which is one zone. Replicas of a
    /// partition are spread over zones.
    pub zone: String,
    /// This node's share of replicas beside others, 1 to 1000, default 100.
    pub weight: u32,
    /// How long a node may not answer before its replicas are rebuilt elsewhere, 5s to 7d, default 5 min.
    pub down_after: Millis,
}

/// A cluster's id as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterId(u64);

impl ClusterId {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for ClusterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An environment variable of digits alone comes as a number.
        let text = match Digits::deserialize(deserializer)? {
            Digits::Text(text) => text,
            Digits::Number(number) => number.to_string(),
        };
        let number = u64::from_str_radix(&text, 16).ok();
        let number = number.filter(|number| *number > 0 && text.len() <= 16);
        number.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no cluster id; write up to 16 hexadecimal digits, not all of them 0"
            ))
        })
    }
}

/// Text, or what reads as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Digits {
    Text(String),
    Number(u64),
}

/// One text or many.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Texts::deserialize(deserializer)? {
        Texts::Many(addresses) => addresses,
        Texts::One(text) => {
            let addresses = text.split(',').map(str::trim);
            let addresses = addresses.filter(|address| !address.is_empty());
            addresses.map(str::to_owned).collect()
        }
    })
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            id: None,
            peer_listen: Listen::off(),
            join: Vec::new(),
            advertise: None,
            peer_advertise: None,
            zone: String::new(),
            weight: 100,
            down_after: Millis::new(300_000),
        }
    }
}

/// What does not fit in `[cluster]`.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let cluster = &config.cluster;
    let mut problems = Vec::new();
    let peers = cluster.peer_listen.address();
    if peers.is_none() && !cluster.join.is_empty() {
        problems.push(
            "cluster.join is set and cluster.peer-listen is not: other nodes must reach this one; add --peer-listen \
             127.0.0.1:7703 or another address"
                .to_owned(),
        );
    }
    if peers.is_none() && cluster.peer_advertise.is_some() {
        problems.push("cluster.peer-advertise is set and cluster.peer-listen is not".to_owned());
    }
    if peers.is_some() {
        problems.extend(hidden_addresses(config));
    }
    let joins = cluster.join.iter().map(|address| ("join", address));
    let advertised = [
        ("advertise", &cluster.advertise),
        ("peer-advertise", &cluster.peer_advertise),
    ];
    let advertised = advertised
        .into_iter()
        .filter_map(|(key, address)| Some((key, address.as_ref()?)));
    for (key, address) in joins.chain(advertised) {
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        let is_fine = matches!(port, Some(Ok(1..))) && address.len() <= ADDRESS_SIZE_BYTES_MAX;
        if !is_fine {
            problems.push(format!("cluster.{key} = `{address}` is no `host:port`"));
        }
    }
    if cluster.zone.len() > ZONE_SIZE_BYTES_MAX {
        problems.push(format!(
            "cluster.zone is longer than {ZONE_SIZE_BYTES_MAX} bytes"
        ));
    }
    if !(1..=NODE_WEIGHT_MAX).contains(&cluster.weight) {
        problems.push(format!(
            "cluster.weight = {} is not in 1 to {NODE_WEIGHT_MAX}",
            cluster.weight
        ));
    }
    if !(5_000..=604_800_000).contains(&cluster.down_after.get()) {
        problems.push(format!(
            "cluster.down-after = {} is not in 5s to 7d",
            cluster.down_after
        ));
    }
    problems
}

/// Listeners on every address of the machine, whose address others need to be told.
fn hidden_addresses(config: &Config) -> Vec<String> {
    let cluster = &config.cluster;
    let peers = cluster.peer_listen.address();
    let mut problems = Vec::new();
    let shown = [
        (
            "listen",
            Some(config.listen),
            "advertise",
            &cluster.advertise,
        ),
        (
            "cluster.peer-listen",
            peers,
            "peer-advertise",
            &cluster.peer_advertise,
        ),
    ];
    for (key, address, advertise, advertised) in shown {
        let is_any = address.is_some_and(|address| address.ip().is_unspecified());
        if is_any && advertised.is_none() {
            problems.push(format!(
                "{key} is every address of this machine, and other nodes need to know one: set cluster.{advertise}"
            ));
        }
    }
    problems
}
