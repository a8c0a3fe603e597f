//! `meshstream admin`: lets the owner's browsers into the pages of the running node, and out.

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use stream_model::NodeReport;

use super::Output;
use super::show::print_json;
use crate::config::Config;
use crate::control::Client;
use crate::output::print;
use crate::web_address::web_addresses;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print an address that opens the admin pages in a browser, once and within ten minutes
    Link(Output),
    /// End what is open of the admin pages in all browsers, and the links that were not used
    Logout(Output),
}

/// A link as the node makes it.
#[derive(Debug, Deserialize)]
struct Made {
    path: String,
    lasts_s: u64,
}

#[derive(Debug, Deserialize)]
struct Ended {
    ended: u64,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let node = Client::require(&config.node.data_dir).await?;
    match command {
        Command::Link(output) => {
            let report: NodeReport = node.get("/api/v1/node").await?;
            let listen = report.listen.web.first().context("the node does not say where it listens for browsers")?;
            let Made { path, lasts_s } = node.post("/control/admin/links", &json!({})).await?;
            let urls: Vec<String> =
                addresses(listen, &config.web.public_url)?.iter().map(|at| format!("{at}{path}")).collect();
            if output.json {
                return print_json(&json!({ "urls": urls, "lasts_s": lasts_s }));
            }
            print(|out| write_link(out, &urls, lasts_s))
        }
        Command::Logout(output) => {
            let Ended { ended } = node.post("/control/admin/logout", &json!({})).await?;
            if output.json {
                return print_json(&json!({ "ended": ended }));
            }
            print(|out| {
                let browsers = if ended == 1 { "browser" } else { "browsers" };
                writeln!(out, "Signed out of {ended} {browsers}. 'meshstream admin link' lets in again.")
            })
        }
    }
}

/// Where browsers reach a node that listens there, the best first.
fn addresses(listen: &str, public_url: &str) -> anyhow::Result<Vec<String>> {
    let listen: SocketAddr = listen.parse().context("the node's answer is not understood")?;
    let found = web_addresses(listen, public_url).now();
    // A machine without a network is still its own.
    Ok(if found.is_empty() { vec![format!("http://localhost:{}", listen.port())] } else { found })
}

fn write_link(out: &mut dyn Write, urls: &[String], lasts_s: u64) -> io::Result<()> {
    let minutes = lasts_s / 60;
    writeln!(
        out,
        "Open one of these in a browser within {minutes} minutes. It lets in once, as the owner of this node:"
    )?;
    writeln!(out)?;
    urls.iter().try_for_each(|url| writeln!(out, "  {url}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_where_the_owner_says_that_the_pages_are() {
        assert_eq!(addresses("[::]:8080", "https://roof.example").unwrap(), ["https://roof.example"]);
        assert_eq!(addresses("127.0.0.1:8081", "").unwrap(), ["http://127.0.0.1:8081"]);
        assert!(addresses("somewhere", "").is_err());
    }

    #[test]
    fn the_link_is_printed_with_how_long_it_lasts() {
        let mut out = Vec::new();
        write_link(&mut out, &["http://10.0.0.5:8080/admin/enter?link=abc".to_owned()], 600).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("10 minutes") && text.ends_with("\n  http://10.0.0.5:8080/admin/enter?link=abc\n"),
            "{text}"
        );
    }
}
