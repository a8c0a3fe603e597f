//! `/control/releases`: releases of the program, on the owner's unix socket only.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use cid::Cid;
use futures::FutureExt as _;
use serde::Deserialize;
use serde_json::json;
use stream_model::{Announce, ReleaseError, Releases, StoreError};

use super::carry::take_in;
use super::{json_error, read_json};

type Owner = Extension<Arc<dyn Releases>>;

/// The paths of releases.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(releases: Arc<dyn Releases>) -> Router<S> {
    Router::new()
        .route("/control/releases", get(list).post(publish))
        .route("/control/releases/package.car", post(add))
        .route("/control/releases/packages/{cid}", get(package))
        .layer(Extension(releases))
}

/// A release to be published.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    statement: String,
    announce: Announce,
}

async fn list(Extension(releases): Owner) -> Response {
    Json(releases.report().await).into_response()
}

async fn publish(Extension(releases): Owner, body: Result<Bytes, BytesRejection>) -> Response {
    let Publish { statement, announce } = match read_json(body, r#"{"statement": "…", "announce": "feed"}"#) {
        Ok(publish) => publish,
        Err(refused) => return refused.into_response(),
    };
    match releases.publish(&statement, announce).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error @ (ReleaseError::Refused(_) | ReleaseError::PackageMissing(_))) => {
            json_error(StatusCode::UNPROCESSABLE_ENTITY, error)
        }
        Err(error) => {
            tracing::error!(%error, "a release cannot be published");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
    }
}

async fn add(Extension(releases): Owner, body: Body) -> Response {
    take_in(body, move |file, progress| {
        async move {
            let added = releases.add_package(file, progress).await?;
            let roots: Vec<String> = added.roots.iter().map(|root| root.cid.to_string()).collect();
            Ok::<_, stream_model::CarError>(json!({ "roots": roots }))
        }
        .boxed()
    })
}

async fn package(Extension(releases): Owner, Path(cid): Path<String>) -> Response {
    let Ok(root) = cid.parse::<Cid>() else {
        return json_error(StatusCode::BAD_REQUEST, format!("'{cid}' is no CID"));
    };
    match releases.package(&root).await {
        Ok((bytes, pieces)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/vnd.debian.binary-package".to_owned()),
                (header::CONTENT_LENGTH, bytes.to_string()),
            ];
            (headers, Body::from_stream(pieces)).into_response()
        }
        Err(error @ StoreError::NotFound(_)) => json_error(StatusCode::NOT_FOUND, error),
        Err(error) => {
            tracing::error!(%error, "a package cannot be read");
            json_error(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use axum::http::Request;
    use futures::TryStreamExt as _;
    use futures::stream::{self, BoxStream, StreamExt as _};
    use http_body_util::BodyExt as _;
    use multihash_codetable::{Code, MultihashDigest as _};
    use stream_model::{CarBytes, CarError, CarImported, CarProgress, ReleaseReport, StoredContent};
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Default)]
    struct Fake(Mutex<Vec<(String, Announce)>>);

    fn held() -> Cid {
        Cid::new_v1(0x55, Code::Sha2_256.digest(b"package"))
    }

    #[async_trait]
    impl Releases for Fake {
        async fn report(&self) -> ReleaseReport {
            ReleaseReport { installed: Some("0.1.0-1".to_owned()), ..ReleaseReport::default() }
        }

        async fn add_package(
            &self,
            file: CarBytes<'_>,
            _: &(dyn Fn(CarProgress) + Send + Sync),
        ) -> Result<CarImported, CarError> {
            let file = file.try_collect::<Vec<_>>().await.map_err(|error| CarError::Incomplete(error.to_string()))?;
            let bytes = file.concat().len() as u64;
            let progress = CarProgress { bytes_read: bytes, blocks_new: 1, blocks_here: 0 };
            Ok(CarImported { roots: vec![StoredContent { cid: held(), bytes }], progress })
        }

        async fn publish(&self, statement: &str, announce: Announce) -> Result<(), ReleaseError> {
            if statement == "wrong" {
                return Err(ReleaseError::Refused("wrong".to_owned()));
            }
            self.0.lock().unwrap().push((statement.to_owned(), announce));
            Ok(())
        }

        async fn package(&self, cid: &Cid) -> Result<(u64, BoxStream<'static, Result<Bytes, StoreError>>), StoreError> {
            if *cid != held() {
                return Err(StoreError::NotFound(*cid));
            }
            Ok((7, stream::iter([Ok(Bytes::from_static(b"package"))]).boxed()))
        }
    }

    async fn send(fake: &Arc<Fake>, method: &str, path: &str, body: &'static str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = routes::<()>(fake.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn releases_are_published_listed_and_their_packages_read() {
        let fake = Arc::new(Fake::default());
        let (_, said) = send(&fake, "POST", "/control/releases/package.car", "car").await;
        assert!(said.contains(&held().to_string()), "{said}");
        let body = r#"{"statement": "good", "announce": "nobody"}"#;
        assert_eq!(send(&fake, "POST", "/control/releases", body).await.0, StatusCode::NO_CONTENT);
        assert_eq!(*fake.0.lock().unwrap(), [("good".to_owned(), Announce::Nobody)]);
        let body = r#"{"statement": "wrong", "announce": "feed"}"#;
        assert_eq!(send(&fake, "POST", "/control/releases", body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(send(&fake, "POST", "/control/releases", "{}").await.0, StatusCode::BAD_REQUEST);
        let (_, said) = send(&fake, "GET", "/control/releases", "").await;
        assert!(said.contains(r#""installed":"0.1.0-1""#), "{said}");
        let path = |cid: &str| format!("/control/releases/packages/{cid}");
        let found = send(&fake, "GET", &path(&held().to_string()), "").await;
        assert_eq!(found, (StatusCode::OK, "package".to_owned()));
        let other = Cid::new_v1(0x55, Code::Sha2_256.digest(b"other")).to_string();
        assert_eq!(send(&fake, "GET", &path(&other), "").await.0, StatusCode::NOT_FOUND);
        assert_eq!(send(&fake, "GET", &path("x"), "").await.0, StatusCode::BAD_REQUEST);
    }
}
