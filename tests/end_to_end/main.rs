//! The program as its users meet it: real nodes as processes, real encoders, real browsers, a real Kubo.

mod admin;
mod archive;
mod backup;
mod beginning;
mod broadcast;
mod camera;
mod captions;
mod carry;
mod clip;
mod codes;
mod comments;
mod community;
mod day;
mod days;
mod demo;
mod disk;
mod download;
mod embedding;
mod exchange;
mod gateway;
mod hostile;
mod identity;
mod ingest;
mod keep;
mod keeping;
mod ladder;
mod mesh;
mod moments;
mod player;
mod playing;
mod portal;
mod programme;
mod recovering;
mod renditions;
mod service;
mod setup;
mod sound;
mod survival;
mod thumbnails;
mod upgrade;
mod viewers;
mod webkit;
mod writer;

use anyhow::{Context as _, Result};
use testkit::browser::Browser;
use testkit::encoder::{Ffmpeg, Picture};
use testkit::node::{Node, Settings};

/// Makes a test for Chromium and one for Firefox of each function that takes the browser's kind.
macro_rules! in_each_browser {
    ($($test:ident),* $(,)?) => {
        mod chromium {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(testkit::browser::Kind::Chromium).await
            })*
        }
        mod firefox {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(testkit::browser::Kind::Firefox).await
            })*
        }
    };
}
use in_each_browser;

/// The program under test.
const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

/// A node with the defaults of the tests: 2 s segments.
async fn node(name: &str) -> Result<Node> {
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), ..Settings::default() }).await
}

/// A browser on the owner's pages of a node.
async fn enter(node: &Node) -> Result<Browser> {
    let link = node.cli_json(&["admin", "link", "--json"]).await?;
    let mut browser = Browser::open(link["urls"][0].as_str().context("a link")?, true).await?;
    browser.click("main form button").await?;
    browser.wait_for("nav.tabs").await?;
    Ok(browser)
}

/// A node that knows another one, and fetches what is watched on it.
async fn viewer_of(publisher: &Node) -> Result<Node> {
    let peers = vec![publisher.web_address()];
    Node::start(MESHSTREAM, Settings { name: "viewer".to_owned(), peers, ..Settings::default() }).await
}

/// A node that knows another one, and fetches everything live.
async fn mirror_of(publisher: &Node) -> Result<Node> {
    let peers = vec![publisher.web_address()];
    let settings = Settings { name: "mirror".to_owned(), peers, mirror_all: true, ..Settings::default() };
    Node::start(MESHSTREAM, settings).await
}

/// Chooses an entry of a menu of the player, by the menu's id and the entry's position.
async fn choose(browser: &mut Browser, id: &str, option: usize) -> Result<()> {
    let choose = format!("menu.selectedIndex = {option}, menu.dispatchEvent(new Event('change'))");
    browser.eval(&format!("((menu) => ({choose}))(document.getElementById('{id}'))")).await.map(drop)
}

/// ffmpeg with the key for `demo`.
fn publish(node: &Node, key: &str) -> Result<Ffmpeg> {
    Ffmpeg::publish(&node.rtmp("demo", key), &Picture::default())
}
