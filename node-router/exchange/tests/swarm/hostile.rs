//! Peers that do not keep to the protocol: whatever they send, others are served, and nothing wrong is delivered.

use crate::support::{Node, guarded, segment};
use bytes::Bytes;
use cid::Cid;
use futures::{AsyncWriteExt, StreamExt, TryStreamExt};
use libp2p_swarm::{Stream, StreamProtocol, Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt;
use multihash_codetable::{Code, MultihashDigest};
use node_router_exchange::PeerId;

const BITSWAP: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");

/// A peer that writes bytes of its own choice, and reads nothing.
pub(crate) struct Hostile {
    control: libp2p_stream::Control,
    pub(crate) peer: PeerId,
    victim: PeerId,
    swarm: tokio::task::JoinHandle<()>,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Hostile {
    pub(crate) async fn connect(victim: &Node) -> Self {
        let behaviour = libp2p_stream::Behaviour::new();
        let mut control = behaviour.new_control();
        let mut swarm: Swarm<libp2p_stream::Behaviour> = Swarm::new_ephemeral_tokio(|_| behaviour);
        swarm.dial(victim.address.clone()).unwrap();
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        let peer = *swarm.local_peer_id();
        // Accepts streams for the answers, and leaves them unread.
        let answers = control.accept(BITSWAP).unwrap();
        let swarm = tokio::spawn(async move {
            let mut unread = Vec::new();
            let mut answers = answers;
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some((_, stream)) = answers.next() => unread.push(stream),
                }
            }
        });
        Self { control, peer, victim: victim.peer, swarm }
    }

    pub(crate) async fn open(&mut self) -> Stream {
        self.control.open_stream(self.victim, BITSWAP).await.unwrap()
    }

    /// Writes to a stream of its own, as far as the victim takes it, and keeps the stream open.
    async fn write(&mut self, bytes: &[u8]) -> Stream {
        let mut stream = self.open().await;
        // The victim may have reset it already.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        stream
    }
}

async fn an_honest_peer_is_served_by(node: &Node, seed: u8) {
    let honest = Node::start().await;
    honest.connect(node).await;
    let cids: Vec<Cid> = segment(seed).into_iter().map(|block| node.put(block)).collect();
    let blocks: Vec<_> = honest.exchange.session(&[node.peer]).wants(cids).try_collect().await.unwrap();
    assert_eq!(blocks.len(), 16);
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A length-delimited protobuf field.
pub(crate) fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2], varint(bytes.len()).as_slice(), bytes].concat()
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [varint(message.len()).as_slice(), message].concat()
}

#[tokio::test]
async fn garbage_and_lengths_that_lie_end_their_streams_only() {
    guarded(async {
        let node = Node::start().await;
        let mut hostile = Hostile::connect(&node).await;
        let lies: [&[u8]; 6] = [
            &[0xff; 1000],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0x05, 0x0a, 0xff, 0xff, 0xff, 0xff],
            &frame(&field(3, &field(1, &[0x01, 0x55, 0x12, 0x20]))),
            &frame(&[0x2b; 10_000]),
            b"GET / HTTP/1.1\r\n\r\n",
        ];
        for lie in lies {
            hostile.write(lie).await;
        }
        an_honest_peer_is_served_by(&node, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_half_sent_messages_hold_up_nobody() {
    guarded(async {
        let node = Node::start().await;
        let mut hostile = Hostile::connect(&node).await;
        let half: Vec<u8> = [varint(4 << 20), vec![0x0a; 10_000]].concat();
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(hostile.write(&half).await);
        }
        an_honest_peer_is_served_by(&node, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_asks_and_never_reads_holds_up_nobody() {
    guarded(async {
        let node = Node::start().await;
        let mut hostile = Hostile::connect(&node).await;
        let wantlist = |from: u32| {
            let entries = (from..from + 16_000).flat_map(|n| {
                let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&n.to_be_bytes())).to_bytes();
                field(1, &[field(1, &cid), vec![0x28, 1]].concat())
            });
            frame(&field(1, &entries.collect::<Vec<u8>>()))
        };
        let flood = tokio::spawn(async move {
            let mut stream = hostile.open().await;
            for n in 0..100 {
                if stream.write_all(&wantlist(n * 16_000)).await.is_err() {
                    return;
                }
            }
        });
        an_honest_peer_is_served_by(&node, 1).await;
        flood.abort();
    })
    .await;
}

#[tokio::test]
async fn a_block_with_other_bytes_is_not_delivered() {
    guarded(async {
        let (node, honest) = (Node::start().await, Node::start().await);
        let mut hostile = Hostile::connect(&node).await;
        let right = Bytes::from_static(b"right");
        let cid = Cid::new_v1(0x55, Code::Sha2_256.digest(&right));
        let session = node.exchange.session(&[]);
        let want = tokio::spawn(async move { session.want(cid).await });
        let payload = [field(1, &[0x01, 0x55, 0x12, 0x20]), field(2, b"wrong")].concat();
        for _ in 0..10 {
            hostile.write(&frame(&field(3, &payload))).await;
        }
        honest.put(right.clone());
        honest.connect(&node).await;
        let block = want.await.unwrap().unwrap();
        assert_eq!((block.data, block.from), (right, honest.peer));
    })
    .await;
}

#[tokio::test]
async fn endless_unasked_blocks_end_in_a_disconnect() {
    guarded(async {
        let node = Node::start().await;
        let mut hostile = Hostile::connect(&node).await;
        let mut connected = node.connected.clone();
        connected.wait_for(|peers| peers.len() == 1).await.unwrap();
        let payload = field(3, &[field(1, &[0x01, 0x55, 0x12, 0x20]), field(2, b"nobody asked")].concat());
        let mut stream = hostile.open().await;
        while stream.write_all(&frame(&payload)).await.is_ok() {}
        connected.wait_for(|peers| peers.is_empty()).await.unwrap();
        an_honest_peer_is_served_by(&node, 1).await;
    })
    .await;
}
