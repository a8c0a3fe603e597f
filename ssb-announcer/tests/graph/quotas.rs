//! Floods: of messages in one feed, and of fresh identities on the word of one neighbour. What exceeds the quotas is
//! refused and counted, and disturbs nobody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use ssb_announcer::announcement::BroadcastDirectory;
use ssb_announcer::feed::{FeedStore, MAX_INTRODUCED_BY_ONE, MAX_READ, OwnAppend, Rejected};
use ssb_announcer::gossip;
use ssb_announcer::graph::{ContactIndex, Contacts};
use ssb_announcer::identity::Identity;
use stream_model::{FeedId, FeedSequence, PeerBook as _};
use tokio_util::sync::CancellationToken;

use crate::announced::GUARD;

/// Counters by name and labels, as `/metrics` shows them.
#[derive(Debug, Default)]
struct Counters(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counters {
    fn value(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

struct Counted(String, Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterFn for Counted {
    fn increment(&self, value: u64) {
        *self.1.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }

    fn absolute(&self, value: u64) {
        self.1.lock().unwrap().insert(self.0.clone(), value);
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: String = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        Counter::from_arc(Arc::new(Counted(format!("{}{labels}", key.name()), self.0.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

/// A feed of messages with so much text in each, as it comes over the wire.
async fn written(author: &Identity, count: usize, chars: usize) -> Vec<Bytes> {
    let store = FeedStore::in_memory(author.id(), vec![]).unwrap();
    let text = "日".repeat(chars);
    let append = |n| OwnAppend {
        identity: author.clone(),
        content_json: format!(r#"{{"type":"post","text":"{n} {text}"}}"#),
        names: None,
    };
    store.append_own((0..count).map(append).collect()).await.unwrap();
    let mut values = Vec::new();
    while values.len() < count {
        let messages = store.get(author.id(), FeedSequence(values.len() as u64 + 1), MAX_READ).await.unwrap();
        values.extend(messages.iter().map(|message| Bytes::copy_from_slice(message.value_json.as_bytes())));
    }
    values
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_floods_is_cut_off_counted_and_taken_up_again_later() {
    let (me, flooder, other) = (identity(1), identity(2), identity(3));
    let store = FeedStore::in_memory(me.id(), vec![Arc::new(ContactIndex)]).unwrap();
    let directory = BroadcastDirectory::open(store.clone(), me.id()).unwrap();
    let contacts = Contacts::open(me, store.clone(), directory, 3).unwrap();
    let cancel = CancellationToken::new();
    let ended = cancel.clone();
    let running = tokio::spawn(async move { contacts.run(ended).await });
    store.want_peer(flooder.id());
    store.want_peer(other.id());

    // More bytes than a feed may bring at once, in far fewer messages than it may.
    let flood = written(&flooder, 1_300, 7_000).await;
    let counters = Counters::default();
    let answers = metrics::with_local_recorder(&counters, || store.append_remote_blocking(&flood)).unwrap();
    let taken = store.clock(&flooder.id());
    assert!((1..1_300).contains(&taken.0), "{taken}");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count() as u64, taken.0);
    assert!(answers.contains(&Err(Rejected::OverQuota(flooder.id()))));
    assert!(counters.value("meshstream_ssb_messages_rejected_total reason=over_quota") > 0, "{counters:?}");
    assert_eq!(counters.value("meshstream_ssb_feeds_paused_total"), 1, "{counters:?}");
    assert!(!store.wanted().borrow().receives(&flooder.id()), "peers are not asked for more");
    let modest = written(&other, 10, 7_000).await;
    assert!(store.append_remote_blocking(&modest).unwrap().iter().all(Result::is_ok), "others are not affected");

    let mut wanted = store.wanted();
    let taken_up = wanted.wait_for(|wanted| wanted.receives(&flooder.id()));
    tokio::time::timeout(Duration::from_secs(60 * 60), taken_up).await.unwrap().unwrap();
    let rest = &flood[usize::try_from(taken.0).unwrap()..];
    assert!(store.append_remote_blocking(&rest[..10]).unwrap().iter().all(Result::is_ok));
    cancel.cancel();
    tokio::time::timeout(GUARD, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn naming_somebody_elses_broadcast_feed_does_not_use_up_its_quota() {
    let (me, honest_feed, flooding_feed) = (identity(1), identity(2), identity(3));
    // Whoever is looked at first.
    let mut authors = [identity(4).id(), identity(5).id()];
    authors.sort_unstable();
    for [attacker, honest] in [authors, [authors[1], authors[0]]] {
        let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
        store.want_peer(attacker);
        store.want_peer(honest);
        let (flooding, live) = (flooding_feed.id(), honest_feed.id());
        store.want_broadcasts([(flooding, attacker), (live, attacker), (live, honest)].into());

        let flood = written(&flooding_feed, 900, 7_000).await;
        let answers = store.append_remote_blocking(&flood).unwrap();
        assert!(answers.contains(&Err(Rejected::OverQuota(flooding))), "only the attacker names it");
        let segments = written(&honest_feed, 10, 7_000).await;
        assert!(store.append_remote_blocking(&segments).unwrap().iter().all(Result::is_ok));
        assert!(store.wanted().borrow().receives(&live));
    }
}

#[tokio::test]
async fn fresh_identities_on_one_neighbours_word_are_refused_beyond_its_budget_and_counted() {
    let me = identity(1);
    let store = FeedStore::in_memory(me.id(), vec![]).unwrap();
    let listen = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0));
    let config = gossip::Config { listen, ..gossip::Config::default() };
    let (gossip, _listener) = gossip::bind(config, me, store.clone()).unwrap();
    let (liar, honest) = (identity(2).id(), identity(3).id());
    let fresh = |n: u8| FeedId([n; 32]);
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, || (100..200).for_each(|n| gossip.introduce(liar, fresh(n))));
    let wanted = || store.wanted().borrow().feeds().len() - 1;
    assert_eq!(wanted(), MAX_INTRODUCED_BY_ONE);
    assert_eq!(counters.value("meshstream_ssb_feeds_refused_total"), 100 - MAX_INTRODUCED_BY_ONE as u64);
    // Whom the liar named too, without room for it, the honest one may still introduce.
    metrics::with_local_recorder(&counters, || gossip.introduce(honest, fresh(199)));
    assert_eq!(wanted(), MAX_INTRODUCED_BY_ONE + 1);
}
