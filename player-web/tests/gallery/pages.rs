//! Each page, in each way in which it may be seen.

use stream_model::FirstBootStage;
use testkit::browser::{Browser, Settings};

use crate::support::gallery::{ENDED, LIVE, POST, STARTING};
use crate::{Gallery, of_broadcast, screenshots};

/// A page, by the name of its screenshots.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    /// What is there once the page and its scripts are.
    pub(crate) shows: &'static str,
    /// A status other than this, of the page and of what it asks for, is an error; browsers log each that is none of success.
    answers: u16,
}

pub(crate) fn pages() -> Vec<Page> {
    let page = |name, path: String, shows| Page { name, path, shows, answers: 200 };
    vec![
        page("home", "/".to_owned(), "main"),
        page("watch-live", of_broadcast("/watch", LIVE), "[data-player-state=playing]"),
        // Its playlist is not there yet.
        Page { answers: 503, ..page("watch-starting", of_broadcast("/watch", STARTING), "[data-player-state]") },
        page("watch-ended", of_broadcast("/watch", ENDED), "[data-player-state]"),
        page("embed", of_broadcast("/embed", LIVE), "[data-player-state=playing]"),
        page("details", of_broadcast("/broadcast", ENDED), "main"),
        page("comments", of_broadcast("/broadcast", LIVE) + "/comments", "main"),
        page("search", "/search?q=asamblea".to_owned(), "main"),
        page("search-nothing", "/search?q=zzz".to_owned(), "main"),
        page("timeline", "/timeline".to_owned(), "main"),
        page("thread", of_broadcast("/thread", POST), "main"),
        page("feed", of_broadcast("/feed", POST), "main"),
        page("archive", "/archive".to_owned(), "main"),
        page("archive-day", "/archive/2026-11-21".to_owned(), "main"),
        page("node", "/node".to_owned(), "main"),
        page("mesh", "/mesh".to_owned(), "#topology .spot.own"),
        page("portal", "/portal".to_owned(), "main"),
        page("docs", "/docs/".to_owned(), "main"),
        page("docs-tables", "/docs/operations/configuration.html".to_owned(), "main"),
        page("docs-drawings", "/docs/concepts.html".to_owned(), "main"),
        page("docs-search", "/docs/search?q=stream+key".to_owned(), "ol.passages"),
        page("docs-contents", "/docs/operations/metrics.html#contents".to_owned(), "#contents"),
        Page { answers: 404, ..page("docs-not-found", "/docs/nowhere.html".to_owned(), "main") },
        Page { answers: 404, ..page("not-found", "/nowhere".to_owned(), "main") },
    ]
}

/// Those that only the owner sees.
fn owner_pages() -> Vec<Page> {
    let page = |name, path: String| Page { name, path, shows: "nav.tabs", answers: 200 };
    let of = |byte| of_broadcast("/admin/broadcasts", byte);
    vec![
        page("admin", "/admin".to_owned()),
        page("admin-broadcasts", "/admin/broadcasts".to_owned()),
        page("admin-broadcast-own", of(ENDED)),
        page("admin-broadcast", of(LIVE)),
        page("admin-delete", of(ENDED) + "/delete"),
        page("admin-withdraw", of(ENDED) + "/withdraw"),
        page("admin-stream", "/admin/streams/hall".to_owned()),
        page("admin-planned", "/admin/planned".to_owned()),
        page("admin-cameras", "/admin/cameras".to_owned()),
        page("admin-camera", "/admin/camera".to_owned()),
        page("admin-camera-change", "/admin/cameras/hall".to_owned()),
        page("admin-camera-remove", "/admin/cameras/hall/remove".to_owned()),
        page("admin-keys", "/admin/keys".to_owned()),
        page("admin-key-revoke", "/admin/keys/hall/revoke".to_owned()),
        page("admin-posts", "/admin/posts".to_owned()),
        page("admin-hidden", "/admin/hidden".to_owned()),
        page("admin-hide", of_broadcast("/admin/hidden", LIVE)),
        page("admin-feeds", "/admin/feeds".to_owned()),
        page("admin-storage", "/admin/storage".to_owned()),
        page("admin-community", "/admin/community".to_owned()),
        page("admin-settings", "/admin/settings".to_owned()),
        page("admin-logs", "/admin/logs".to_owned()),
    ]
}

fn all_pages() -> Vec<Page> {
    // Who is not in is led to the entrance; who is sees it all the same with a link, here one that is over.
    let (path, shows) = ("/admin/enter?link=x".to_owned(), "#token");
    let enter = Page { name: "admin-enter", path, shows, answers: 410 };
    pages().into_iter().chain([enter]).chain(owner_pages()).collect()
}

/// How a page is seen. Each value of each column comes at least once with both widths, which finds what two of them break
/// together; all combinations would take ten times as long.
struct Sight {
    width: u32,
    dark: bool,
    direction: &'static str,
    language: &'static str,
}

/// The narrowest window that WCAG asks for (reflow, 1.4.10), and a common laptop's.
const NARROW: u32 = 320;
const WIDE: u32 = 1440;

