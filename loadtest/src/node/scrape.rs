//! Reads `/metrics` of a node.

use std::collections::BTreeMap;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::limits::{SCRAPE_MAX, SCRAPE_SIZE_BYTES_MAX};

/// The values of one scrape by series, labels included as they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape {
    series: BTreeMap<String, f64>,
}

/// Asks `127.0.0.1:<port>`.
async fn scrape(http: &str) -> anyhow::Result<Scrape> {
    tokio::time::timeout(SCRAPE_MAX, read(http))
        .await
        .context("reading /metrics took too long")?
}

/// What several nodes export, series by series added up.
pub(crate) async fn scrape_all(https: &[String]) -> anyhow::Result<Scrape> {
    let mut sum = Scrape::default();
    for http in https {
        for (name, value) in scrape(http).await?.series {
            *sum.series.entry(name).or_default() += value;
        }
    }
    Ok(sum)
}

async fn read(http: &str) -> anyhow::Result<Scrape> {
    let mut stream = TcpStream::connect(http)
        .await
        .with_context(|| format!("connecting to {http}"))?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream
        .take(SCRAPE_SIZE_BYTES_MAX)
        .read_to_string(&mut text)
        .await?;
    Ok(Scrape::parse(&text))
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let values = text.lines().filter(|line| !line.starts_with('#'));
        let series = values
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect();
        Self { series }
    }

    /// The value of a series.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// Bytes that a tree takes on the disk.
    pub(crate) fn tree_bytes(&self, tree: &str) -> Option<u64> {
        let bytes = self.value(&format!("store_disk_bytes{{tree=\"{tree}\"}}"))?;
        #[expect(clippy::cast_possible_truncation, reason = "a count of bytes")]
        let bytes = bytes as u64;
        Some(bytes)
    }

    /// The cumulated buckets of a histogram: upper bound, count; by bound.
    pub(crate) fn buckets(&self, histogram: &str) -> Vec<(f64, f64)> {
        let prefix = format!("{histogram}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = self
            .series
            .iter()
            .filter_map(|(name, n)| {
                let labels = name.strip_prefix(&prefix)?;
                let (_, bound) = labels.split_once("le=\"")?;
                let (bound, _) = bound.split_once('"')?;
                let bound = match bound {
                    "+Inf" => f64::INFINITY,
                    bound => bound.parse().ok()?,
                };
                Some((bound, *n))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// The bound below which that share of what a histogram counted since an earlier scrape lies; `None` where it
    /// counted nothing. An infinite bound is told as the largest finite one.
    pub(crate) fn quantile_since(
        &self,
        earlier: &Self,
        histogram: &str,
        share: f64,
    ) -> Option<f64> {
        let before: BTreeMap<u64, f64> = earlier
            .buckets(histogram)
            .into_iter()
            .map(|(bound, n)| (bound.to_bits(), n))
            .collect();
        let counts: Vec<(f64, f64)> = self
            .buckets(histogram)
            .into_iter()
            .map(|(bound, n)| {
                let n_before = before.get(&bound.to_bits()).copied().unwrap_or(0.0);
                // Fewer than before: the node was started anew.
                (bound, if n >= n_before { n - n_before } else { n })
            })
            .collect();
        let (_, n_all) = counts.last().copied()?;
        if n_all <= 0.0 {
            return None;
        }
        let largest = counts.iter().rev().find(|(bound, _)| bound.is_finite())?.0;
        let found = counts.iter().find(|(_, n)| *n >= share * n_all)?;
        Some(found.0.min(largest))
    }
}

#[cfg(test)]
mod tests;
