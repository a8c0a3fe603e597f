//! `/admin/storage`: what is stored, what goes next, and what is kept on purpose.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{BroadcastId, KeepPolicy, MirrorNeed, MirrorProgress, Retention, StorageOutlook};

use super::visitor::{Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Settings that are of storage.
const QUOTA: &str = "storage.quota";
const RESERVE: &str = "storage.reserve";

#[derive(Template)]
#[template(path = "admin/storage.html")]
struct Storage {
    t: Texts,
    page: Page,
    admin: Frame,
    outlook: StorageOutlook,
    /// What may be stored, and what of the disk stays free, as it is set.
    quota: Option<String>,
    reserve: Option<String>,
    mirrors: Vec<Mirror>,
    kept: Vec<Kept>,
    failure: Option<String>,
}

struct Mirror {
    slug: String,
    title: String,
    asked: bool,
    progress: MirrorProgress,
}

struct Kept {
    slug: String,
    title: String,
    policy: KeepPolicy,
}

impl Storage {
    fn kept_text(&self, policy: &KeepPolicy) -> String {
        let text = match policy {
            KeepPolicy::Keep => self.t.get("owner-keep-keep"),
            KeepPolicy::DropAfter(age) if age.is_zero() => self.t.get("owner-keep-dropped"),
            KeepPolicy::DropAfter(age) => {
                self.t.get("owner-keep-drop-after").arg("days", age.as_secs().div_ceil(86_400))
            }
            KeepPolicy::Default => self.t.get("owner-keep-default"),
        };
        text.to_string()
    }

    /// What a mirror waits for, and what the owner can do.
    fn need(&self, need: &MirrorNeed) -> String {
        let text = match need {
            MirrorNeed::Room => self.t.get("owner-mirror-waits-room"),
            MirrorNeed::Segments => self.t.get("owner-mirror-waits-segments"),
            MirrorNeed::Archives => self.t.get("owner-mirror-waits-archives"),
            MirrorNeed::List => self.t.get("owner-mirror-waits-list"),
            MirrorNeed::Node => self.t.get("owner-mirror-waits-node"),
        };
        text.to_string()
    }

    fn why_here(&self, retention: &Retention) -> String {
        let text = match retention {
            Retention::Passing => self.t.get("owner-held-passing"),
            Retention::Mirrored => self.t.get("owner-held-mirrored"),
            Retention::Kept => self.t.get("owner-held-kept"),
        };
        text.to_string()
    }
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let mut failure = None;
    let directory = &owner.state.ports.directory;
    let title = |broadcast: &BroadcastId| directory.listing(broadcast).map(|one| one.title).unwrap_or_default();
    let settings = owner.ports.settings.list().await.unwrap_or_else(|error| {
        failure = Some(owner.failure(&error));
        Vec::new()
    });
    let set = |key: &str| settings.iter().find(|setting| setting.key == key).and_then(|setting| setting.next.clone());
    let (quota, reserve) = (set(QUOTA), set(RESERVE));
    let mirror = |entry: stream_model::MirrorEntry| Mirror {
        slug: entry.broadcast.slug(),
        title: title(&entry.broadcast),
        asked: entry.asked,
        progress: entry.progress,
    };
    let mirrors = owner.ports.keeper.mirrors().into_iter().map(mirror).collect();
    let policies = owner.ports.policies.policies().await.unwrap_or_else(|error| {
        failure = Some(owner.failure(&error));
        Vec::new()
    });
    let kept = |kept: stream_model::KeptBroadcast| Kept {
        slug: kept.broadcast.slug(),
        title: title(&kept.broadcast),
        policy: kept.policy,
    };
    let kept = policies.into_iter().map(kept).collect();
    let outlook = owner.state.ports.status.storage().await;
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("storage"));
    owner.answer(StatusCode::OK, &Storage { t, page, admin, outlook, quota, reserve, mirrors, kept, failure })
}
