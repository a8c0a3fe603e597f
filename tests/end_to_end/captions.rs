//! Captions that a camera or a studio puts into the picture.

use anyhow::{Context as _, Result, ensure};
use testkit::browser::{Browser, Kind};
use testkit::captions;
use testkit::encoder::Ffmpeg;
use testkit::events::Events;

use crate::{in_each_browser, node};

in_each_browser! {
    captions_of_the_stream_are_offered_and_shown,
}

/// Longer than it takes to see them.
const SECONDS: u32 = 90;

async fn captions_of_the_stream_are_offered_and_shown(kind: Kind) -> Result<()> {
    let a = node("publisher").await?;
    let key = a.add_key("demo").await?;
    let folder = tempfile::tempdir()?;
    let recording = captions::record(folder.path(), SECONDS, &["MESH ONE", "MESH TWO"])?;
    let _publisher = Ffmpeg::publish_recording(&a.rtmp("demo", &key), &recording)?;
    let slug = Events::of(&a).await?.live_broadcast().await?;
    let mut browser = Browser::open_in(kind, &format!("{}/watch/{slug}", a.web())).await?;
    browser.until("a picture", |player| player.width() == 320 && player.current_time() > 0.0).await?;

    browser.until_eval("!document.getElementById('captions').hidden", |offered| *offered == true).await?;
    let shown = "Array.from(document.getElementById('video').textTracks).filter(({ mode }) => mode === 'showing') \
                 .flatMap(({ activeCues }) => Array.from(activeCues ?? [], ({ text }) => text)).join()";
    ensure!(browser.eval(shown).await? == "", "shown without being asked for");
    browser.key("c").await?;
    let text = browser.until_eval(shown, |text| text.as_str().is_some_and(|text| text.contains("MESH"))).await?;
    let text = text.as_str().context("no text")?.trim().to_owned();
    ensure!(["MESH ONE", "MESH TWO"].contains(&text.as_str()), "not as it was sent: {text:?}");
    let next = browser
        .until_eval(shown, |next| next.as_str().is_some_and(|next| next.contains("MESH") && next.trim() != text));
    next.await?;
    let menu = "document.getElementById('captions').selectedOptions[0].value";
    ensure!(browser.eval(menu).await? == "0", "the menu does not say so");

    browser.key("c").await?;
    browser.until_eval(shown, |text| *text == "").await?;
    Ok(())
}
