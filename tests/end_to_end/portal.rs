//! A phone joins the network of an access point, as its system does: probe, portal, probe. Requests are written byte by byte,
//! since no HTTP client sends a foreign name to an address, or two names at once.

use anyhow::{Context as _, Result, ensure};
use testkit::node::Node;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::node;

/// One request on a connection of its own: the head of the answer, and its body.
async fn ask(node: &Node, request: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(node.web_address()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer to {request}: {answer}"))?;
    Ok((head.to_owned(), body.to_owned()))
}

async fn get(node: &Node, host: &str, path: &str, agent: &str) -> Result<(String, String)> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
    ask(node, &head).await
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn an_android_phone_opens_the_portal_and_stays() -> Result<()> {
    let node = node("roof").await?;
    let probe = || get(&node, "connectivitycheck.gstatic.com", "/generate_204", "Dalvik/2.1.0");
    let (head, _) = probe().await?;
    ensure!(head.starts_with("HTTP/1.1 302"), "{head}");
    // The phone came by port 80, which the access point leads to the node's.
    ensure!(header(&head, "location") == "http://127.0.0.1/portal", "{head}");

    let (head, page) = get(&node, &node.web_address(), "/portal", "Mozilla/5.0 (Linux; Android 15)").await?;
    ensure!(head.starts_with("HTTP/1.1 200") && page.contains("action=\"/portal/continue\""), "{head}\n{page}");
    ensure!(page.contains(&format!("href=\"{}/\"", node.web())), "{page}");
    let (head, _) = probe().await?;
    ensure!(head.starts_with("HTTP/1.1 302"), "the sheet would close by itself: {head}");

    let host = node.web_address();
    let (head, _) = ask(
        &node,
        &format!("POST /portal/continue HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    )
    .await?;
    ensure!(head.starts_with("HTTP/1.1 303") && header(&head, "location") == "/portal", "{head}");
    let (head, body) = probe().await?;
    ensure!(head.starts_with("HTTP/1.1 204") && body.is_empty(), "{head}");
    let (_, page) = get(&node, &node.web_address(), "/portal", "Mozilla/5.0").await?;
    ensure!(!page.contains("<form"), "there is nothing to go on from: {page}");

    // The same address is through for every system.
    for (host, path, expected) in [
        ("www.msftconnecttest.com", "/connecttest.txt", "Microsoft Connect Test"),
        ("www.msftncsi.com", "/ncsi.txt", "Microsoft NCSI"),
        ("detectportal.firefox.com", "/success.txt?ipv4", "success\n"),
        ("nmcheck.gnome.org", "/check_network_status.txt", "NetworkManager is online"),
    ] {
        let (head, body) = get(&node, host, path, "x").await?;
        ensure!(head.starts_with("HTTP/1.1 200") && body == expected, "{host}: {head}\n{body}");
        ensure!(header(&head, "content-length") == expected.len().to_string(), "{host}: {head}");
        ensure!(header(&head, "content-type") == "text/plain", "{host}: {head}");
    }
    Ok(())
}

#[tokio::test]
async fn an_iphone_hears_success_once_its_sheet_shows_the_portal() -> Result<()> {
    const AGENT: &str = "CaptiveNetworkSupport-481 wispr";
    let node = node("roof").await?;
    let probe = || get(&node, "captive.apple.com", "/hotspot-detect.html", AGENT);
    let (head, _) = probe().await?;
    ensure!(header(&head, "location").ends_with("/portal"), "{head}");
    // The system itself reads the page first; the sheet that it opens then asks the probe's address again, by another name.
    get(&node, &node.web_address(), "/portal", AGENT).await?;
    let (head, _) = get(&node, "captive.apple.com", "/hotspot-detect.html", "Mozilla/5.0 (iPhone)").await?;
    ensure!(header(&head, "location").ends_with("/portal"), "the sheet would show Apple's page: {head}");
    get(&node, &node.web_address(), "/portal", "Mozilla/5.0 (iPhone)").await?;
    let (head, body) = probe().await?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    ensure!(body == "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n", "{body}");
    Ok(())
}

#[tokio::test]
async fn requests_of_all_shapes_are_answered_or_refused() -> Result<()> {
    let node = node("roof").await?;
    let own = node.web_address();
    for (request, expected) in [
        (format!("GET / HTTP/1.1\r\nHost: {own}\r\n"), "200"),
        ("GET / HTTP/1.0\r\n".to_owned(), "200"),
        ("GET / HTTP/1.1\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: {own}\r\n"), "400"),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1:99999\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: example.com\r\n".to_owned(), "302"),
        (format!("GET http://{own}/ HTTP/1.1\r\nHost: {own}\r\n"), "200"),
        (format!("GET http://evil.example/api/v1/node HTTP/1.1\r\nHost: {own}\r\n"), "421"),
        ("GET /api/v1/peers HTTP/1.1\r\nHost: evil.example\r\n".to_owned(), "421"),
        ("POST /api/v1/posts HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n".to_owned(), "421"),
        ("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n".to_owned(), "4"),
        (format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n"), "4"),
    ] {
        let (head, _) = ask(&node, &format!("{request}Connection: close\r\n\r\n")).await?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with(expected), "{request}: {head}");
    }
    Ok(())
}
