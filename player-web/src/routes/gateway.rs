//! `/ipfs/{cid}[/path]`: content by CID.
//!
//! What may be seen is what known manifests reach, or all that peers have, as it is configured; of that, media and text
//! only. An answer never runs or renders beside the owner's pages.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cid::Cid;
use futures::TryStreamExt as _;
use stream_model::{ContentReader, StoreError};

use super::{sandbox, text_line};
use crate::app::AppState;
use crate::entrance::Origin;
use crate::gateway::{Refusal, Target};
use crate::host::Authority;
use crate::serve::{self, Connection};
use crate::{content, media_type};

/// Most characters of a CID: those of the hashes in use are below 70, an identity CID could be any length.
const MAX_CID_CHARS: usize = 128;

/// Most directories on the way; a manifest of a day has two.
const MAX_DEPTH: usize = 8;

/// When to ask again where this node is busy or the content was slow, in seconds.
const RETRY_SOON: u64 = 5;

/// When to ask again where there is no room, in seconds: room comes as broadcasts end.
const RETRY_LATER: u64 = 60;

type Client = Option<Extension<Connection>>;

pub(crate) async fn root(
    State(state): State<AppState>,
    client: Client,
    Path(cid): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    answer(&state, client, (&cid, ""), (&method, &headers)).await
}

pub(crate) async fn below(
    State(state): State<AppState>,
    client: Client,
    Path((cid, path)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    answer(&state, client, (&cid, &path), (&method, &headers)).await
}

/// Leads from the port of the pages to the gateway's own, where content of others has another origin than they. Over TLS it
/// stays: the gateway's port has none.
pub(crate) async fn lead_to_port(State(port): State<u16>, request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Origin>().filter(|origin| !origin.secure);
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let location = origin.map(|Origin { authority: Authority { name, .. }, .. }| {
        format!("http://{}{path}", Authority { name: name.clone(), port: Some(port) })
    });
    let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) else {
        return next.run(request).await;
    };
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    sandbox(response.headers_mut());
    response
}

/// For all other paths of the gateway's port.
pub(crate) async fn nothing_else() -> Response {
    text_line(
        StatusCode::NOT_FOUND,
        "this port has content by CID alone, below /ipfs/: pages are on the node's other port",
    )
}

async fn answer(state: &AppState, client: Client, wanted: (&str, &str), request: (&Method, &HeaderMap)) -> Response {
    let client = serve::address_of(client.as_deref());
    let mut response = look_up(state, client, wanted, request).await.unwrap_or_else(|refusal| refuse(&refusal));
    sandbox(response.headers_mut());
    response
}

async fn look_up(
    state: &AppState,
    client: IpAddr,
    (cid, path): (&str, &str),
    request: (&Method, &HeaderMap),
) -> Result<Response, Refusal> {
    if cid.len() > MAX_CID_CHARS {
        return Err(Refusal::NotACid);
    }
    let root = Cid::try_from(cid).map_err(|_| Refusal::NotACid)?;
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).take(MAX_DEPTH + 1).collect();
    if names.len() > MAX_DEPTH {
        return Err(Refusal::NoSuchFile);
    }
    let named_type = names.last().map(|name| media_type::from_name(name));
    let target = Target { root, names: &names, presentable: named_type != Some(None) };
    let (cid, size) = state.gateway.find(target, client).await?;
    let content = &*state.ports.content;
    let media_type = match named_type {
        Some(media_type) => media_type,
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
    let (status, retry_after) = match refusal {
        Refusal::NotACid => (StatusCode::BAD_REQUEST, None),
        Refusal::NotKnown | Refusal::NoSuchFile | Refusal::Directory => (StatusCode::NOT_FOUND, None),
        Refusal::NotMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_SOON)),
        Refusal::NotInTime => (StatusCode::GATEWAY_TIMEOUT, Some(RETRY_SOON)),
        Refusal::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_LATER)),
        Refusal::Unusable(_) => (StatusCode::BAD_GATEWAY, None),
        Refusal::Store(error) => {
            tracing::warn!(%error, "content could not be served");
            return text_line(StatusCode::INTERNAL_SERVER_ERROR, "this node could not read it: its log says why");
        }
    };
    let mut response = text_line(status, refusal);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
