//! `meshstream admin`: lets the owner's browsers into the pages of the running node, and out.

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Subcommand;
use player_web::qr;
use serde::Deserialize;
use serde_json::json;
use stream_model::{Listen, NodeReport};

use super::Output;
use super::show::print_json;
use crate::config::Config;
use crate::control::Client;
use crate::local_name::local_names;
use crate::output::{self, print};
use crate::web_address::{SecureAddresses, page_addresses, secure_addresses, web_addresses};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print an address that opens the admin pages in a browser, once and within ten minutes
    Link {
        #[command(flatten)]
        output: Output,
        /// Print it as a QR code too, for a phone that is in a network of this machine
        #[arg(long, conflicts_with = "json")]
        qr: bool,
    },
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
        Command::Link { output, qr } => {
            let report: NodeReport = node.get("/api/v1/node").await?;
            let pages = pages(config, &report.listen)?;
            // Looked for before the link is made: one that nobody can use would still open the pages.
            let scanned = if qr { Some(nearest(pages.for_phones)?) } else { None };
            let Made { path, lasts_s } = node.post("/control/admin/links", &json!({})).await?;
            let urls: Vec<String> = pages.urls.iter().map(|at| format!("{at}{path}")).collect();
            if output.json {
                return print_json(&json!({ "urls": urls, "lasts_s": lasts_s }));
            }
            match scanned {
                Some(at) => {
                    let url = format!("{at}{path}");
                    let code = qr::terminal(&url, output::ink())?;
                    print(|out| write_code(out, &code, &url, lasts_s))?;
                }
                None => print(|out| write_link(out, &urls, lasts_s))?,
            }
            if pages.unnamed { print(write_unnamed) } else { Ok(()) }
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

/// Where the owner's browsers reach the pages.
#[derive(Debug, PartialEq, Eq)]
struct Pages {
    /// The best first.
    urls: Vec<String>,
    /// Likewise by the networks around.
    for_phones: Vec<String>,
    /// The certificate is for none of these.
    unnamed: bool,
}

/// Over HTTPS where the node has it: what is typed there and the session's cookie are nobody else's business.
fn pages(config: &Config, listen: &Listen) -> anyhow::Result<Pages> {
    let parse = |address: &String| address.parse::<SocketAddr>().context("the node's answer is not understood");
    let plain = parse(listen.web.first().context("the node has no pages: is web.listen set?")?)?;
    let public_url = &config.web.public_url;
    if let (Some(secure), Some(tls), true) = (listen.web_tls.first(), &config.web.tls, public_url.is_empty()) {
        let names = config.web.names.iter().cloned().chain(local_names(&config.node.name)).collect();
        let covered = |hosts| player_web::covered(&tls.certificate, hosts);
        let SecureAddresses { urls, covered } = secure_addresses(parse(secure)?, names, covered);
        let for_phones = urls.iter().filter(|url| !url.contains("//localhost")).cloned().collect();
        return Ok(Pages { urls, for_phones, unnamed: !covered });
    }
    let for_phones = page_addresses(plain, public_url);
    Ok(Pages { urls: addresses(plain, public_url), for_phones, unnamed: false })
}

/// Where browsers reach a node that listens there, the best first.
fn addresses(listen: SocketAddr, public_url: &str) -> Vec<String> {
    let found = web_addresses(listen, public_url).now();
    // A machine without a network is still its own.
    if found.is_empty() { vec![format!("http://localhost:{}", listen.port())] } else { found }
}

/// Where a phone reaches the node that holds its camera before this machine's screen.
fn nearest(addresses: Vec<String>) -> anyhow::Result<String> {
    let nearest = addresses.into_iter().next().context(
        "this machine has no address that phones could reach: join it to a network first, or leave out --qr and open the \
         link on this machine",
    )?;
    Ok(nearest.trim_end_matches('/').to_owned())
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

fn write_unnamed(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(
        out,
        "The certificate of web.tls names none of this node's addresses and names, so browsers warn. Put the name that it is for \
         into web.names, and have it lead here."
    )
}

fn write_code(out: &mut dyn Write, code: &str, url: &str, lasts_s: u64) -> io::Result<()> {
    let minutes = lasts_s / 60;
    writeln!(out, "{code}")?;
    writeln!(
        out,
        "Scan this with a phone within {minutes} minutes, or open the address. It lets in once, as the owner of this node; \
         who photographs it first is in."
    )?;
    writeln!(out)?;
    writeln!(out, "  {url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_where_the_owner_says_that_the_pages_are() {
        let at = |listen: &str, public_url| addresses(listen.parse().unwrap(), public_url);
        assert_eq!(at("[::]:8080", "https://roof.example"), ["https://roof.example"]);
        assert_eq!(at("127.0.0.1:8081", ""), ["http://127.0.0.1:8081"]);
    }

    #[test]
    fn where_there_is_https_a_link_is_for_what_its_certificate_names() {
        let directory = tempfile::tempdir().unwrap();
        let certificate = directory.path().join("c.pem");
        let made = rcgen::generate_simple_self_signed(["video.mesh", "localhost", "10.0.0.5"].map(str::to_owned));
        std::fs::write(&certificate, made.unwrap().cert.pem()).unwrap();
        let listen = Listen {
            web: vec!["10.0.0.5:8080".to_owned()],
            web_tls: vec!["10.0.0.5:8443".to_owned()],
            ..Listen::default()
        };
        let mut config = Config::default();
        let plain = pages(&config, &listen).unwrap();
        assert_eq!((plain.urls, plain.unnamed), (vec!["http://10.0.0.5:8080".to_owned()], false));

        let key = directory.path().join("k.pem");
        config.web.tls = Some(crate::config::Tls { listen: "[::]:8443".parse().unwrap(), certificate, key });
        config.web.names = vec!["other.mesh".to_owned(), "video.mesh".to_owned()];
        let secure = pages(&config, &listen).unwrap();
        let expected = ["https://video.mesh:8443", "https://10.0.0.5:8443", "https://localhost:8443"];
        assert_eq!((&secure.urls[..], secure.unnamed), (&expected.map(str::to_owned)[..], false));
        assert_eq!(nearest(secure.for_phones).unwrap(), "https://video.mesh:8443");

        config.web.public_url = "http://roof.example".to_owned();
        assert_eq!(pages(&config, &listen).unwrap().urls, ["http://roof.example"]);
        config.web.public_url.clear();
        config.web.tls.as_mut().unwrap().certificate = directory.path().join("none.pem");
        assert!(pages(&config, &listen).unwrap().unnamed);
    }

    #[test]
    fn a_code_leads_to_one_address_and_there_is_none_without_a_network() {
        let nearby = ["http://10.0.0.5:8080/", "http://[fc12::1]:8080/"].map(str::to_owned).to_vec();
        assert_eq!(nearest(nearby).unwrap(), "http://10.0.0.5:8080");
        assert_eq!(nearest(vec!["https://roof.example".to_owned()]).unwrap(), "https://roof.example");
        assert!(nearest(vec![]).unwrap_err().to_string().contains("--qr"));
    }

    #[test]
    fn the_code_is_printed_with_the_address_that_it_has() {
        let url = "http://10.0.0.5:8080/admin/enter?link=abc";
        let mut out = Vec::new();
        write_code(&mut out, &qr::terminal(url, qr::Ink::Plain).unwrap(), url, 600).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with('█') && text.contains("10 minutes"), "{text}");
        assert!(text.ends_with(&format!("\n  {url}\n")), "{text}");
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
