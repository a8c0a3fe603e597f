//! One connection: a [`Session`] with a socket, a clock and somebody to ask who may publish.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use rand::RngCore as _;
use stream_model::StreamName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Config;
use super::publishers::{Claim, Publishers, Stop, Unclaimed};
use super::queue::EventQueue;
use super::session::{Event, Metadata, PublishRequest, S1_RANDOM, Session, SessionError};
use crate::keys::{KeyStore, Refusal};
use crate::media::{MediaEvent, Publication};

/// Bytes read at a time.
const READ_BUFFER: usize = 32 * 1024;

/// How long a session waits for the one it took over from. That one ends as soon as it is told, unless it hangs.
const TAKE_OVER: Duration = Duration::from_secs(1);

/// How long, and for how many bytes, a closed connection is read on: bytes left unread would make the kernel reset
/// the connection, and the client lose our last words.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// What all connections of a listener use.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) keys: KeyStore,
    pub(super) publications: mpsc::Sender<Publication>,
    pub(super) publishers: Publishers,
}

/// Why a publisher is not let in. The text goes to its owner's log and to the publisher.
#[derive(Debug, thiserror::Error)]
enum Denial {
    #[error("this address may not publish here: see ingest.allow")]
    Address,
    #[error("the stream key is missing: publish to rtmp://NODE:1935/live/NAME?key=KEY")]
    KeyMissing,
    #[error(transparent)]
    Key(#[from] Refusal),
    #[error("the name is being published under another stream key")]
    OtherKey,
    #[error("the owner of this node ended the broadcast: stop publishing, and begin anew after five minutes")]
    Ended,
}

impl Denial {
    /// For metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::KeyMissing => "key_missing",
            Self::Key(Refusal::NoKey) => "no_key",
            Self::Key(Refusal::WrongKey) => "wrong_key",
            Self::Key(Refusal::Storage(_)) => "storage",
            Self::OtherKey => "other_key",
            Self::Ended => "ended",
        }
    }
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the publisher ended its publication")]
    Unpublished,
    #[error("the connection was closed")]
    Closed,
    #[error("the connection failed: {0}")]
    Failed(#[from] io::Error),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Denied(Denial),
    #[error(transparent)]
    Stopped(Stop),
    #[error("no valid publish request in time")]
    NotAuthenticated,
    #[error("nothing arrived for too long")]
    Idle,
    #[error("answers could not be sent in time")]
    WriteTimeout,
    #[error("the node has too much to do to take another publisher")]
    Busy,
    #[error("the node ended the publication")]
    Gone,
    #[error("the node stops")]
    Shutdown,
}

/// Serves one connection to its end.
pub(super) async fn run(stream: TcpStream, address: IpAddr, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connection = Connection::new(stream, &shared.config);
    let mut name = None;
    let end = tokio::select! {
        end = connection.serve(address, &shared, &mut name) => end,
        () = stop.cancelled() => End::Shutdown,
    };
    match (&name, &end) {
        (Some(name), End::Denied(denial)) => {
            counter!("meshstream_ingest_refused_publishers_total", "reason" => denial.label()).increment(1);
            tracing::warn!(%name, reason = %denial, "publisher refused");
        }
        (Some(name), End::Unpublished | End::Closed | End::Shutdown | End::Stopped(Stop::TakenOver | Stop::Ended)) => {
            tracing::info!(%name, reason = %end, "publisher left");
        }
        (Some(name), _) => {
            counter!("meshstream_ingest_failed_publishers_total").increment(1);
            tracing::warn!(%name, reason = %end, "publisher lost");
        }
        (None, End::Session(error)) => {
            counter!("meshstream_ingest_refused_sessions_total").increment(1);
            tracing::info!(reason = %error, "RTMP session refused");
        }
        (None, _) => tracing::debug!(reason = %end, "RTMP connection ended without a publisher"),
    }
    tracing::debug!(%address, "RTMP connection closed");
    connection.close(&end).await;
}

struct Connection {
    stream: TcpStream,
    session: Session,
    buffer: Box<[u8]>,
    /// What of the buffer is still to be handled.
    start: usize,
    end: usize,
    /// Output on its way.
    pending: Bytes,
    write: Duration,
}

impl Connection {
    fn new(stream: TcpStream, config: &Config) -> Self {
        let mut random = [0; S1_RANDOM];
        rand::thread_rng().fill_bytes(&mut random);
        Self {
            stream,
            session: Session::new(&random),
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            pending: Bytes::new(),
            write: config.limits.write,
        }
    }

