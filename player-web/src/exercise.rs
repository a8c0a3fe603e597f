//! Requests of strangers through what they pass first, for the fuzzer: what is checked holds for every request.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::Response;
use axum::{Router, middleware};
use futures::executor::block_on;
use tower_service::Service as _;

use crate::config::{Config, Portal};
use crate::entrance::{Entrance, enter};
use crate::host::{self, Names};
use crate::range::{Selection, select};
use crate::texts::Texts;

/// What a fuzzer can reach in reasonable time.
const MAX_INPUT: usize = 16 * 1024;

/// A request: a line with its method and target, then lines with its headers.
///
/// # Panics
/// Where a page or the API is reached under a name that is not the node's, where an answer lacks the headers that keep it
/// harmless or leads to another host, or where a range is none of the file.
pub fn exercise(input: &[u8]) {
    let Some(request) = std::str::from_utf8(input).ok().filter(|text| text.len() <= MAX_INPUT).and_then(request) else {
        return;
    };
    let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
    for size in [0, 1, 1_000, u64::MAX] {
        if let Selection::Part(part) = select(range, size) {
            assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
        }
    }

    let texts = Texts::of(request.uri().query(), request.headers());
    assert!(["en", "es", "fr", "pt"].contains(&texts.lang()), "{}", texts.lang());

    let config = Config { names: vec!["video.mesh".to_owned()], portal: Portal::Off, ..Config::default() };
    let meant = host::read(request.version(), request.uri(), request.headers());
    let names = Names::new(&config.names, &[]);
    let own = meant.as_ref().is_ok_and(|meant| meant.as_ref().is_none_or(|meant| names.own(&meant.name)));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = answer(&config, request);
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(text("x-content-type-options"), "nosniff");
    assert!(text("content-security-policy").starts_with("default-src 'none'"), "{headers:?}");
    assert!(!text("content-security-policy").contains("unsafe"));
    if headers.contains_key(INNER) {
        assert!(meant.is_ok(), "{method} {path} without a host");
        let public = ["/hls/", "/ipfs/", "/blobs/", "/assets/", "/nodeinfo.json", "/healthz", "/player.js"];
        assert!(own || public.iter().any(|prefix| path.starts_with(prefix)), "{method} {path} of a foreign name");
    } else if let Some(location) = headers.get(header::LOCATION) {
        let location = location.to_str().unwrap_or_default();
        let rest = location.strip_prefix("http://video.mesh").unwrap_or_else(|| panic!("led to {location}"));
        assert!(rest.starts_with(['/', ':']), "led to {location}");
        assert!(matches!(method, Method::GET | Method::HEAD), "{method} is led away");
    }
}

/// Marks the answers of what stands for the node's routes.
const INNER: &str = "x-inner";

fn answer(config: &Config, request: Request) -> Response {
    let inner = || async { ([(INNER, "1"), ("content-type", "text/html")], "") };
    let mut router = Router::new()
        .route("/watch/{broadcast}", axum::routing::any(inner))
        .fallback(inner)
        .layer(middleware::from_fn_with_state(Entrance::new(config), enter));
    let Ok(response) = block_on(router.call(request));
    response
}

fn request(text: &str) -> Option<Request> {
    let mut lines = text.split('\n');
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    request.body(Body::empty()).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_fuzzer_found_holds() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/web_request");
        let mut replayed = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(super::request(std::str::from_utf8(&bytes).unwrap()).is_some(), "a seed that is no request");
            super::exercise(&bytes);
            replayed += 1;
        }
        assert!(replayed > 10);
    }
}
