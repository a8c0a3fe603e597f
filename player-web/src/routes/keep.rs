//! `/control/policies`: how long broadcasts stay, on the owner's unix socket only.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, KeepPolicies, KeepPolicy, KeepPolicyError, KeptBroadcast};

use super::json_error;

type Policies = Extension<Arc<dyn KeepPolicies>>;

/// The paths of policies.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(policies: Arc<dyn KeepPolicies>) -> Router<S> {
    Router::new()
        .route("/control/policies", get(list))
        .route("/control/policies/{broadcast}", put(set).post(set))
        .layer(Extension(policies))
}

/// A policy as it travels.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
enum Policy {
    Default,
    Keep,
    Drop {
        #[serde(default)]
        after_s: u64,
    },
}

impl From<KeepPolicy> for Policy {
    fn from(policy: KeepPolicy) -> Self {
        match policy {
            KeepPolicy::Default => Self::Default,
            KeepPolicy::Keep => Self::Keep,
            KeepPolicy::DropAfter(age) => Self::Drop { after_s: age.as_secs() },
        }
    }
}

#[derive(Debug, Serialize)]
struct Kept {
    id: BroadcastId,
    slug: String,
    #[serde(flatten)]
    policy: Policy,
    dropped_in_s: Option<u64>,
}

async fn list(Extension(policies): Policies) -> Response {
    let kept = |KeptBroadcast { broadcast, policy, dropped_in }: KeptBroadcast| Kept {
        id: broadcast,
        slug: broadcast.slug(),
        policy: policy.into(),
        dropped_in_s: dropped_in.map(|left| left.as_secs()),
    };
    match policies.policies().await {
        Ok(policies) => Json(policies.into_iter().map(kept).collect::<Vec<_>>()).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn set(Extension(policies): Policies, Path(broadcast): Path<String>, body: Bytes) -> Response {
    let broadcast: BroadcastId = match broadcast.parse() {
        Ok(broadcast) => broadcast,
        Err(error) => return json_error(StatusCode::BAD_REQUEST, error),
    };
    let policy = match serde_json::from_slice(&body) {
        Ok(Policy::Default) => KeepPolicy::Default,
        Ok(Policy::Keep) => KeepPolicy::Keep,
        Ok(Policy::Drop { after_s }) => KeepPolicy::DropAfter(Duration::from_secs(after_s)),
        Err(error) => {
            return json_error(StatusCode::BAD_REQUEST, format!("expected {{\"policy\": \"keep\"}}: {error}"));
        }
    };
    match policies.set_policy(broadcast, policy).await {
        Ok(()) => Json(Policy::from(policy)).into_response(),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &KeepPolicyError) -> Response {
    let status = match error {
        KeepPolicyError::Unfinished(_) => StatusCode::CONFLICT,
        KeepPolicyError::TooMany(_) => StatusCode::INSUFFICIENT_STORAGE,
        _ => {
            tracing::error!(%error, "policies cannot be kept");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    json_error(status, error)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use serde_json::{Value, json};
    use stream_model::MessageKey;
    use tower::ServiceExt as _;

    use super::*;

    /// One broadcast that goes on; every other may have any policy.
    #[derive(Default)]
    struct Fake(Mutex<Vec<KeptBroadcast>>);

    const LIVE: BroadcastId = BroadcastId(MessageKey([1; 32]));

    #[async_trait]
    impl KeepPolicies for Fake {
        async fn set_policy(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), KeepPolicyError> {
            if broadcast == LIVE {
                return Err(KeepPolicyError::Unfinished(broadcast));
            }
            self.0.lock().unwrap().push(KeptBroadcast { broadcast, policy, dropped_in: None });
            Ok(())
        }

        async fn policies(&self) -> Result<Vec<KeptBroadcast>, KeepPolicyError> {
            Ok(self.0.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn policies_are_set_refused_and_listed() {
        let app: Router = routes(Arc::new(Fake::default()));
        let send = async |method: &str, path: String, body: &str| {
            let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice::<Value>(&body).unwrap())
        };
        let over = BroadcastId(MessageKey([2; 32]));
        let path = format!("/control/policies/{}", over.slug());
        let drop = r#"{"policy": "drop", "after_s": 60}"#;
        assert_eq!(send("PUT", path.clone(), drop).await.0, StatusCode::OK);
        assert_eq!(send("PUT", path.clone(), r#"{"policy": "burn"}"#).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(send("PUT", "/control/policies/x".to_owned(), drop).await.0, StatusCode::BAD_REQUEST);
        let live = format!("/control/policies/{}", LIVE.slug());
        assert_eq!(send("PUT", live, r#"{"policy": "drop"}"#).await.0, StatusCode::CONFLICT);
        let (status, listed) = send("GET", "/control/policies".to_owned(), "").await;
        assert_eq!(status, StatusCode::OK);
        let kept = json!([{ "id": over, "slug": over.slug(), "policy": "drop", "after_s": 60, "dropped_in_s": null }]);
        assert_eq!(listed, kept);
    }
}
