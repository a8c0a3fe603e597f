//! Asks one peer for the whole of this node's feed, over a connection of its own.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use stream_model::{FeedId, FeedSequence, SsbPeer};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::branch::Branch;
use crate::feed::{MAX_BATCH, StoreError};
use crate::handshake::box_stream::{BoxReader, BoxStreamError, BoxWriter};
use crate::handshake::state::SessionKeys;
use crate::handshake::{self, HandshakeError, NetworkKey};
use crate::identity::Identity;
use crate::muxrpc::packet::{self, Decoded, PacketError};
use crate::muxrpc::session::{Call, CallKind, Event, Session, SessionError, SubstreamId};
use crate::replication::history::in_order::{InOrder, TooFarAhead};
use crate::replication::history::wrapped;
use crate::replication::note::{self, Received, Unreadable};

/// How long TCP may take to connect to one address.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may give nothing of the feed, whatever else it sends: others wait for its turn to end. A message takes
/// a fraction of it on the slowest link.
const SILENT_FOR: Duration = Duration::from_secs(15);
/// Calls that a peer may make meanwhile; JavaScript peers make a handful.
const MAX_CALLS: usize = 256;
/// What they are told.
const NOT_NOW: &str = "this node looks for its feed and answers nothing meanwhile";

/// Why a peer gave nothing, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No address could be connected to.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// There is nowhere to connect to.
    #[error("no address to dial")]
    NoAddress,
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It could not prove its identity, or is in another network.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The connection broke.
    #[error(transparent)]
    BoxStream(#[from] BoxStreamError),
    /// It does not speak muxrpc.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// It broke the rules of muxrpc.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It refused.
    #[error("the peer refuses: {0}")]
    Refused(String),
    /// It ended the connection.
    #[error("the peer ended the connection")]
    Ended,
    /// It made too many calls.
    #[error("the peer makes too many calls")]
    TooManyCalls,
    /// What it sent is not a message.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The time for all peers was up first.
    #[error("the time to look was up")]
    CutOff,
    /// Messages are missing.
    #[error("messages are missing: {0}")]
    TooFarAhead(#[from] TooFarAhead),
    /// A message does not hold, or does not follow on the one before.
    #[error("the peer sent what does not continue the feed after message {0}")]
    BrokenChain(FeedSequence),
    /// The store in memory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes what a peer has of the identity's feed into `branch`, as far as it goes. May be cancelled.
pub(super) async fn ask(
    network: &NetworkKey,
    identity: &Identity,
    peer: &SsbPeer,
    branch: &Branch,
) -> Result<(), AskError> {
    let (stream, keys) = dial(network, identity, peer).await?;
    let (read, write) = stream.into_split();
    let mut reader = BoxReader::new(read, keys.receive);
    let mut writer = BoxWriter::new(write, keys.send);
    let mut asking = Asking { me: identity.id(), rpc: Session::default(), out: BytesMut::new(), calls: 0 };
    let history = asking.call()?;
    let mut in_order = InOrder::from(FeedSequence(1));
    let mut plain = BytesMut::new();
    let mut received = in_order.received();
    let mut silent_at = Instant::now() + SILENT_FOR;
    let ended = loop {
        writer.push(&asking.out.split());
        let silent = || AskError::TimedOut(SILENT_FOR);
        while writer.buffered() > 0 {
            timeout_at(silent_at, writer.write()).await.map_err(|_| silent())??;
        }
        let open = timeout_at(silent_at, reader.read(&mut plain)).await.map_err(|_| silent())??;
        let (values, ended) = asking.handle(&mut plain, history)?;
        let mut ready = Vec::new();
        for value in values {
            match note::read(&value)? {
                Received::Message { author, sequence } if author == identity.id() => {
                    ready.extend(in_order.push(sequence, value)?.into_iter().map(|(_, value)| value));
                }
                _ => return Err(AskError::BrokenChain(branch.length())),
            }
        }
        for batch in ready.chunks(MAX_BATCH) {
            if !branch.take(batch.to_vec()).await? {
                return Err(AskError::BrokenChain(branch.length()));
            }
        }
        if in_order.received() > received {
            received = in_order.received();
            silent_at = Instant::now() + SILENT_FOR;
        }
        match ended {
            Some(ended) => break ended,
            None if !open => return Err(AskError::Ended),
            None => {}
        }
    };
    let mut goodbye = BytesMut::new();
    packet::encode_goodbye(&mut goodbye);
    writer.push(&goodbye);
    let _peer_may_be_gone = timeout(Duration::from_secs(1), writer.close()).await;
    ended
}

async fn dial(network: &NetworkKey, identity: &Identity, peer: &SsbPeer) -> Result<(TcpStream, SessionKeys), AskError> {
    let mut last = AskError::NoAddress;
    for address in &peer.addresses {
        match timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            Err(_) => last = AskError::TimedOut(CONNECT_WITHIN),
            Ok(Err(error)) => last = AskError::Connect(error),
            Ok(Ok(mut stream)) => {
                match handshake::authenticate_client(&mut stream, network, identity.signing_key(), peer.feed).await {
                    Ok(keys) => return Ok((stream, keys)),
                    Err(error) => last = error.into(),
                }
            }
        }
    }
    Err(last)
}

struct Asking {
    me: FeedId,
    rpc: Session,
    out: BytesMut,
    calls: usize,
}

impl Asking {
    fn call(&mut self) -> Result<SubstreamId, AskError> {
        let options = json!({ "id": self.me, "seq": 1, "sequence": 1, "live": false, "old": true, "keys": false });
        let name = vec!["createHistoryStream".to_owned()];
        let (id, packet) = self.rpc.call(&Call { name, kind: CallKind::Source, args: vec![options] })?;
        packet.encode(&mut self.out);
        Ok(id)
    }

    /// The messages that have come on the stream `history`, and how it ended once it has.
    #[expect(clippy::type_complexity, reason = "named nowhere else")]
    fn handle(
        &mut self,
        plain: &mut BytesMut,
        history: SubstreamId,
    ) -> Result<(Vec<Bytes>, Option<Result<(), AskError>>), AskError> {
        let mut values = Vec::new();
        while let Some(decoded) = packet::decode(plain)? {
            let packet = match decoded {
                Decoded::Packet(packet) => packet,
                Decoded::Goodbye => return Ok((values, Some(Err(AskError::Ended)))),
            };
            match self.rpc.handle_packet(packet)? {
                Event::Data(id, body) if id == history => values.push(wrapped::value_of(&body).unwrap_or(body)),
                Event::Ended(id, error) if id == history => {
                    return Ok((values, Some(error.map_or(Ok(()), |error| Err(AskError::Refused(error))))));
                }
                Event::Ended(id, _) => {
                    if let Some(packet) = self.rpc.end(id, None) {
                        packet.encode(&mut self.out);
                    }
                }
                // Whoever calls waits for an answer before it goes on.
                Event::Called(id, _) => self.refuse(id)?,
                Event::Refused(packet) => packet.encode(&mut self.out),
                Event::Data(..) | Event::Ignored => {}
            }
        }
        Ok((values, None))
    }

    fn refuse(&mut self, id: SubstreamId) -> Result<(), AskError> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(AskError::TooManyCalls);
        }
        if let Some(packet) = self.rpc.end(id, Some(NOT_NOW)) {
            packet.encode(&mut self.out);
        }
        Ok(())
    }
}
