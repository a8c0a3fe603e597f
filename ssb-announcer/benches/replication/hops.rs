//! From the call that appends a message to the store of the last of four nodes in a chain, each durable on disk.

use std::time::Instant;

use stream_model::FeedSequence;

use crate::backlog::on_disk;
use crate::node::Node;
use crate::{median, row};

const MESSAGES: u64 = 200;

pub(crate) async fn run() {
    let (_files, nodes): (Vec<_>, Vec<Node>) = (11..15).map(on_disk).unzip();
    let author = nodes[0].id();
    for node in &nodes[1..] {
        assert!(node.store.want_peer(author));
    }
    for pair in nodes.windows(2) {
        pair[1].dial(&pair[0]);
    }
    nodes[0].append(1).await;
    nodes[3].holds(author, 1).await;

    let (mut first, mut last) = (Vec::new(), Vec::new());
    for sequence in 2..MESSAGES + 2 {
        let began = Instant::now();
        let arrives = async |node: &Node| {
            node.holds(author, sequence).await;
            began.elapsed()
        };
        let (_, after_one, after_three) = tokio::join!(nodes[0].append(1), arrives(&nodes[1]), arrives(&nodes[3]));
        first.push(after_one);
        last.push(after_three);
    }
    assert_eq!(nodes[3].store.clock(&author), FeedSequence(MESSAGES + 1));
    let (one, three) = (median(&mut first), median(&mut last));
    let worst = last.last().unwrap();
    row(&format!("a new message, durable one hop away (median of {MESSAGES})"), &format!("{one:.2?}"));
    row(
        "the same message, durable three hops away",
        &format!("{three:.2?}, worst {worst:.2?}; {:.2} times one hop", three.as_secs_f64() / one.as_secs_f64()),
    );
}
