//! The client of a running node's control socket: HTTP over the unix socket in its data directory.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data_dir::control_socket;

/// Answers come from memory or a small database, or wait for the node's feed, for which peers are asked after a start
/// (at most 14 s); a node that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What was found at the control socket.
#[derive(Debug)]
pub(crate) enum Connection {
    Running(Client),
    NotRunning,
}

/// A connection to a running node.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// For what takes as long as it takes.
    patient: reqwest::Client,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: String,
}

impl Client {
    /// Looks for the node that uses a data directory.
    pub(crate) async fn connect(data_dir: &Path) -> anyhow::Result<Connection> {
        let socket = control_socket(data_dir);
        match tokio::net::UnixStream::connect(&socket).await {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                return Ok(Connection::NotRunning);
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot reach the node at {}: run this as the user that the node runs as", socket.display())
                });
            }
        }
        let builder = || reqwest::Client::builder().unix_socket(socket.clone());
        let (http, patient) = (builder().timeout(TIMEOUT).build(), builder().build());
        let (http, patient) =
            (http.context("cannot set up an HTTP client")?, patient.context("cannot set up an HTTP client")?);
        Ok(Connection::Running(Self { http, patient }))
    }

    /// Like [`Client::connect`], for commands that need a running node.
    pub(crate) async fn require(data_dir: &Path) -> anyhow::Result<Self> {
        match Self::connect(data_dir).await? {
            Connection::Running(client) => Ok(client),
            Connection::NotRunning => bail!(
                "no node runs with the data directory {}: start it with 'meshstream run', or name another with --data-dir",
                data_dir.display()
            ),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.send(self.http.get(url(path))).await?.json().await.context("the node's answer is not understood")
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let response = self.send(self.http.post(url(path)).json(body)).await?;
        response.json().await.context("the node's answer is not understood")
    }

    /// Sends what an answer has nothing to say of.
    pub(crate) async fn post_nothing(&self, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.http.post(url(path)).json(body)).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.http.delete(url(path))).await.map(drop)
    }

    /// Puts something where an answer has nothing to say.
    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.http.put(url(path)).json(body)).await.map(drop)
    }

    pub(crate) async fn put_nothing(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.http.put(url(path))).await.map(drop)
    }

    pub(crate) async fn put_for<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let response = self.send(self.http.put(url(path)).json(body)).await?;
        response.json().await.context("the node's answer is not understood")
    }

    pub(crate) async fn delete_for<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let response = self.send(self.http.delete(url(path))).await?;
        response.json().await.context("the node's answer is not understood")
    }

    /// Has something done that an answer has nothing to say of.
    pub(crate) async fn act(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.http.post(url(path))).await.map(drop)
    }

    /// An answer that is read as it comes, for as long as it takes.
    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        self.send(self.patient.get(url(path))).await
    }

    /// Sends what may be long; the answer comes while it is sent.
    pub(crate) async fn send_stream(
        &self,
        path: &str,
        body: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> anyhow::Result<reqwest::Response> {
        self.send(self.patient.post(url(path)).body(reqwest::Body::wrap_stream(body))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let response = request.send().await.context("the node does not answer on its control socket")?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<ErrorBody>().await {
            Ok(body) => bail!("{}", body.error),
            Err(_) => bail!("the node answered with HTTP status {status}"),
        }
    }
}

/// The host is ignored on a unix socket, but a URL needs one.
fn url(path: &str) -> String {
    format!("http://control{path}")
}
