//! The drivers over a journal in memory: admission, hand-overs, wake-ups, and what a failure leaves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use journey_customer::{Command, DeliverySettings, IngestMode, Reply};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine, MemoryEngine};
use journey_types::{
    CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EventId, EventName,
    PartitionId, SourceName, TimeSpan, Timestamp, WorkspaceId,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::limits::ACTOR_FAILURES_MAX;
use super::{Intake, PartitionHandle, PartitionOptions, SubmitError};
use crate::DecidedEntry;
use crate::applier::{Applier, Committed, EntryForm};
use crate::clock::Clock;
use crate::core::{
    Answer, Destinations, Refusal, Role, SubmissionOrder, Subscription, WorkerCredit, WorkerId,
};
use crate::journal::{ConfirmationDone, Journal, ProposalDone, ProposeResult};
use crate::replica::{ApplyVerdict, Replica, ReplicaOptions};

const JOURNEY: &str = "
journey: hello
entry: [ { event: signed_up } ]
steps:
  rest: { delay: 300ms, next: say }
  say: { message: { content: hello, channels: [push] }, next: end }
---
content: hello
variants:
  - { channel: push, body: 'Hello {{ customer.id }}' }
";

type Held = (Arc<DecidedEntry>, ProposalDone);

/// Commits at once, unless the test says otherwise.
struct MemoryJournal {
    applier: Mutex<Applier>,
    held: Mutex<Option<VecDeque<Held>>>,
    n_panics: AtomicUsize,
    n_dropped: AtomicUsize,
}

impl MemoryJournal {
    fn commit(&self, entry: Arc<DecidedEntry>, done: ProposalDone) {
        let mut applier = self.applier.lock();
        let lsn = applier.applied().next();
        let entry = Some(EntryForm::Decided(entry));
        let verdicts = applier.apply(&[Committed { lsn, entry }], &Bytes::new());
        drop(applier);
        done(match verdicts.unwrap().as_slice() {
            [ApplyVerdict::Applied] => ProposeResult::Applied { lsn },
            _ => ProposeResult::Superseded,
        });
    }

    fn hold(&self) {
        *self.held.lock() = Some(VecDeque::new());
    }

    fn release(&self) {
        for (entry, done) in self.held.lock().take().into_iter().flatten() {
            self.commit(entry, done);
        }
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    let take = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
        .is_ok()
}

impl Journal for MemoryJournal {
    fn propose(&self, entry: Arc<DecidedEntry>, _encoded: Bytes, done: ProposalDone) {
        assert!(!take_one(&self.n_panics), "the journal fails the test");
        if take_one(&self.n_dropped) {
            return;
        }
        let mut held = self.held.lock();
        if let Some(held) = &mut *held {
            held.push_back((entry, done));
            return;
        }
        drop(held);
        self.commit(entry, done);
    }

    fn confirm_leadership(&self, done: ConfirmationDone) {
        done(true);
    }

    fn holds_lease(&self) -> bool {
        true
    }
}

struct SteadyClock(tokio::time::Instant);

impl Clock for SteadyClock {
    fn monotonic_now(&self) -> std::time::Instant {
        self.0.into_std()
    }

    fn now(&self) -> Timestamp {
        let start = Timestamp::parse("2026-01-05T09:00:00Z").unwrap();
        let elapsed_ms = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        start.plus(TimeSpan::from_ms(elapsed_ms))
    }
}

fn catalog() -> Arc<Catalog> {
    let report = check(&[Source::new("test", JOURNEY)], &Catalog::default());
    assert!(report.is_publishable(), "{}", report.render());
    let published = report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version: 1,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        });
    let published: Vec<_> = published.collect();
    Arc::new(Catalog::build(CatalogRevision::new(1), &published).unwrap())
}

