use std::sync::Mutex;

use bytes::Bytes;
use proptest::prelude::*;
use stream_model::{Claim, DiscontinuitySequence, FeedId, MediaSequence, MessageKey, Tracks, WallTime};
use tempfile::TempDir;
use testkit::fakes::{MemoryFeeds, MemoryStore};

use super::*;
use crate::catalog::{BroadcastRecord, BroadcastStage};

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    folder: TempDir,
    store: MemoryStore,
    /// Of which it was told that they were dropped.
    told: Arc<Mutex<Vec<BroadcastId>>>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: MemoryStore::default(), told: Arc::default() }
    }

    fn open(&self) -> Policies {
        let catalog = Catalog::open(&self.folder.path().join("streamer.sqlite3")).unwrap();
        let directory = Arc::new(MemoryFeeds::new(FeedId([9; 32])));
        let told = self.told.clone();
        let dropped = Arc::new(move |broadcast: &BroadcastId| told.lock().unwrap().push(*broadcast));
        Policies::new(catalog, Arc::new(self.store.clone()), directory, dropped)
    }

    async fn add(&self, broadcast: BroadcastId) {
        let claim = Claim::Segment(broadcast, MediaSequence(0));
        self.store.add_file(vec![Bytes::from(broadcast.to_string())], claim).await.unwrap();
    }

    fn is_stored(&self, broadcast: BroadcastId) -> bool {
        self.store.claims().iter().any(|claim| claim.broadcast() == Some(broadcast))
    }
}

fn broadcast(byte: u8) -> BroadcastId {
    BroadcastId(MessageKey([byte; 32]))
}

fn own(id: BroadcastId) -> BroadcastRecord {
    BroadcastRecord {
        id,
        name: "hall".parse().unwrap(),
        stage: BroadcastStage::Live,
        tracks: Tracks { video: true, audio: false },
        target_duration: Duration::from_secs(15),
        archive: true,
        started_at: WallTime(5),
        next_media_sequence: MediaSequence(0),
        discontinuity_sequence: DiscontinuitySequence(0),
    }
}

impl Policies {
    async fn run_for(&self, time: Duration) {
        self.catalog.pass_time(time).await.unwrap();
        self.drop_due().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_never_makes_room_until_the_owner_takes_it_back() {
    let fixture = Fixture::new();
    let policies = fixture.open();
    fixture.store.retain(broadcast(1), Retention::Mirrored).await.unwrap();
    policies.set_policy(broadcast(1), KeepPolicy::Keep).await.unwrap();
    fixture.store.retain(broadcast(1), Retention::Mirrored).await.unwrap();
    assert_eq!(fixture.store.retention(&broadcast(1)), Some(Retention::Kept));
    policies.set_policy(broadcast(1), KeepPolicy::Default).await.unwrap();
    assert_eq!(fixture.store.retention(&broadcast(1)), Some(Retention::Mirrored));
    assert!(policies.policies().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_to_be_dropped_at_once_is_gone_when_the_owner_is_answered() {
    let fixture = Fixture::new();
    let policies = fixture.open();
    fixture.add(broadcast(1)).await;
    fixture.add(broadcast(2)).await;
    policies.set_policy(broadcast(1), KeepPolicy::DropAfter(Duration::ZERO)).await.unwrap();
    assert!(!fixture.is_stored(broadcast(1)) && fixture.is_stored(broadcast(2)));
    assert_eq!(*fixture.told.lock().unwrap(), [broadcast(1)], "who serves it knows");
    assert_eq!(fixture.store.retention(&broadcast(1)), Some(Retention::Passing));
}

#[tokio::test]
async fn a_broadcast_of_this_node_is_not_dropped_before_it_has_ended_and_is_archived() {
    let fixture = Fixture::new();
    let policies = fixture.open();
    let id = broadcast(1);
    policies.catalog.create_broadcast(own(id)).await.unwrap();
    fixture.add(id).await;
    let now = KeepPolicy::DropAfter(Duration::ZERO);
    assert!(matches!(policies.set_policy(id, now).await, Err(KeepPolicyError::Unfinished(refused)) if refused == id));
    policies.set_policy(id, KeepPolicy::DropAfter(HOUR)).await.unwrap();
    policies.run_for(10 * HOUR).await;
    policies.catalog.set_stage(id, BroadcastStage::Ended).await.unwrap();
    policies.run_for(10 * HOUR).await;
    assert!(fixture.is_stored(id), "its archive is not made yet");
    policies.catalog.set_archived(id).await.unwrap();
    policies.run_for(10 * HOUR).await;
    assert_eq!(policies.policies().await.unwrap()[0].dropped_in, Some(HOUR));
    policies.run_for(HOUR).await;
    assert!(!fixture.is_stored(id));
    assert_eq!(policies.policies().await.unwrap()[0].dropped_in, Some(Duration::ZERO));
}

#[tokio::test]
async fn what_was_dropped_and_is_fetched_again_is_not_dropped_again() {
    let fixture = Fixture::new();
    let policies = fixture.open();
    policies.set_policy(broadcast(1), KeepPolicy::DropAfter(Duration::ZERO)).await.unwrap();
    fixture.add(broadcast(1)).await;
    policies.run_for(HOUR).await;
    policies.apply_all().await.unwrap();
    assert!(fixture.is_stored(broadcast(1)));
    assert_eq!(fixture.store.retention(&broadcast(1)), Some(Retention::Passing));
}

#[tokio::test]
async fn a_drop_that_failed_half_way_is_done_in_the_next_round() {
    let fixture = Fixture::new();
    let policies = fixture.open();
    fixture.add(broadcast(1)).await;
    // What a crash leaves between the note of the policy and the store.
    policies.catalog.set_policy(broadcast(1), KeepPolicy::DropAfter(Duration::ZERO)).await.unwrap();
    let policies = fixture.open();
    policies.drop_due().await.unwrap();
    policies.drop_due().await.unwrap();
    assert!(!fixture.is_stored(broadcast(1)));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_node_runs_is_written_down_while_it_does_and_when_it_stops() {
    let fixture = Fixture::new();
    for (round, stop_after) in [(1, 2 * ROUND), (2, HOUR / 2)] {
        let (policies, stop) = (fixture.open(), CancellationToken::new());
        let running = tokio::spawn(policies.clone().run(stop.clone()));
        tokio::time::sleep(stop_after).await;
        stop.cancel();
        running.await.unwrap();
        let (_, ran) = policies.catalog.policies().await.unwrap();
        let expected = if round == 1 { 2 * ROUND } else { 2 * ROUND + HOUR / 2 };
        assert_eq!(ran, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the node's running time is cut by restarts, a broadcast is dropped in the first round after its age is full,
    /// and in none before.
    #[test]
    fn ages_count_over_restarts(runs in prop::collection::vec(1_u64..40, 1..12), age in 1_u64..200) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            fixture.add(broadcast(1)).await;
            let policy = KeepPolicy::DropAfter(Duration::from_secs(age));
            fixture.open().set_policy(broadcast(1), policy).await.unwrap();
            let mut ran = 0;
            for seconds in runs {
                let policies = fixture.open();
                policies.apply_all().await.unwrap();
                policies.run_for(Duration::from_secs(seconds)).await;
                ran += seconds;
                prop_assert_eq!(fixture.is_stored(broadcast(1)), ran < age);
            }
            Ok(())
        })?;
    }
}
