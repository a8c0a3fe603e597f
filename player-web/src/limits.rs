//! Times that every request from the network has: for its body to come, and for its answer to begin.

use std::io;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::routes::text_line;

/// How long a body may take: the largest has 64 KiB, which a phone at the edge of the radio's range sends in seconds.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// How long an answer may take to begin. Each route has a shorter bound of its own, the gateway with 20 s the longest: this
/// one holds where one of them fails to.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The middleware.
pub(crate) async fn limit(request: Request, next: Next) -> Response {
    let request = request.map(|body| {
        if body.is_end_stream() { body } else { Body::from_stream(timed(body, Instant::now() + BODY_WITHIN)) }
    });
    match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            metrics::counter!("meshstream_web_overdue_answers_total").increment(1);
            text_line(StatusCode::SERVICE_UNAVAILABLE, "this node took too long: ask again in a minute")
        }
    }
}

/// A body that fails where it is not here in time.
fn timed(body: Body, deadline: Instant) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::unfold(Some(body.into_data_stream()), move |body| async move {
        let mut body = body?;
        match timeout_at(deadline, body.next()).await {
            Ok(piece) => Some((piece?.map_err(io::Error::other), Some(body))),
            Err(_) => {
                metrics::counter!("meshstream_web_slow_bodies_total").increment(1);
                Some((Err(io::ErrorKind::TimedOut.into()), None))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware;
    use axum::routing::{get, post};
    use tower::ServiceExt as _;

    async fn status(router: Router, request: Request) -> StatusCode {
        router.layer(middleware::from_fn(limit)).oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_and_one_that_comes_is_not() {
        let router = || Router::new().route("/", post(|body: Bytes| async move { format!("{}", body.len()) }));
        let trickle = |every: Duration| {
            let pieces = stream::unfold(0, move |sent| async move {
                tokio::time::sleep(every).await;
                (sent < 10).then_some((Ok::<_, io::Error>(Bytes::from_static(b"x")), sent + 1))
            });
            Request::post("/").body(Body::from_stream(pieces)).unwrap()
        };
        assert_eq!(status(router(), trickle(BODY_WITHIN / 20)).await, StatusCode::OK);
        assert!(status(router(), trickle(BODY_WITHIN / 5)).await.is_client_error());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_begins_is_given_up() {
        let router = Router::new().route("/", get(std::future::pending::<&'static str>));
        let request = Request::get("/").body(Body::empty()).unwrap();
        assert_eq!(status(router, request).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
