//! `/admin`: how the node is, and what its owner should look at.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use stream_model::{NodeReport, Publishing, ReleaseReport, SoundState, StorageFull};

use super::visitor::{Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::node_state::NodeState;
use crate::page::Page;
use crate::texts::Texts;

/// 2026-11-01T00:00:00Z. This program did not exist before: a clock that says so was not set.
const EARLIEST: Duration = Duration::from_secs(1_793_491_200);

/// Characters of a key that are shown.
const SHORT_KEY: usize = 16;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    t: Texts,
    page: Page,
    admin: Frame,
    report: NodeReport,
    state: NodeState,
    /// What the owner should look at.
    warnings: Vec<String>,
    /// What can be installed.
    upgrade: Option<String>,
    /// What is published now, with the titles.
    on_air: Vec<OnAir>,
}

/// A publisher at work.
struct OnAir {
    publishing: Publishing,
    title: String,
}

impl OnAir {
    fn slug(&self) -> Option<String> {
        self.publishing.broadcast.map(|broadcast| broadcast.slug())
    }

    /// LUFS, rounded.
    fn loudness(&self) -> Option<String> {
        Some(format!("{:.0}", self.publishing.sound.as_ref()?.loudness_lufs?))
    }
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let ports = &owner.state.ports;
    let report = ports.status.report().await;
    let state = NodeState::of(&*ports.status).await;
    let title = |publishing: &Publishing| ports.directory.listing(&publishing.broadcast?).map(|listing| listing.title);
    let on_air = report
        .publishing
        .iter()
        .map(|publishing| OnAir { publishing: publishing.clone(), title: title(publishing).unwrap_or_default() })
        .collect();
    let warnings = warnings(owner.t(), &report, &state, SystemTime::now());
    let upgrade = upgrade(owner.t(), &owner.ports.releases.report().await);
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("overview"));
    owner.answer(StatusCode::OK, &Overview { t, page, admin, report, state, warnings, upgrade, on_air })
}

/// Which release can be installed, and how.
fn upgrade(t: Texts, report: &ReleaseReport) -> Option<String> {
    let ready = report.ready()?;
    // Enough of each key to know it by.
    let short = |key: &String| key.chars().take(SHORT_KEY).chain(['…']).collect::<String>();
    let signers: Vec<String> = ready.signers.iter().map(short).collect();
    let text = t.get("owner-release-ready").arg("version", ready.version.clone());
    Some(text.arg("signers", signers.join(", ")).to_string())
}

/// What does not work as it should, and what to do.
fn warnings(t: Texts, report: &NodeReport, state: &NodeState, now: SystemTime) -> Vec<String> {
    let full = match report.storage.full {
        Some(StorageFull::Quota) => Some(t.get("owner-warn-quota")),
        Some(StorageFull::Files) => Some(t.get("owner-warn-files")),
        Some(StorageFull::Disk) => Some(t.get("owner-warn-disk")),
        None => report.storage.disk_full.then(|| t.get("owner-warn-disk")),
    };
    let failing = report.storage.failing.then(|| t.get("owner-warn-failing"));
    let clock = (now < UNIX_EPOCH + EARLIEST).then(|| t.get("owner-warn-clock"));
    let link = (state.peers == 0).then(|| t.get("owner-warn-link"));
    let sound = report.publishing.iter().filter_map(|publishing| sound_warning(t, publishing));
    [full, failing, clock, link].into_iter().flatten().map(|text| text.to_string()).chain(sound).collect()
}

fn sound_warning(t: Texts, publishing: &Publishing) -> Option<String> {
    let sound = publishing.sound.as_ref()?;
    let text = match sound.state {
        SoundState::Good => return None,
        SoundState::Silent => t.get("owner-warn-sound-silent").arg("seconds", sound.silent_ms / 1_000),
        SoundState::OneSided => t.get("owner-warn-sound-one-sided"),
        SoundState::Clipped => t.get("owner-warn-sound-clipped"),
        SoundState::Quiet => t.get("owner-warn-sound-quiet"),
    };
    Some(text.arg("name", publishing.name.to_string()).to_string())
}
