//! Every page in a real browser, with something of everything on it: accessible (WCAG 2.2 AA by axe-core), never wider than
//! its window, in each language, in both directions and colour schemes; asking nobody but this node, refused nothing by its
//! own policy, without an error. Leaves screenshots in `target/screenshots`, to be looked at.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "../support/mod.rs"]
mod support;

mod mesh;
mod pages;
mod preview;
mod weights;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use player_web::{AdminToken, Config, OwnerAccess};
use support::{FakeNode, gallery};
use tempfile::TempDir;
use testkit::browser::Browser;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// With which its owner enters.
const TOKEN: &str = "correct-horse-battery";

/// The gallery on loopback. Gone when dropped.
struct Gallery {
    node: Arc<FakeNode>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    _film: TempDir,
}

impl Gallery {
    fn open() -> Self {
        let node = gallery::gallery();
        let film = tempfile::tempdir().unwrap();
        gallery::show_film(&node, film.path());
        let listener = listener::Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
        let address = listener.local_addr();
        let access = OwnerAccess::new(Some(AdminToken::new(TOKEN).unwrap()), stream_model::FeedId([1; 32]));
        let config = Config { access, ..Config::default() };
        let owner = gallery::owner(&node);
        let pages = player_web::admin_app(node.ports(), owner.ports(&node), &config);
        let router = player_web::app(node.ports(), &config).merge(pages);
        let serving = tokio::spawn(async move {
            player_web::serve(listener, router, player_web::Places::new(&config), CancellationToken::new()).await
        });
        Self { node, address, serving, _film: film }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Has a browser enter as the owner.
    async fn enter(&self, browser: &mut Browser) {
        browser.goto(&self.url("/admin/enter")).await.unwrap();
        browser.fill("#token", TOKEN).await.unwrap();
        browser.click("main form button").await.unwrap();
        browser.wait_for("nav.tabs").await.unwrap();
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The path of a page about a broadcast of the gallery.
fn of_broadcast(page: &str, byte: u8) -> String {
    format!("{page}/{}", support::broadcast_id(byte).slug())
}

/// Where screenshots are kept: beside what else was built.
fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
