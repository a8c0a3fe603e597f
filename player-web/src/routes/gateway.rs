//! `/ipfs/{cid}[/path]`: content of the store by CID.
//!
//! What may be seen is what the content reader finds, which is what known manifests reach; of that, media and text
//! only. An answer never runs or renders beside the owner's pages.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use cid::Cid;
use futures::TryStreamExt as _;
use stream_model::{ContentReader, Node, StoreError};

use super::{allow_any_origin, text_line};
use crate::app::AppState;
use crate::{content, media_type};

/// Most characters of a CID: those of the hashes in use are below 70, an identity CID could be any length.
const MAX_CID_CHARS: usize = 128;

/// Most directories on the way; a manifest of a day has two.
const MAX_DEPTH: usize = 8;

/// Why a path is not served.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("not a CID: expected something like bafybei… or Qm…")]
    NotACid,
    #[error("this node does not hold that, or no broadcast known here refers to it")]
    NotHeld,
    #[error("a directory is not listed: ask for a file in it, such as index.m3u8")]
    Directory,
    #[error("only media and text files are served: fetch others with an IPFS node")]
    NotMedia,
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotHeld,
            StoreError::WrongKind(..) => Self::NotMedia,
            error => Self::Store(error),
        }
    }
}

pub(crate) async fn root(
    State(state): State<AppState>,
    Path(cid): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    answer(&*state.ports.content, &cid, "", (&method, &headers)).await
}

pub(crate) async fn below(
    State(state): State<AppState>,
    Path((cid, path)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    answer(&*state.ports.content, &cid, &path, (&method, &headers)).await
}

async fn answer(content: &dyn ContentReader, cid: &str, path: &str, request: (&Method, &HeaderMap)) -> Response {
    let mut response = look_up(content, cid, path, request).await.unwrap_or_else(|refusal| refuse(&refusal));
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}

async fn look_up(
    content: &dyn ContentReader,
    cid: &str,
    path: &str,
    request: (&Method, &HeaderMap),
) -> Result<Response, Refusal> {
    if cid.len() > MAX_CID_CHARS {
        return Err(Refusal::NotACid);
    }
    let mut cid = Cid::try_from(cid).map_err(|_| Refusal::NotACid)?;
    let mut node = content.stat(&cid).await?;
    let names = path.split('/').filter(|name| !name.is_empty());
    if names.clone().count() > MAX_DEPTH {
        return Err(Refusal::NotHeld);
    }
    let mut file_name = None;
    for name in names {
        let Node::Directory(entries) = node else { return Err(Refusal::NotHeld) };
        cid = entries.iter().find(|entry| entry.name == name).ok_or(Refusal::NotHeld)?.cid;
        node = content.stat(&cid).await?;
        file_name = Some(name);
    }
    let Node::File(size) = node else { return Err(Refusal::Directory) };
    let media_type = match file_name {
        Some(name) => media_type::from_name(name),
        None => media_type::from_beginning(&beginning(content, &cid, size).await?),
    };
    Ok(content::file(content, (&cid, size), media_type.ok_or(Refusal::NotMedia)?, request).await?)
}

async fn beginning(content: &dyn ContentReader, cid: &Cid, size: u64) -> Result<Vec<u8>, StoreError> {
    let mut pieces = content.read(cid, 0..size.min(media_type::SNIFFED_BYTES)).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::NotACid => StatusCode::BAD_REQUEST,
        Refusal::NotHeld | Refusal::Directory => StatusCode::NOT_FOUND,
        Refusal::NotMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::Store(error) => {
            tracing::warn!(%error, "content could not be served");
            return text_line(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why");
        }
    };
    text_line(status, refusal)
}