async fn start(requests_max: usize) -> (PartitionHandle, Arc<MemoryJournal>) {
    let engine = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
    let cluster_key = ClusterKey::new([3; 16]);
    let replica = Replica::open(ReplicaOptions {
        partition: PartitionId::new(0),
        cluster_key,
        tree: engine.tree("p").unwrap(),
        engine,
        row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
        customers_size_bytes_max: 1024 * 1024,
    });
    let replica = Arc::new(Mutex::new(replica.unwrap()));
    let (applier, applied) = Applier::new(Arc::clone(&replica));
    let journal = Arc::new(MemoryJournal {
        applier: Mutex::new(applier),
        held: Mutex::default(),
        n_panics: AtomicUsize::new(0),
        n_dropped: AtomicUsize::new(0),
    });
    let handle = PartitionHandle::start(PartitionOptions {
        partition: PartitionId::new(0),
        cluster_key,
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        replica,
        applied,
        clock: Arc::new(SteadyClock(tokio::time::Instant::now())),
        runtime: tokio::runtime::Handle::current(),
        hosted_customers_max: 100,
        memory: crate::core::MemoryBounds::default(),
        requests_max,
        opener_seed: 1,
        clock_step_max: None,
        delivery: DeliverySettings::default(),
        decide: journey_customer::decide,
    });
    let handle = handle.await.unwrap();
    handle.offer_catalog(catalog());
    handle.set_leads(true);
    handle.wait_catalog(CatalogRevision::new(1)).await.unwrap();
    (handle, journal)
}

fn ingest(customer: &str, id: &str) -> Vec<(CustomerKey, Command)> {
    let key = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(customer).unwrap(),
    };
    let event = CustomerEvent {
        customer: key.clone(),
        source: SourceName::new("test").unwrap(),
        id: EventId::new(id).unwrap(),
        name: EventName::new("signed_up").unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    };
    let mode = IngestMode::Live;
    vec![(key, Command::ingest(event, mode))]
}

