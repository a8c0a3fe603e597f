//! Whom the survey asks, when, and what it believes.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::known::Known;
use super::super::peer::Own;
use super::super::record::tests::{info, peer_id, record};
use super::*;
use stream_model::{KnownNode, LinkKind, Location, NodeIdentity, ToldLink};

const AT: &str = "10.0.0.9:8080";

fn feed(seed: u8) -> FeedId {
    info(seed).ssb.feed
}

fn places(seeds: std::ops::Range<u8>) -> Vec<(FeedId, Vec<PeerAddress>)> {
    seeds.map(|seed| (feed(seed), vec![format!("10.0.0.{seed}:80").parse().unwrap()])).collect()
}

/// All questions that are asked from now on, without an answer to any.
fn polled(plan: &mut Plan, from: Instant, seconds: u64) -> Vec<FeedId> {
    let times = (0..seconds * 4).map(|quarter| from + Duration::from_millis(250 * quarter));
    let asked = times.filter_map(|now| {
        let question = plan.poll(now)?;
        plan.handle(question.feed, None, "open", now);
        Some(question.feed)
    });
    asked.collect()
}

#[test]
fn nobody_is_asked_unless_somebody_looks_and_then_slowly() {
    let (mut plan, start) = (Plan::default(), Instant::now());
    plan.set_places(places(1..100), start);
    assert_eq!(polled(&mut plan, start, 60), []);
    plan.look(start);
    let asked = polled(&mut plan, start, 10);
    assert_eq!(asked.len(), 20, "two a second");
    let later = start + AWAKE;
    assert_eq!(polled(&mut plan, later, 60), [], "nobody has looked any more");
    plan.look(later);
    assert!(polled(&mut plan, later, 10).iter().all(|feed| !asked.contains(feed)), "those that wait come first");
}

#[test]
fn few_questions_are_open_at_a_time() {
    let (mut plan, start) = (Plan::default(), Instant::now());
    plan.set_places(places(1..100), start);
    plan.look(start);
    let open = (0..100).filter_map(|number| plan.poll(start + PACE * number)).count();
    assert_eq!(open, MAX_AT_ONCE);
}

#[test]
fn one_that_does_not_answer_is_asked_more_and_more_rarely_at_all_its_addresses() {
    let (mut plan, mut now) = (Plan::default(), Instant::now());
    let addresses: Vec<PeerAddress> = (1..=7).map(|last| format!("10.0.0.{last}:80").parse().unwrap()).collect();
    plan.set_places(vec![(feed(1), addresses.clone())], now);
    let mut tried = Vec::new();
    for pause in [60, 120, 240, 480, 600, 600] {
        plan.look(now);
        let question = plan.poll(now).unwrap();
        assert_eq!(question.addresses.len(), MAX_TRIED);
        tried.extend(question.addresses);
        plan.handle(feed(1), None, "open", now);
        plan.look(now + Duration::from_secs(pause - 1));
        assert!(plan.poll(now + Duration::from_secs(pause - 1)).is_none(), "{pause}");
        now += Duration::from_secs(pause);
    }
    assert!(addresses.iter().all(|address| tried.contains(address)), "{tried:?}");
}

#[test]
fn only_the_word_of_who_was_meant_counts_and_no_longer_than_records_do() {
    let (mut plan, now) = (Plan::default(), Instant::now());
    let at: SocketAddr = AT.parse().unwrap();
    plan.set_places(places(1..2), now);
    let hear = |plan: &mut Plan, said: NodeInfo, now| {
        plan.look(now);
        plan.poll(now);
        plan.handle(feed(1), Some(Answer::said(said, "\"a\"", at)), "open", now);
        plan.answers().count()
    };
    assert_eq!(hear(&mut plan, info(2), now), 0, "another node");
    let elsewhere = NodeInfo { community: "elsewhere".into(), ..info(1) };
    assert_eq!(hear(&mut plan, elsewhere, now + MAX_PAUSE), 0, "another community");
    let now = now + MAX_PAUSE * 2;
    let links = vec![ToldLink::new(feed(2), LinkKind::Lan, Some(3), None)];
    let said = NodeInfo { links: links.clone(), ..info(1) };
    assert_eq!(hear(&mut plan, said, now), 1);
    let (_, heard) = plan.answers().next().unwrap();
    assert_eq!(heard.said.unwrap(), Said { links, location: None, url: Some("http://10.0.0.9:8080/".into()) });

    let again = now + AGAIN;
    plan.look(again);
    assert!(plan.poll(again).unwrap().before.is_some(), "it is asked for what has changed");
    plan.handle(feed(1), Some(Answer::as_before(None, at)), "open", again);
    assert_eq!(plan.answers().count(), 1);
    let late = again + MAX_AGE + Duration::from_secs(1);
    plan.look(late);
    plan.poll(late);
    plan.handle(feed(1), None, "open", late);
    assert_eq!(plan.answers().count(), 0);
}

/// A node's web server on loopback, which tells what it is asked.
async fn serve(info: NodeInfo) -> (PeerAddress, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let (asked, questions) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = socket.read(&mut request).await.unwrap();
            let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
            let body = serde_json::to_string(&info).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = socket.write_all((head + &body).as_bytes()).await;
            let _ = asked.send(line).await;
        }
    });
    (address, questions)
}

#[tokio::test]
async fn a_node_that_was_only_told_of_is_asked_itself_once_somebody_looks() {
    let table = Arc::<Table>::default();
    let location = Location::new(43.65, -79.38, None).ok();
    let links = vec![ToldLink::new(feed(2), LinkKind::Lan, Some(3), None)];
    let (address, mut questions) = serve(NodeInfo { location, links, ..info(3) }).await;
    // As its neighbour tells of it, but for an address that no record may have.
    let own = info(1);
    let mut known =
        Known::new(Own { peer: own.ipfs.peer.clone(), feed: own.ssb.feed, community: own.community.clone() });
    let identity = NodeIdentity { name: "three".into(), feed: feed(3), peer: peer_id(3), version: String::new() };
    let node = KnownNode { identity, record: Some(record(3, 1, &["10.0.0.3"])), age_seconds: None, hops: Some(1) };
    known.handle_answer(&NodeInfo { nodes: vec![node], ..info(2) }, true, Instant::now());
    let mut told = known.places();
    assert_eq!(told[0].addresses, ["10.0.0.3:8080".parse().unwrap()]);
    told[0].addresses = vec![address];
    table.set_known(told);
    table.set(Vec::new(), Vec::new(), HashMap::new(), HashMap::new());

    let (survey, cancel) = (Arc::new(Survey::new(table)), CancellationToken::new());
    let running = tokio::spawn(survey.clone().run("open".into(), cancel.clone()));
    let before = survey.look(&own);
    assert!(!before.nodes[1].asked && before.nodes[1].location.is_none(), "{before:?}");
    let question = tokio::time::timeout(Duration::from_secs(60), questions.recv()).await.unwrap().unwrap();
    assert_eq!(question, "GET /nodeinfo.json?nodes=none HTTP/1.1");
    let after = async {
        loop {
            let map = survey.look(&own);
            if map.nodes[1].asked {
                return map;
            }
            tokio::task::yield_now().await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(60), after).await.unwrap();
    assert_eq!((after.nodes[1].location, after.nodes[1].hops), (location, Some(2)));
    assert_eq!(after.links, [], "the node at its other end is not known here");
    cancel.cancel();
    running.await.unwrap();
}
