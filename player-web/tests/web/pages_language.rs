//! Pages in the language of who reads them, and what they weigh.

use axum::http::{Method, StatusCode};
use stream_model::BroadcastState;

use crate::support::{FakeNode, broadcast_id, listing};
use crate::{ask, get};

#[tokio::test]
async fn every_page_speaks_the_language_of_who_reads_it() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, " ", BroadcastState::Live));
    let watch = format!("/watch/{}", broadcast_id(7).slug());
    let details = format!("/broadcast/{}", broadcast_id(7).slug());
    for path in ["/", "/archive", "/timeline", "/node", "/search?q=x", "/nope", watch.as_str(), details.as_str()] {
        for (accept, lang, licences) in
            [("es-MX,es;q=0.9", "es", "Licencias"), ("fr", "fr", "Licences"), ("pt", "pt", "Licenças")]
        {
            let page = ask(&node, Method::GET, path, &[("accept-language", accept)]).await;
            assert!(page.text().contains(&format!("<html lang=\"{lang}\" dir=\"ltr\"")), "{path}");
            assert!(page.text().contains(licences), "{path} in {lang}");
            assert_eq!(page.header("content-language"), lang);
            assert!(page.header("vary").contains("Accept-Language") && page.header("vary").contains("Cookie"));
        }
    }
}

#[tokio::test]
async fn a_page_leads_to_itself_in_other_languages() {
    let node = FakeNode::new();
    let page = get(&node, "/search?q=mesh&lang=es").await;
    assert!(page.text().contains("href=\"?q=mesh&#38;lang=fr\""), "{}", page.text());
    assert!(page.header("set-cookie").starts_with("lang=es;"));
    let hostile = get(&node, "/?%22%3E%3Cscript%3E=1&lang=fr").await;
    assert!(!hostile.text().contains("<script>"));
    assert_eq!(get(&node, &format!("/?{}", "a&".repeat(2_000))).await.status, StatusCode::OK);
}

/// What a phone loads to watch, but for the video.
const MAX_WEIGHT: usize = 250_000;

#[tokio::test]
async fn the_watch_page_weighs_less_than_a_quarter_of_a_megabyte() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Light", BroadcastState::Live));
    let page = get(&node, &format!("/watch/{}", broadcast_id(7).slug())).await;
    let mut weight = page.body.len();
    let mut files: Vec<_> = page.text().split('"').filter(|text| text.starts_with("/assets/")).collect();
    // The licences are a link that nobody has to follow.
    files.retain(|path| !path.starts_with("/assets/licences"));
    files.sort_unstable();
    files.dedup();
    assert!(
        files.iter().any(|path| path.ends_with(".css")) && files.iter().any(|path| path.ends_with(".ftl")),
        "{files:?}"
    );
    for path in files {
        let file = ask(&node, Method::GET, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        weight += file.body.len();
    }
    assert!(weight < MAX_WEIGHT, "{weight} bytes");
}

#[tokio::test]
async fn scripts_load_the_texts_of_the_pages_language_also_on_pages_of_others() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(7, "Light", BroadcastState::Live));
    let page = get(&node, &format!("/watch/{}?lang=fr", broadcast_id(7).slug())).await;
    let named = |end: &str| {
        page.text()
            .split('"')
            .filter(|text| text.starts_with("/assets/") && text.ends_with(end))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let texts = named(".ftl").pop().unwrap();
    assert!(texts.starts_with("/assets/texts-fr-"));
    let answer = ask(&node, Method::GET, &texts, &[("origin", "http://elsewhere.example")]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, "*"));
    assert!(answer.text().contains("En direct"));
    let mut knows = false;
    for script in named(".js") {
        knows |= get(&node, &script).await.text().contains(&texts);
    }
    assert!(knows, "a script asks for the texts under the name that the page gives");
}
