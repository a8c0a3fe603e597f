//! The owner's pages of cameras.

use axum::http::StatusCode;
use stream_model::{CameraState, CameraTrouble, StreamName};

use crate::Answer;
use crate::admin::Browser;

#[track_caller]
fn check(answer: &Answer, status: StatusCode, texts: &[&str]) {
    // Values stand between marks that isolate their direction.
    let page = answer.text().replace(['\u{2068}', '\u{2069}'], "");
    assert_eq!(answer.status, status, "{page}");
    for text in texts {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

fn state(browser: &Browser, name: &str) -> Option<CameraState> {
    let cameras = browser.owner.cameras.lock().unwrap();
    cameras.iter().find(|camera| camera.settings.name.to_string() == name).map(|camera| camera.state.clone())
}

const ADD: [(&str, &str); 9] = [
    ("name", "stage"),
    ("source", " rtsp://10.0.0.7/1 "),
    ("audio", ""),
    ("size", "640x360"),
    ("rate", "30"),
    ("bitrate", "900"),
    ("audio_bitrate", "64"),
    ("rotate", "90"),
    ("clock", "yes"),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = ADD.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().copied()).collect()
}

#[tokio::test]
async fn cameras_say_how_they_are_and_what_to_do() {
    let browser = Browser::entered().await;
    let page = browser.get("/admin/cameras").await;
    let wrong = "rtsp://10.0.0.9/stream ended: see whether the camera";
    check(&page, StatusCode::OK, &["publishes, encoded by x264enc", "Pictures are left out", wrong, "after 4 s"]);
    check(&page, StatusCode::OK, &["It is set in the configuration file", "/admin/cameras/hall/remove"]);
    assert!(!page.text().contains("/admin/cameras/roof/remove"), "what the configuration has is removed there");
}

#[tokio::test]
async fn only_this_nodes_player_is_shown_in_a_frame() {
    let browser = Browser::entered().await;
    let page = browser.get("/admin/cameras").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn a_camera_is_added_beside_what_is_plugged_in() {
    let browser = Browser::entered().await;
    let page = browser.get("/admin/camera").await;
    check(&page, StatusCode::OK, &["&#60;b&#62;USB camera", "<option value=\"/dev/video0\">", "alsa:hw:1"]);
    let page = browser.submit("/admin/camera", "/admin/camera", &ADD).await;
    check(&page, StatusCode::OK, &["The camera stage is set", "is starting"]);
    let added = browser.owner.cameras.lock().unwrap().last().unwrap().settings.clone();
    assert_eq!((added.source.as_str(), added.rate, added.rotate, added.clock), ("rtsp://10.0.0.7/1", 30, 90, true));

    let twice = browser.submit("/admin/camera", "/admin/camera", &ADD).await;
    check(&twice, StatusCode::CONFLICT, &["name-error", "There is a camera of this name"]);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_its_field_and_nothing_is_lost() {
    let browser = Browser::entered().await;
    for (field, value) in [("name", "a b"), ("rate", "many"), ("bitrate", "-1"), ("rotate", "x"), ("size", "big")] {
        let page = browser.submit("/admin/camera", "/admin/camera", &with(&[(field, value)])).await;
        check(&page, StatusCode::UNPROCESSABLE_ENTITY, &[&format!("{field}-error"), "rtsp://10.0.0.7/1"]);
    }
    assert_eq!(state(&browser, "stage"), None);
}

#[tokio::test]
async fn a_camera_is_changed_stopped_started_and_removed_after_a_question() {
    let browser = Browser::entered().await;
    check(&browser.get("/admin/cameras/hall").await, StatusCode::OK, &["value=\"/dev/video0\"", "Camera hall"]);
    let page = browser.submit("/admin/cameras/hall", "/admin/cameras/hall", &with(&[("source", "pattern")])).await;
    check(&page, StatusCode::OK, &["The camera hall is set"]);
    let cameras = "/admin/cameras";
    let page = browser.submit(cameras, "/admin/cameras/hall/switch", &[("to", "off")]).await;
    check(&page, StatusCode::OK, &["The camera hall is off", "switched off"]);
    assert_eq!(state(&browser, "hall"), Some(CameraState::Off));
    browser.submit(cameras, "/admin/cameras/hall/switch", &[("to", "on")]).await;
    assert_eq!(state(&browser, "hall"), Some(CameraState::Starting));
    check(&browser.get("/admin/cameras/hall/remove").await, StatusCode::OK, &["Remove the camera hall?"]);
    assert!(state(&browser, "hall").is_some(), "a question changes nothing");
    let page = browser.submit(cameras, "/admin/cameras/hall/remove", &[]).await;
    check(&page, StatusCode::OK, &["The camera hall was removed"]);
    let gone = browser.submit(cameras, "/admin/cameras/hall/switch", &[("to", "on")]).await;
    check(&gone, StatusCode::OK, &["There is no such camera"]);
    assert_eq!(browser.get("/admin/cameras/roof").await.status, StatusCode::SEE_OTHER);
    check(&browser.get(cameras).await, StatusCode::OK, &["change it there"]);
}

#[tokio::test]
async fn every_trouble_has_a_text_that_says_what_to_do() {
    let text = |word: &str| word.to_owned();
    let troubles = [
        (CameraTrouble::Package { element: text("x264enc"), package: text("p") }, "apt-get install p"),
        (CameraTrouble::Encoder { encoder: text("x") }, "leave the field empty"),
        (CameraTrouble::NoCamera, "plug one in"),
        (CameraTrouble::Gone { device: text("/dev/video0") }, "/dev/video0 is not there: plug it in"),
        (CameraTrouble::Permission { device: text("d") }, "groups video and audio"),
        (CameraTrouble::Busy { device: text("d") }, "end the program"),
        (CameraTrouble::Format { origin: text("d"), reason: text("r") }, "try another size"),
        (CameraTrouble::Source { address: text("a"), reason: text("r") }, "see whether it plays elsewhere"),
        (CameraTrouble::Refused { reason: text("<r>") }, "does not take the stream: &#60;r&#62;"),
        (CameraTrouble::Stalled { seconds: 10 }, "Nothing came for 10 s"),
        (CameraTrouble::Crashed { status: text("signal: 11") }, "signal: 11"),
        (CameraTrouble::Key { name: text("hall") }, "revoke it under Stream keys"),
        (CameraTrouble::Job { reason: text("r") }, "does not work: r"),
        (CameraTrouble::Other { element: text("e"), reason: text("r") }, "does not work: e: r"),
    ];
    let browser = Browser::entered().await;
    let hall: StreamName = "hall".parse().unwrap();
    for (trouble, says) in troubles {
        let failed = CameraState::Failed(trouble);
        browser.owner.cameras.lock().unwrap().iter_mut().filter(|camera| camera.settings.name == hall).for_each(
            |camera| {
                camera.state = failed.clone();
            },
        );
        check(&browser.get("/admin/cameras").await, StatusCode::OK, &[says]);
    }
}
