//! What most tests need: a node with a published journey, a client, and the command line against it.

use std::path::Path;

use journey_client::wire::event_result::Status;
use journey_client::{Client, wire};
use journey_types::Value;
use tests::{Ctl, NodeProcess, Programs};

/// The executable that is every program.
pub(crate) fn programs() -> Programs {
    Programs::at(env!("CARGO_BIN_EXE_programs"))
}

/// A node in a temporary folder.
pub(crate) struct World {
    pub(crate) node: NodeProcess,
    pub(crate) client: Client,
    pub(crate) ctl: Ctl,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    /// A node with two partitions (quick to start) and no journeys.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?, &[]).await
    }

    /// The same in a folder that holds files already, with further arguments.
    pub(crate) async fn start_in(
        folder: tempfile::TempDir,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let arguments = [&["--partitions", "2"], arguments].concat();
        let node = NodeProcess::start(&programs(), &folder.path().join("data"), &arguments)?;
        let client = Client::connect(node.address()).await?;
        let ctl = Ctl::new(&programs(), node.address());
        Ok(Self {
            node,
            client,
            ctl,
            folder,
        })
    }

    /// The same with a configuration file.
    pub(crate) async fn start_with(config: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = write_file(folder.path(), "node.toml", config)?;
        let arguments = ["--partitions", "2", "--config", &path];
        let node = NodeProcess::start(&programs(), &folder.path().join("data"), &arguments)?;
        let client = Client::connect(node.address()).await?;
        let ctl = Ctl::new(&programs(), node.address());
        Ok(Self {
            node,
            client,
            ctl,
            folder,
        })
    }

    /// The same with journeys published.
    pub(crate) async fn with_journeys(yaml: &str) -> anyhow::Result<Self> {
        let world = Self::start().await?;
        publish(&world.client, yaml).await?;
        Ok(world)
    }

    /// `kill -9`, start again, connect again.
    pub(crate) async fn crash(&mut self) -> anyhow::Result<()> {
        self.node.kill()?;
        self.node.restart()?;
        self.client = Client::connect(self.node.address()).await?;
        Ok(())
    }

    /// Writes a file below the test's folder and returns its path as text.
    pub(crate) fn file(&self, name: &str, text: &str) -> anyhow::Result<String> {
        write_file(self.folder.path(), name, text)
    }

    /// The end of a test in which nothing was to go wrong: no warning in the node's log.
    pub(crate) fn expect_no_warnings(&self) {
        let warnings = self.node.warnings();
        assert!(warnings.is_empty(), "unexpected warnings: {warnings:#?}");
    }
}

pub(crate) fn write_file(folder: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Publishes YAML.
pub(crate) async fn publish(
    client: &Client,
    yaml: &str,
) -> anyhow::Result<wire::PublishJourneysResponse> {
    let files = vec![wire::SourceFile {
        name: "test.yaml".to_owned(),
        text: yaml.to_owned(),
    }];
    Ok(client
        .publish_journeys(wire::PublishJourneysRequest { files })
        .await?)
}

/// An event of a customer, now.
pub(crate) fn event(customer: &str, id: &str, name: &str) -> wire::CustomerEvent {
    wire::CustomerEvent {
        customer_id: customer.to_owned(),
        id: id.to_owned(),
        name: name.to_owned(),
        ..Default::default()
    }
}

/// The same with properties.
pub(crate) fn event_with(
    customer: &str,
    id: &str,
    name: &str,
    properties: &[(&str, Value)],
) -> wire::CustomerEvent {
    let map = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    wire::CustomerEvent {
        properties: Some(journey_client::struct_from_map(&map)),
        ..event(customer, id, name)
    }
}

/// Sends one event and returns its result.
pub(crate) async fn send(
    client: &Client,
    event: wire::CustomerEvent,
) -> anyhow::Result<wire::EventResult> {
    let request = wire::IngestRequest {
        events: vec![event],
        mode: 0,
    };
    let mut results = client.ingest(request).await?.results;
    results.pop().ok_or_else(|| anyhow::anyhow!("no result"))
}

/// Sends one event and expects it to be accepted.
pub(crate) async fn accept(client: &Client, event: wire::CustomerEvent) -> anyhow::Result<()> {
    let result = send(client, event).await?;
    anyhow::ensure!(
        result.status() == Status::Accepted,
        "not accepted: {result:?}"
    );
    Ok(())
}

/// Counts of a journey.
pub(crate) async fn counts(client: &Client, id: &str) -> anyhow::Result<wire::JourneyCounts> {
    let request = wire::GetJourneyCountsRequest {
        id: id.to_owned(),
        version: 0,
    };
    Ok(client
        .get_journey_counts(request)
        .await?
        .counts
        .unwrap_or_default())
}
