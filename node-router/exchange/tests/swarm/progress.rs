//! A peer whose link is slow, and that stops, on a clock that only moves when everybody waits.

use std::time::Duration;

use crate::hostile::{Hostile, field, frame};
use crate::support::{Node, guarded};
use bytes::Bytes;
use futures::AsyncWriteExt;
use tokio::time::{Instant, sleep};

/// What the slow peer sends each second: 64 kbit/s.
const A_SECOND: usize = 8 << 10;

#[tokio::test(start_paused = true)]
async fn a_peer_is_waited_for_while_bytes_of_its_block_come_and_replaced_two_seconds_after_the_last() {
    guarded(async {
        let (node, other) = (Node::start().await, Node::start().await);
        let mut slow = Hostile::connect(&node).await;
        node.until(slow.peer, true).await;
        node.connect(&other).await;
        let data = Bytes::from(vec![7; 1 << 20]);
        let cid = other.put(data.clone());
        let session = node.exchange.session(&[slow.peer]);
        let want = tokio::spawn(async move { session.want(cid).await });
        let mut stream = slow.open().await;
        while node.exchange.held().wants == 0 {
            tokio::task::yield_now().await;
        }

        let message = frame(&field(3, &[field(1, &[0x01, 0x55, 0x12, 0x20]), field(2, &data)].concat()));
        let mut last = Instant::now();
        for piece in message.chunks(A_SECOND).take(2) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            last = Instant::now();
            sleep(Duration::from_secs(1)).await;
        }
        assert!(other.memory.reads.lock().unwrap().is_empty(), "the other is asked although bytes come");
        assert_eq!(want.await.unwrap().unwrap().from, other.peer);
        assert!(last.elapsed() <= Duration::from_secs(2), "{:?}", last.elapsed());
    })
    .await;
}