    /// Authenticates and then takes media until something ends it. Sets `name` once it is known.
    async fn serve(&mut self, address: IpAddr, shared: &Shared, name: &mut Option<StreamName>) -> End {
        // Answers are few and awaited by the client.
        if let Err(error) = self.stream.set_nodelay(true) {
            return error.into();
        }
        let limits = &shared.config.limits;
        let authentication = async {
            let request = self.next_request().await?;
            *name = Some(request.name.clone());
            let claim = decide(&request, address, shared).await.map_err(End::Denied)?;
            Ok((request, claim))
        };
        let (request, mut claim) = match timeout(limits.authentication, authentication).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(end)) => return end,
            Err(_) => return End::NotAuthenticated,
        };
        if let Some(predecessor) = claim.take_predecessor() {
            // So that the old publication ends before the new one begins.
            let _ = timeout(TAKE_OVER, predecessor.cancelled()).await;
        }
        self.session.accept();
        tracing::info!(name = %request.name, "publisher let in");
        let mut stop = claim.stop();
        tokio::select! {
            biased;
            Ok(reason) = stop.wait_for(Option::is_some) => reason.map_or(End::Gone, End::Stopped),
            end = self.take_media(request.name, &claim, shared) => end,
        }
    }

    async fn next_request(&mut self) -> Result<PublishRequest, End> {
        loop {
            if let Event::PublishRequest(request) = self.next_event().await? {
                return Ok(request);
            }
        }
    }

    async fn take_media(&mut self, name: StreamName, claim: &Claim, shared: &Shared) -> End {
        let limits = &shared.config.limits;
        let mut title = None;
        let mut expect = None;
        let mut queue: Option<EventQueue> = None;
        loop {
            let event = match timeout(limits.idle, self.next_event_counted(claim)).await {
                Ok(Ok(event)) => event,
                Ok(Err(end)) => return end,
                Err(_) => return End::Idle,
            };
            let event = match event {
                Event::Media(event) => event,
                Event::Metadata(metadata) if queue.is_none() => {
                    expect = expectation(&metadata);
                    title = metadata.title;
                    continue;
                }
                Event::Metadata(_) | Event::PublishRequest(_) => continue,
                Event::Unpublish => return End::Unpublished,
            };
            let queue = match &mut queue {
                Some(queue) => queue,
                None => {
                    // The publication is handed over with its first media, when its title is known too.
                    let (opened, events) = EventQueue::new(limits.queued_events, limits.queued_bytes);
                    let publication = Publication { name: name.clone(), title: title.take(), events };
                    match shared.publications.try_send(publication) {
                        Ok(()) => {}
                        Err(TrySendError::Full(_)) => return End::Busy,
                        Err(TrySendError::Closed(_)) => return End::Shutdown,
                    }
                    let queue = queue.insert(opened);
                    if let Some(expect) = expect.take()
                        && queue.push(expect).is_err()
                    {
                        return End::Gone;
                    }
                    queue
                }
            };
            if queue.push(event).is_err() {
                return End::Gone;
            }
        }
    }

    async fn next_event_counted(&mut self, claim: &Claim) -> Result<Event, End> {
        self.next_event_with(|bytes| {
            claim.record(bytes);
            counter!("meshstream_ingest_bytes_total").increment(bytes as u64);
        })
        .await
    }

    async fn next_event(&mut self) -> Result<Event, End> {
        self.next_event_with(|_| {}).await
    }

    /// The next event of the session; reads and writes as that takes. May be cancelled: nothing is lost.
    async fn next_event_with(&mut self, mut read: impl FnMut(usize)) -> Result<Event, End> {
        loop {
            let mut input = &self.buffer[self.start..self.end];
            let event = self.session.handle_input(&mut input);
            self.start = self.end - input.len();
            let event = event?;
            self.flush().await?;
            if let Some(event) = event {
                return Ok(event);
            }
            (self.start, self.end) = (0, 0);
            self.end = self.stream.read(&mut self.buffer).await?;
            if self.end == 0 {
                return Err(End::Closed);
            }
            read(self.end);
        }
    }

    /// Sends what the session has to say. May be cancelled.
    async fn flush(&mut self) -> Result<(), End> {
        loop {
            if self.pending.is_empty() {
                self.pending = Bytes::from(self.session.take_output());
            }
            if self.pending.is_empty() {
                return Ok(());
            }
            let written = timeout(self.write, self.stream.write_buf(&mut self.pending));
            if written.await.map_err(|_| End::WriteTimeout)?? == 0 {
                return Err(End::Closed);
            }
        }
    }

    /// Says why, where the publisher does not know it yet, and closes so that it can still be read.
    async fn close(mut self, end: &End) {
        match end {
            End::Unpublished | End::Closed | End::Failed(_) | End::WriteTimeout | End::NotAuthenticated => {}
            // The session has said it.
            End::Session(_) => {}
            End::Denied(Denial::Key(Refusal::Storage(_))) => {
                self.session.reject("the node cannot check stream keys now")
            }
            End::Denied(denial) => self.session.reject(&denial.to_string()),
            End::Stopped(stop @ (Stop::Revoked | Stop::Ended)) => self.session.reject(&stop.to_string()),
            End::Stopped(Stop::TakenOver) | End::Busy | End::Gone | End::Shutdown | End::Idle => {
                self.session.fail(&end.to_string());
            }
        }
        let last_words = async {
            self.flush().await?;
            // One who unpublished closes the connection itself: rtmp2sink takes it for a failure otherwise.
            if !matches!(end, End::Unpublished) {
                self.stream.shutdown().await?;
            }
            let mut left = LINGER_BYTES;
            while left > 0 {
                match self.stream.read(&mut self.buffer).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Ok::<(), End>(())
        };
        if let Ok(Err(error)) = timeout(LINGER, last_words).await {
            tracing::debug!(%error, "last words were not heard");
        }
    }
}

/// Whether somebody may publish.
async fn decide(request: &PublishRequest, address: IpAddr, shared: &Shared) -> Result<Claim, Denial> {
    let allow = &shared.config.allow;
    if !allow.is_empty() && !allow.iter().any(|range| range.contains(address)) {
        return Err(Denial::Address);
    }
    let key = request.key.as_ref().ok_or(Denial::KeyMissing)?;
    let id = shared.keys.verify(&request.name, key).await?;
    let claim = shared.publishers.claim(&request.name, id).map_err(|unclaimed| match unclaimed {
        Unclaimed::Taken => Denial::OtherKey,
        Unclaimed::Ended => Denial::Ended,
    })?;
    // A key revoked between the two is noticed here; one revoked later ends the claim.
    shared.keys.verify(&request.name, key).await?;
    Ok(claim)
}

fn expectation(metadata: &Metadata) -> Option<MediaEvent> {
    let &Metadata { video, audio, .. } = metadata;
    (video || audio).then_some(MediaEvent::Expect { video, audio })
}
