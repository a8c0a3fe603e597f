//! The sound of a broadcast, as its owner is told of it.

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::events::Events;
use testkit::node::Node;

use crate::node;

/// A tone at -23 dBFS on both channels, which is -23 LUFS (EBU Tech 3341), and nothing after eight seconds.
const EIGHT_SECONDS: &str =
    "aevalsrc=0.0707946*sin(2*PI*1000*t)*lt(t\\,8)|0.0707946*sin(2*PI*1000*t)*lt(t\\,8):s=48000";

/// What the node says of the sound of its only publisher, once `is_so`.
async fn sound(node: &Node, events: &mut Events, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut segment = 0;
    loop {
        segment = events.segment(segment + 1).await?;
        let report = node.get_json("/api/v1/node").await?;
        let sound = &report["publishing"][0]["sound"];
        if is_so(sound) {
            return Ok(sound.clone());
        }
        ensure!(segment < 30, "after {segment} segments the node says {sound}");
    }
}

#[tokio::test]
async fn the_owner_is_told_how_loud_the_sound_is_and_that_it_is_silent() -> Result<()> {
    let node = node("publisher").await?;
    let key = node.add_key("hall").await?;
    let mut events = Events::of(&node).await?;
    let picture = Picture { tone: EIGHT_SECONDS, ..Picture::default() };
    let _encoder = Ffmpeg::publish(&node.rtmp("hall", &key), &picture)?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;

    let loud = sound(&node, &mut events, Value::is_object).await?;
    let loudness = loud["loudness_lufs"].as_f64().unwrap_or_default();
    ensure!((-23.5..=-22.5).contains(&loudness) && loud["state"] == "good", "{loud}");
    let silent = sound(&node, &mut events, |sound| sound["state"] == "silent").await?;
    ensure!(silent["silent_ms"].as_u64() >= Some(10_000) && silent["loudness_lufs"].is_null(), "{silent}");
    let told = node.cli(&["status"]).await?;
    ensure!(told.contains("hall: there has been no sound for"), "{told}");
    ensure!(node.log().contains("the sound is silent: look at the microphone"), "the log says nothing");
    Ok(())
}
