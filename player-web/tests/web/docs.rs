//! The documents at `/docs/`.

use axum::http::{Method, StatusCode};

use crate::support::FakeNode;
use crate::{Answer, ask, get};

/// The part of an answer's policy that is about one kind of thing.
fn policy<'a>(answer: &'a Answer, of: &str) -> Option<&'a str> {
    answer.header("content-security-policy").split("; ").find_map(|part| part.strip_prefix(of))
}

#[tokio::test]
async fn pages_come_with_the_policy_of_all_pages() {
    let node = FakeNode::new();
    for (path, title) in [
        ("/docs/", "<title>What is here - Meshstream</title>"),
        ("/docs/index.html", "<title>What is here - Meshstream</title>"),
        ("/docs/concepts.html", "<title>Concepts - Meshstream</title>"),
        ("/docs/stories/", "<title>Four stories - Meshstream</title>"),
    ] {
        let answer = get(&node, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert!(answer.text().contains(title), "{path}");
        assert_eq!(policy(&answer, "script-src"), Some(" 'self'"), "{path}");
        assert_eq!(policy(&answer, "style-src"), Some(" 'self'"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
}

#[tokio::test]
async fn what_pages_load_and_link_to_comes_as_what_it_is() {
    let node = FakeNode::new();
    for (path, media_type) in [
        ("/docs/book.css", "text/css; charset=utf-8"),
        ("/docs/concepts/way.svg", "image/svg+xml"),
        ("/docs/hardware/field-card.svg", "image/svg+xml"),
        ("/docs/hardware/librerouter/firewall", "text/plain; charset=utf-8"),
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, media_type), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(policy(&answer, "default-src"), Some(" 'none'"), "{path}");
        // A drawing may have a style sheet in it, and never a script.
        let styles = (media_type == "image/svg+xml").then_some(" 'unsafe-inline'");
        assert_eq!((policy(&answer, "style-src"), policy(&answer, "script-src")), (styles, None), "{path}");
    }
}

#[tokio::test]
async fn a_page_is_the_same_with_and_without_gzip_and_asked_for_anew_by_its_tag() {
    let node = FakeNode::new();
    let path = "/docs/quick-start.html";
    let plain = get(&node, path).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "Accept-Encoding"));
    assert_eq!(plain.header("cache-control"), "public, max-age=300");
    assert!(plain.text().ends_with("</html>\n"));
    let gzip = ask(&node, Method::GET, path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert!(gzip.body.starts_with(&[0x1f, 0x8b]) && gzip.body.len() * 2 < plain.body.len());

    let tag = plain.header("etag");
    assert_eq!(gzip.header("etag"), tag);
    let again = ask(&node, Method::GET, path, &[("if-none-match", tag)]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    // A browser takes these for those of the page that it has.
    for name in ["content-security-policy", "content-type", "x-frame-options", "cache-control", "etag", "vary"] {
        assert_eq!(again.header(name), plain.header(name), "{name}");
    }
    let other = get(&node, "/docs/concepts.html").await;
    assert_ne!(other.header("etag"), tag);
    let head = ask(&node, Method::HEAD, path, &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn folders_lead_to_where_links_within_them_hold() {
    let node = FakeNode::new();
    for (path, location) in [
        ("/docs", "/docs/"),
        ("/docs/hardware", "/docs/hardware/"),
        ("/docs/hardware/librerouter", "/docs/hardware/librerouter/"),
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::TEMPORARY_REDIRECT, location), "{path}");
        assert_eq!(get(&node, location).await.status, StatusCode::OK, "{location}");
    }
}

#[tokio::test]
async fn what_is_no_part_of_the_book_is_a_page_that_leads_back() {
    let node = FakeNode::new();
    for path in [
        "/docs/nowhere.html",
        "/docs/quick-start.md",
        "/docs/quick-start.html/",
        "/docs/operations",
        "/docs/operations/",
        "/docs//",
        "/docs/../etc/passwd",
        "/docs/..%2f..%2f..%2fetc%2fpasswd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs/%2fetc/passwd",
        "/docs/book.css%00.html",
        "/docs/SUMMARY.html",
    ] {
        let answer = get(&node, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().contains("href=\"/docs/\""), "{path}: {}", answer.text());
    }
    let not_text = get(&node, "/docs/%ff").await;
    assert!(not_text.status.is_client_error(), "{not_text:?}");
    let post = ask(&node, Method::POST, "/docs/", &[]).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_the_documents_have_is_found_where_it_is() {
    let node = FakeNode::new();
    let found = get(&node, "/docs/search?q=BECOMES+P%C3%BAblic+%2Fnodeinfo.json").await;
    assert_eq!(found.status, StatusCode::OK);
    let address = "/docs/operations/relay.html#what-becomes-public";
    assert!(found.text().contains(&format!("<a href=\"{address}\">")), "{}", found.text());
    assert_eq!(get(&node, address.split('#').next().unwrap()).await.status, StatusCode::OK);

    for question in ["zzzzzz", "%ff", "%3Cscript%3Ealert(1)%3C/script%3E"] {
        let nothing = get(&node, &format!("/docs/search?q={question}")).await;
        assert!(nothing.text().contains("Nothing in the documentation"), "{}", nothing.text());
        assert!(!nothing.text().contains("<script>alert"));
    }
    for path in ["/docs/search", "/docs/search?q="] {
        let form = get(&node, path).await;
        assert_eq!(form.status, StatusCode::OK, "{path}");
        assert!(form.text().contains("role=\"search\"") && !form.text().contains("Nothing in"), "{path}");
    }
    assert!(get(&node, "/docs/").await.text().contains("action=\"search\""));
    assert!(get(&node, "/docs/hardware/librerouter/").await.text().contains("action=\"../../search\""));
}

#[tokio::test]
async fn every_page_of_the_node_leads_to_the_documents() {
    let node = FakeNode::new();
    let page = ask(&node, Method::GET, "/", &[("accept-language", "es")]).await;
    assert!(page.text().contains("<a href=\"/docs/\" hreflang=\"en\">Documentación</a>"));
}
