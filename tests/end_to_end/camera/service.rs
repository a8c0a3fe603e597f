//! Cameras that the node itself keeps going: of its configuration, and of its owner's pages.

use anyhow::{Context as _, Result, ensure};
use testkit::events::Events;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, enter, node};

/// A guard against hanging, not a measure.
const GUARD: std::time::Duration = std::time::Duration::from_secs(120);

const ROOF: &str = "[[camera]]\nname = \"roof\"\nsource = \"pattern\"\nsize = \"320x180\"\nbitrate = 300";

/// Waits for some more segments of a live broadcast.
async fn goes_on(a: &Node, slug: &str) -> Result<()> {
    let mut events = Events::of(a).await?;
    ensure!(events.live_broadcast().await? == slug, "another broadcast began");
    events.subscribe(slug).await?;
    let newest = events.segment(0).await?;
    events.segment(newest + 2).await.map(drop)
}

#[tokio::test]
async fn a_camera_of_the_configuration_publishes_by_itself_and_after_a_restart() -> Result<()> {
    let settings = Settings { name: "roof".to_owned(), tables: ROOF.to_owned(), ..Settings::default() };
    let mut a = Node::start(MESHSTREAM, settings).await?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    goes_on(&a, &slug).await?;
    a.kill().await?;
    a.restart().await?;
    goes_on(&a, &slug).await.context("after the node was killed")?;
    let status = a.terminate().await?;
    ensure!(status.success(), "{status}");
    ensure!(!a.log().contains("camera?key="), "the key is in the node's log");
    Ok(())
}

#[tokio::test]
async fn the_owner_adds_a_camera_sees_it_stops_it_and_finds_it_after_a_restart() -> Result<()> {
    let mut a = node("publisher").await?;
    let mut events = Events::of(&a).await?;
    let mut browser = enter(&a).await?;
    browser.goto(&format!("{}/admin/camera", a.web())).await?;
    for (field, value) in [("#name", "hall"), ("#source", "pattern"), ("#size", "320x180"), ("#bitrate", "300")] {
        browser.fill(field, value).await?;
    }
    browser.click("form[action='/admin/camera'] button").await?;
    browser.wait_for("#camera-hall").await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    events.segment(3).await?;

    let page = format!("{}/admin/cameras", a.web());
    browser.goto(&page).await?;
    browser.wait_for(&format!("iframe[src='/embed/{slug}']")).await?;
    let seen = "document.querySelector('iframe.preview').contentDocument?.querySelector('video')?.currentTime ?? 0";
    browser.until_eval(seen, |time| time.as_f64().is_some_and(|time| time > 0.0)).await.context("the preview")?;

    browser.click("#camera-hall button[value=off]").await?;
    browser.wait_for("#camera-hall button[value=on]:only-of-type").await?;
    ensure!(browser.eval("document.querySelectorAll('#camera-hall button').length").await? == 1, "it is off");
    a.terminate().await?;
    a.restart().await?;
    let mut browser = enter(&a).await?;
    browser.goto(&page).await?;
    browser.wait_for("#camera-hall").await?;
    ensure!(browser.eval("document.querySelectorAll('#camera-hall button').length").await? == 1, "it is off still");
    let mut events = Events::of(&a).await?;
    browser.click("#camera-hall button[value=on]").await?;
    browser.wait_for("#camera-hall button[value=off]").await?;
    let slug = events.live_broadcast().await?;
    goes_on(&a, &slug).await
}

#[tokio::test]
async fn what_goes_wrong_with_a_camera_stands_on_its_page_with_what_to_do() -> Result<()> {
    let lost = "[[camera]]\nname = \"lost\"\nsource = \"/nowhere/poster.png\"\naudio = \"tone\"";
    let wrong = "\n[[camera]]\nname = \"wrong\"\nsource = \"pattern\"\nencoder = \"fakesink\"";
    let tables = format!("{lost}{wrong}");
    let a = Node::start(MESHSTREAM, Settings { name: "roof".to_owned(), tables, ..Settings::default() }).await?;
    let mut browser = enter(&a).await?;
    for (camera, says) in [("lost", "/nowhere/poster.png"), ("wrong", "leave the field empty")] {
        let told = format!("document.querySelector('#camera-{camera} .notice')?.textContent ?? ''");
        browser.goto(&format!("{}/admin/cameras", a.web())).await?;
        browser.until_eval(&told, |text| text.as_str().is_some_and(|text| text.contains(says))).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_demo_makes_its_own_test_picture() -> Result<()> {
    let mut command = tokio::process::Command::new(MESHSTREAM);
    command.args(["demo", "--port", "0", "--target-duration", "2", "--segments", "2"]).kill_on_drop(true);
    let output = tokio::time::timeout(GUARD, command.output()).await.context("the demo goes on")??;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && said.contains("the node's own encoder (GStreamer) publishes"), "{said}");
    Ok(())
}
