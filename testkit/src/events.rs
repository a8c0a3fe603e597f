//! A node's WebSocket, to wait for what happens instead of for time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::node::{Node, WebSocket};

/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);

/// The events of a node from the moment of subscribing.
#[derive(Debug)]
pub struct Events {
    socket: WebSocket,
    seen: Vec<Value>,
}

impl Events {
    /// Connects to a node's `/ws`. The first event is the whole directory.
    ///
    /// # Errors
    /// Where the node refuses.
    pub async fn of(node: &Node) -> Result<Self> {
        Ok(Self { socket: node.web_socket().await?, seen: Vec::new() })
    }

    /// Waits for the first event from which `wanted` makes something.
    ///
    /// # Errors
    /// Where it does not come, or the node closes the socket; the error shows the last events.
    pub async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        match tokio::time::timeout(GUARD, self.next_matching(&wanted)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(error.context(format!("waiting for {what}"))),
            Err(_) => {
                let last = &self.seen[self.seen.len().saturating_sub(5)..];
                bail!("{what}: did not come; the last events were {last:#?}")
            }
        }
    }

    async fn next_matching<T>(&mut self, wanted: &impl Fn(&Value) -> Option<T>) -> Result<T> {
        loop {
            let message = self.socket.next().await.context("the node closed the WebSocket")??;
            let Message::Text(text) = message else { continue };
            let event: Value = serde_json::from_str(&text)?;
            if let Some(found) = wanted(&event) {
                return Ok(found);
            }
            self.seen.push(event);
        }
    }

    /// Subscribes to a broadcast's playlist.
    ///
    /// # Errors
    /// Where the socket is closed.
    pub async fn subscribe(&mut self, slug: &str) -> Result<()> {
        use futures::SinkExt as _;
        let request = serde_json::json!({ "type": "subscribe", "broadcast": slug });
        self.socket.send(Message::text(request.to_string())).await?;
        Ok(())
    }

    /// Subscribes to a broadcast, and says that it plays.
    ///
    /// # Errors
    /// Where the socket is closed.
    pub async fn play(&mut self, slug: &str) -> Result<()> {
        use futures::SinkExt as _;
        let request = serde_json::json!({ "type": "subscribe", "broadcast": slug, "playing": true });
        self.socket.send(Message::text(request.to_string())).await?;
        Ok(())
    }

    /// Waits until a broadcast is live here, and returns its slug.
    ///
    /// # Errors
    /// As for [`Events::until`].
    pub async fn live_broadcast(&mut self) -> Result<String> {
        self.until("a live broadcast", |event| {
            let broadcasts = event["broadcasts"].as_array()?;
            let live = broadcasts.iter().find(|broadcast| broadcast["state"] == "live")?;
            live["slug"].as_str().map(str::to_owned)
        })
        .await
    }

    /// Waits until a broadcast is listed here, live or ended.
    ///
    /// # Errors
    /// As for [`Events::until`].
    pub async fn listed(&mut self, slug: &str) -> Result<()> {
        let is_listed =
            |event: &Value| event["broadcasts"].as_array()?.iter().find(|one| one["slug"] == slug).map(drop);
        self.until("the broadcast", is_listed).await
    }

    /// Waits until the live playlist of a subscribed broadcast lists a segment of at least this number.
    ///
    /// # Errors
    /// As for [`Events::until`].
    pub async fn segment(&mut self, at_least: u64) -> Result<u64> {
        self.until(&format!("segment {at_least}"), |event| {
            (event["type"] == "playlist")
                .then(|| event["media_sequence"].as_u64())?
                .filter(|newest| *newest >= at_least)
        })
        .await
    }

    /// Waits until the node knows that the whole of a broadcast is archived, and returns all its archives as `/api/v1` tells
    /// them.
    ///
    /// # Errors
    /// As for [`Events::until`].
    pub async fn archived(&mut self, node: &Node, slug: &str) -> Result<Vec<Value>> {
        loop {
            let known = node.get_json("/api/v1/broadcasts").await?;
            if known.as_array().is_some_and(|known| known.iter().any(|broadcast| broadcast["slug"] == slug)) {
                let broadcast = node.get_json(&format!("/api/v1/broadcasts/{slug}")).await?;
                let archives = broadcast["archives"].as_array().context("no list of archives")?;
                if archives.iter().any(|archive| archive["kind"] == "broadcast") {
                    return Ok(archives.clone());
                }
            }
            let is_of_a_broadcast = |event: &Value| event["type"] == "directory" || event["type"] == "broadcast";
            self.until("another archive", |event| is_of_a_broadcast(event).then_some(())).await?;
        }
    }
}
