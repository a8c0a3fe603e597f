//! Names of headers in the letters that somebody insists on. To HTTP, their case is nothing (RFC 9110 §5.1), and hyper writes them in
//! small letters; ConnMan compares them letter by letter.
//!
//! hyper can only write names as it has read them, for proxies: so it gets them to read once, and what it remembers of them goes
//! into the answers that are to be written so.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::http::{Extensions, HeaderName};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// A header that is written in these letters.
const NAME: &str = "X-ConnMan-Status";

/// More than the request below takes.
const PIPE_BYTES: usize = 1024;

/// How a header is written.
#[derive(Debug, Clone)]
pub(crate) struct Spelling {
    name: HeaderName,
    letters: Extensions,
}

impl Spelling {
    /// Has hyper read the name; `None` where it does not remember it.
    pub(crate) async fn read() -> Option<Self> {
        let (ours, mut theirs) = tokio::io::duplex(PIPE_BYTES);
        let request = format!("GET / HTTP/1.1\r\nconnection: close\r\n{NAME}: -\r\n\r\n");
        theirs.write_all(request.as_bytes()).await.ok()?;
        let (tell, mut told) = mpsc::channel(1);
        let service = service_fn(move |request: axum::http::Request<Incoming>| {
            // There is one request, and room for it.
            let _ = tell.try_send(request.into_parts().0.extensions);
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        // What becomes of the answer does not matter.
        let _ = http1::Builder::new().preserve_header_case(true).serve_connection(TokioIo::new(ours), service).await;
        Some(Self { name: NAME.parse().ok()?, letters: told.try_recv().ok()? })
    }

    /// Has the header written so, where the answer has it.
    pub(crate) fn apply(&self, response: &mut Response) {
        if response.headers().contains_key(&self.name) {
            response.extensions_mut().extend(self.letters.clone());
        }
    }
}
