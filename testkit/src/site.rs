//! A web site of somebody else: pages on an origin of their own, which know the node only by its address.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Pages on an address of their own. Gone when dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Site {
    /// Serves pages under their paths.
    ///
    /// # Errors
    /// Where no address is free.
    pub async fn serve(pages: impl IntoIterator<Item = (&'static str, String)>) -> Result<Self> {
        let page = |router: Router, (path, html): (&'static str, String)| {
            router.route(path, get(move || std::future::ready(Html(html.clone()))))
        };
        let router = pages.into_iter().fold(Router::new(), page);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // Never ends by itself, and the tests that it fails for notice.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }

    /// The URL of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