const SIGHTS: [Sight; 6] = [
    Sight { width: NARROW, dark: false, direction: "ltr", language: "en" },
    Sight { width: NARROW, dark: true, direction: "rtl", language: "es" },
    Sight { width: NARROW, dark: false, direction: "rtl", language: "fr" },
    Sight { width: NARROW, dark: true, direction: "ltr", language: "pt" },
    Sight { width: WIDE, dark: false, direction: "rtl", language: "en" },
    Sight { width: WIDE, dark: true, direction: "ltr", language: "es" },
];

/// Width, height, and whether dark, of the screenshots.
const SCREENSHOTS: [(u32, u32, bool); 3] = [(360, 740, false), (1440, 900, false), (360, 740, true)];

#[tokio::test]
async fn every_page_is_accessible_fits_its_window_and_asks_nobody_else() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    gallery.enter(&mut browser).await;
    let mut faults = Vec::new();
    for sight in &SIGHTS {
        let Sight { width, dark, direction, language } = *sight;
        browser.speak(language).await.unwrap();
        browser.prefer_dark(dark).await.unwrap();
        browser.resize(width, 800).await.unwrap();
        for page in all_pages() {
            let found = look_at(&mut browser, &gallery, &page, direction).await;
            let scheme = if dark { "dark" } else { "light" };
            let seen = format!("{} ({language}, {direction}, {scheme}, {width} px)", page.name);
            faults.extend(found.into_iter().map(|fault| format!("{seen}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A machine without an owner leads visitors of all other pages here.
#[tokio::test]
async fn the_first_boot_page_is_accessible_and_leaves_screenshots() {
    let gallery = Gallery::open();
    let problem = Some("cannot set up the access point: there is no radio wlan0".to_owned());
    let mut browser = Browser::open_with(&gallery.url("/timeline"), &Settings::default()).await.unwrap();
    let mut faults = Vec::new();
    let stages = [
        ("first-boot", FirstBootStage::Waiting { problem }, "#country"),
        ("first-boot-working", FirstBootStage::Working, "main ol"),
    ];
    for (name, stage, shows) in stages {
        *gallery.node.first_boot.stage.lock().unwrap() = stage;
        let page = Page { name, path: "/first-boot".to_owned(), shows, answers: 200 };
        for &Sight { width, dark, direction, language } in &SIGHTS {
            browser.speak(language).await.unwrap();
            browser.prefer_dark(dark).await.unwrap();
            browser.resize(width, 800).await.unwrap();
            let found = look_at(&mut browser, &gallery, &page, direction).await;
            faults.extend(
                found.into_iter().map(|fault| format!("{name} ({language}, {direction}, {width} px): {fault}")),
            );
        }
        browser.speak("en").await.unwrap();
        for (width, height, dark) in SCREENSHOTS {
            browser.prefer_dark(dark).await.unwrap();
            browser.resize(width, height).await.unwrap();
            browser.goto(&gallery.url(&page.path)).await.unwrap();
            browser.wait_for(page.shows).await.unwrap();
            let scheme = if dark { "dark" } else { "light" };
            browser.screenshot(&screenshots().join(format!("{name}-{width}x{height}-{scheme}.png"))).await.unwrap();
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn every_page_leaves_screenshots() {
    let gallery = Gallery::open();
    let folder = screenshots();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    gallery.enter(&mut browser).await;
    for (width, height, dark) in SCREENSHOTS {
        browser.prefer_dark(dark).await.unwrap();
        browser.resize(width, height).await.unwrap();
        for page in all_pages() {
            browser.goto(&gallery.url(&page.path)).await.unwrap();
            browser.wait_for(page.shows).await.unwrap();
            let scheme = if dark { "dark" } else { "light" };
            let file = folder.join(format!("{}-{width}x{height}-{scheme}.png", page.name));
            browser.screenshot(&file).await.unwrap();
            assert!(std::fs::metadata(&file).unwrap().len() > 0, "{} is empty", file.display());
        }
    }
}

/// What is wrong with a page as it is seen now, a line each.
async fn look_at(browser: &mut Browser, gallery: &Gallery, page: &Page, direction: &str) -> Vec<String> {
    browser.goto(&gallery.url(&page.path)).await.unwrap();
    browser.wait_for(page.shows).await.unwrap();
    browser.eval(&format!("document.documentElement.dir = '{direction}'")).await.unwrap();
    let mut faults = browser.audit().await.unwrap();
    // What it is still told counts as its own, not as the next page's.
    browser.goto("about:blank").await.unwrap();
    let own = gallery.url("/");
    let foreign = browser.requests().await.unwrap().into_iter().filter(|url| !url.starts_with(&own));
    faults.extend(foreign.map(|url| format!("asks {url}")));
    let status = format!("status of {}", page.answers);
    let errors = browser.errors().await.unwrap().into_iter();
    faults.extend(errors.filter(|error| page.answers == 200 || !error.contains(&status)));
    faults
}
