//! Serves every page with something of everything on it, for work on how they look:
//!
//! ```text
//! cargo run --workspace --example gallery
//! ```
//!
//! The address is printed; Ctrl-C ends it.

#![allow(clippy::unwrap_used, reason = "the locks of the fake node are never poisoned")]

#[path = "../tests/support/mod.rs"]
mod support;

use support::gallery;
use tokio_util::sync::CancellationToken;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "an example tells its user where to look")]
async fn main() {
    let node = gallery::gallery();
    let folder = tempfile::tempdir().expect("a folder for the film");
    gallery::show_film(&node, folder.path());
    let port: u16 = std::env::args().nth(1).map_or(0, |port| port.parse().expect("a port"));
    let listener = listener::Listener::bind((std::net::Ipv4Addr::LOCALHOST, port).into(), &[]).expect("a free port");
    println!("http://{}/", listener.local_addr());
    let config = player_web::Config::default();
    player_web::serve(
        listener,
        player_web::app(node.ports(), &config),
        player_web::Places::new(&config),
        CancellationToken::new(),
    )
    .await;
}
