//! One file, one thread: whatever waits is written together and shares one fsync.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::limits::FLOOR_QUEUE_MAX;

/// What is to be appended, and who waits for it.
type Append = (Vec<u8>, oneshot::Sender<()>);

/// Appends durably. Clones share the file.
#[derive(Debug, Clone)]
pub(crate) struct FloorFile {
    queue: mpsc::Sender<Append>,
}

impl FloorFile {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        let (queue, waiting) = mpsc::channel(FLOOR_QUEUE_MAX);
        std::thread::Builder::new()
            .name("floor-file".to_owned())
            .spawn(move || write_all(file, waiting))
            .context("starting the floor's writer")?;
        Ok(Self { queue })
    }

    /// Gives bytes to the writer; the receiver hears when they are on disk.
    pub(crate) async fn append(&self, bytes: Vec<u8>) -> Result<oneshot::Receiver<()>, Status> {
        let (done, on_disk) = oneshot::channel();
        self.queue
            .send((bytes, done))
            .await
            .map_err(|_| Status::unavailable("the floor's file failed"))?;
        Ok(on_disk)
    }
}

/// Ends when nobody can append any more, or with the file: whoever waits hears that its sender is gone.
fn write_all(mut file: File, mut waiting: mpsc::Receiver<Append>) {
    let mut bytes = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        bytes.clear();
        let mut group = vec![first.1];
        bytes.extend_from_slice(&first.0);
        while let Ok((more, done)) = waiting.try_recv() {
            bytes.extend_from_slice(&more);
            group.push(done);
        }
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            eprintln!("floor: {error}");
            return;
        }
        for done in group {
            if done.send(()).is_err() {
                // Whoever went away does not wait any more.
                continue;
            }
        }
    }
}