async fn answer(receiver: oneshot::Receiver<Vec<Answer>>) -> Answer {
    let answers = tokio::time::timeout(Duration::from_secs(20), receiver).await;
    let mut answers = answers.expect("in time").expect("answered");
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Submits until it is taken in and answered, as a caller of a partition that starts anew does.
async fn insist(handle: &PartitionHandle, customer: &str, id: &str) -> Answer {
    for _ in 0..2_000 {
        if let Ok(receiver) = handle.submit(ingest(customer, id), None)
            && let Ok(mut answers) = receiver.await
            && !matches!(answers[0], Answer::Refused(_))
        {
            return answers.remove(0);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the partition does not come back");
}

#[tokio::test]
async fn an_event_becomes_a_hand_over_by_the_partitions_own_timer() {
    let (handle, _journal) = start(10).await;
    let (hand_overs, mut effects) = mpsc::channel(4);
    let credit = WorkerCredit::new();
    credit.add(1);
    let subscription = Subscription {
        worker: WorkerId(1),
        name: "w1".to_owned(),
        workspace: WorkspaceId::default_workspace(),
        destinations: Destinations::everything(),
        credit,
        claim_span: TimeSpan::from_secs(30),
    };
    handle.subscribe(subscription, hand_overs);
    let receiver = handle.submit(ingest("ann", "1"), None).unwrap();
    let Answer::Done {
        reply: Reply::Accepted,
        lsn,
    } = answer(receiver).await
    else {
        panic!("accepted");
    };
    handle.wait_applied(lsn).await.unwrap();
    let effect = tokio::time::timeout(Duration::from_secs(20), effects.recv()).await;
    let effect = effect.expect("in time").expect("handed over");
    assert_eq!(effect.row.message().unwrap().rendered["body"], "Hello ann");
    handle.prove_leadership().await.unwrap();
    handle.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_permits_are_refused_at_once_and_permits_come_back() {
    let (handle, journal) = start(2).await;
    journal.hold();
    let first = handle.submit(ingest("ann", "1"), None).unwrap();
    let second = handle.submit(ingest("bob", "1"), None).unwrap();
    let third = handle.submit(ingest("cid", "1"), None);
    assert_eq!(third.unwrap_err(), SubmitError::Overloaded { n_waiting: 2 });
    // Answered status means that both submissions were taken in before.
    handle.status().await.unwrap();
    journal.release();
    for receiver in [first, second] {
        assert!(matches!(answer(receiver).await, Answer::Done { .. }));
    }
    let again = handle.submit(ingest("cid", "1"), None).unwrap();
    assert!(matches!(answer(again).await, Answer::Done { .. }));
    handle.stop().await;
}

#[tokio::test]
async fn a_partition_without_intake_reads_on_and_goes_on_by_itself() {
    let (handle, _journal) = start(10).await;
    drop(insist(&handle, "ann", "1").await);
    handle.set_intake(Intake::Nothing);
    // The timer of the journey comes due meanwhile: what it would write is refused, and the session with it.
    let mut n_looks = 0;
    while !matches!(handle.status().await.unwrap().role, Role::Waiting { .. }) {
        n_looks += 1;
        assert!(
            n_looks < 4_000,
            "it has no session while nothing may be written"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = handle.submit(ingest("ann", "2"), None);
    assert_eq!(refused.unwrap_err(), SubmitError::DiskLow);
    handle.prove_leadership().await.unwrap();
    handle.set_intake(Intake::Open);
    assert!(matches!(
        insist(&handle, "ann", "2").await,
        Answer::Done { .. }
    ));
    handle.stop().await;
}

#[tokio::test]
async fn nothing_overtakes_what_was_refused_at_the_door() {
    let (handle, _journal) = start(10).await;
    let order = SubmissionOrder::default();
    handle.set_intake(Intake::NoEvents);
    let failed = handle.submit(ingest("ann", "1"), Some(order.clone()));
    assert_eq!(failed.unwrap_err(), SubmitError::DiskLow);
    handle.set_intake(Intake::Open);
    let later = handle
        .submit(ingest("ann", "2"), Some(order.clone()))
        .unwrap();
    assert_eq!(answer(later).await, Answer::Refused(Refusal::RetryInOrder));
    assert!(order.is_resent_by(&ingest("ann", "1")));
    handle.stop().await;
}

#[tokio::test]
async fn a_proposal_whose_callback_is_dropped_counts_as_lost() {
    let (handle, journal) = start(10).await;
    journal.n_dropped.store(1, Ordering::Release);
    let receiver = handle.submit(ingest("ann", "1"), None).unwrap();
    assert_eq!(
        answer(receiver).await,
        Answer::Refused(Refusal::OutcomeUnknown)
    );
    let again = insist(&handle, "ann", "1").await;
    assert!(matches!(
        again,
        Answer::Done {
            reply: Reply::Accepted,
            ..
        }
    ));
    handle.stop().await;
}

#[tokio::test]
async fn an_actor_that_panics_is_started_anew_and_leads_on() {
    let (handle, journal) = start(10).await;
    journal.n_panics.store(1, Ordering::Release);
    let lost = handle.submit(ingest("ann", "1"), None).unwrap();
    assert!(
        lost.await.is_err(),
        "closed without answers: outcome unknown"
    );
    let again = insist(&handle, "ann", "1").await;
    assert!(matches!(
        again,
        Answer::Done {
            reply: Reply::Accepted,
            ..
        }
    ));
    assert_eq!(handle.stopped(), None);
    let status = handle.status().await.unwrap();
    assert!(matches!(status.role, Role::Leading { .. }));
    handle.stop().await;
}

#[tokio::test]
async fn an_actor_that_keeps_panicking_stays_down_and_says_why() {
    let (handle, journal) = start(10).await;
    journal.n_panics.store(usize::MAX, Ordering::Release);
    drop(handle.submit(ingest("ann", "1"), None).unwrap());
    let mut n_looks = 0;
    let reason = loop {
        if let Some(reason) = handle.stopped() {
            break reason;
        }
        n_looks += 1;
        assert!(
            n_looks < 4_000,
            "after {ACTOR_FAILURES_MAX} failures it stays down"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(reason.contains("the journal fails the test"), "{reason}");
    assert!(handle.status().await.is_err());
    handle.stop().await;
}
