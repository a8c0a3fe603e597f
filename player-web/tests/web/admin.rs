//! How the owner gets in, stays in, and who else does not.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use player_web::{AdminToken, Config, OwnerAccess};
use serde_json::json;
use stream_model::FeedId;

use crate::support::{FakeNode, FakeOwner};
use crate::{Answer, ask_app, send};

const TOKEN: &str = "correct-horse-battery";
const HOST: &str = "thisnode.info:8080";
const ORIGIN: &str = "http://thisnode.info:8080";

/// A browser, and the node whose pages it shows.
pub(crate) struct Browser {
    pub(crate) node: Arc<FakeNode>,
    pub(crate) owner: Arc<FakeOwner>,
    app: Router,
    control: Router,
    cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let (node, owner) = (FakeNode::new(), FakeOwner::new());
        let access = OwnerAccess::new(Some(AdminToken::new(TOKEN).unwrap()), FeedId([1; 32]));
        let config = Config { access, ..Config::default() };
        let pages = player_web::admin_app(node.ports(), owner.ports(&node), &config);
        let app = player_web::app(node.ports(), &config).merge(pages);
        let control = player_web::control_app(node.ports(), node.clone(), &config);
        Self { node, owner, app, control, cookie: None }
    }

    /// In which the owner has entered.
    pub(crate) async fn entered() -> Self {
        let mut browser = Self::new();
        let link = browser.link().await;
        let answer = browser.enter_by(&link).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/admin"));
        browser
    }

    /// What the command line prints behind an address of the node.
    async fn link(&self) -> String {
        let made = ask_app(self.control.clone(), Method::POST, "/control/admin/links", &[]).await;
        assert_eq!((made.status, &made.json()["lasts_s"]), (StatusCode::CREATED, &json!(600)));
        made.json()["path"].as_str().unwrap().to_owned()
    }

    /// Presses the button of the page that a link opens.
    async fn enter_by(&mut self, link: &str) -> Answer {
        let secret = link.strip_prefix("/admin/enter?link=").unwrap();
        self.enter_with(&[("link", secret)]).await
    }

    async fn enter_with(&mut self, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post("/admin/enter", fields).await;
        let cookie = answer.headers.get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        self.cookie = cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned()).or(self.cookie.take());
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], Body::empty()).await
    }

    /// Sends a form as a page of the node does, with no more in it than this.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(Method::POST, path, &[("origin", ORIGIN)], encode(fields)).await
    }

    /// Sends a form with the secret that `page` has in its forms, and follows where it leads.
    pub(crate) async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = csrf(self.get(page).await.text()).to_owned();
        let answer = self.post(action, &[fields, &[("csrf", &csrf)]].concat()).await;
        if answer.status != StatusCode::SEE_OTHER {
            return answer;
        }
        self.get(answer.header("location")).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("lang=en; {cookie}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(self.app.clone(), request.body(body.into()).unwrap()).await
    }

    async fn is_in(&self) -> bool {
        self.get("/admin").await.status == StatusCode::OK
    }
}

/// The secret in the forms of a page.
fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once(r#"name="csrf" value=""#).expect("a form of the owner's");
    rest.split_once('"').unwrap().0
}

fn encode(fields: &[(&str, &str)]) -> String {
    let byte =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let encoded = |text: &str| text.bytes().map(byte).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn nobody_sees_the_pages_without_having_entered() {
    let browser = Browser::new();
    for path in ["", "/keys", "/broadcasts", "/feeds", "/storage", "/community", "/settings", "/logs", "/hidden"] {
        let answer = browser.get(&format!("/admin{path}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header("location").starts_with("/admin/enter"), "{path}");
    }
    assert_eq!(browser.get("/admin/keys?a=b").await.header("location"), "/admin/enter?next=%2Fadmin%2Fkeys%3Fa%3Db");
    let answer = browser.post("/admin/keys", &[("name", "hall")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("/admin/enter"), "it says where to enter");
    assert!(browser.node.keys.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_link_lets_in_once_and_looking_at_it_does_not_use_it_up() {
    let mut browser = Browser::new();
    let link = browser.link().await;
    for _ in 0..3 {
        let page = browser.get(&link).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().contains(r#"method="post""#) && !page.headers.contains_key("set-cookie"));
    }
    assert!(!browser.is_in().await);
    let answer = browser.enter_by(&link).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/admin"));
    let cookie = answer.header("set-cookie");
    for part in ["meshstream-owner-01010101=", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(browser.is_in().await);

    let mut other = Browser { cookie: None, ..browser };
    assert_eq!(other.enter_by(&link).await.status, StatusCode::GONE);
    assert_eq!(other.get(&link).await.status, StatusCode::GONE);
    assert!(!other.is_in().await);
}

#[tokio::test(start_paused = true)]
async fn a_link_is_over_after_ten_minutes() {
    let mut browser = Browser::new();
    let link = browser.link().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(browser.get(&link).await.status, StatusCode::GONE);
    assert_eq!(browser.enter_by(&link).await.status, StatusCode::GONE);
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn the_admin_token_lets_in_and_the_way_on_stays_on_the_node() {
    let mut browser = Browser::new();
    let answer = browser.enter_with(&[("token", "wrong")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("This is not the admin token") && answer.text().contains("aria-invalid"));
    let answer = browser.enter_with(&[("token", TOKEN), ("next", "/admin/keys")]).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/admin/keys"));
    assert!(browser.is_in().await);
    assert_eq!(browser.get("/admin/enter?next=/admin/logs").await.header("location"), "/admin/logs");
    for elsewhere in ["//evil.example", "https://evil.example/", "/\\evil.example"] {
        let answer = browser.enter_with(&[("token", TOKEN), ("next", elsewhere)]).await;
        assert_eq!(answer.header("location"), "/admin", "{elsewhere}");
    }
}

#[tokio::test(start_paused = true)]
async fn guessing_is_held_back_and_links_count_as_tokens_do() {
    let mut browser = Browser::new();
    for _ in 0..5 {
        assert_eq!(browser.enter_with(&[("token", "wrong")]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(browser.enter_with(&[("link", "wrong")]).await.status, StatusCode::GONE);
    }
    let answer = browser.enter_with(&[("token", TOKEN)]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let link = browser.link().await;
    assert_eq!(browser.enter_by(&link).await.status, StatusCode::TOO_MANY_REQUESTS);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(browser.enter_by(&link).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn no_page_of_another_origin_enters_for_the_owner() {
    let browser = Browser::new();
    let headers = [("origin", "http://evil.example")];
    let answer = browser.ask(Method::POST, "/admin/enter", &headers, encode(&[("token", TOKEN)])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_without_use_and_after_half_a_day() {
    let browser = Browser::entered().await;
    tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    assert!(!browser.is_in().await);

    let browser = Browser::entered().await;
    for _ in 0..11 {
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(browser.is_in().await);
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn signing_out_ends_one_session_and_the_command_line_all() {
    let first = Browser::entered().await;
    let mut second = Browser {
        cookie: None,
        node: first.node.clone(),
        owner: first.owner.clone(),
        app: first.app.clone(),
        control: first.control.clone(),
    };
    second.enter_with(&[("token", TOKEN)]).await;
    assert!(first.is_in().await && second.is_in().await);
    let csrf = csrf(first.get("/admin").await.text()).to_owned();
    let answer = first.post("/admin/leave", &[("csrf", &csrf)]).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/admin/enter"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert!(!first.is_in().await && second.is_in().await);

    let link = second.link().await;
    let ended = ask_app(second.control.clone(), Method::POST, "/control/admin/logout", &[]).await;
    assert_eq!(ended.json(), json!({ "ended": 1 }));
    assert!(!second.is_in().await);
    assert_eq!(second.enter_by(&link).await.status, StatusCode::GONE, "links that were not used end with them");
}

#[tokio::test]
async fn only_forms_of_this_session_and_origin_change_anything() {
    let browser = Browser::entered().await;
    let own = csrf(browser.get("/admin/keys").await.text()).to_owned();
    let other = Browser::entered().await;
    let others = csrf(other.get("/admin/keys").await.text()).to_owned();
    assert_ne!(own, others);
    for wrong in ["", "x", &others] {
        let answer = browser.post("/admin/keys", &[("name", "hall"), ("csrf", wrong)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text().contains("Nothing was changed"));
    }
    let form = encode(&[("name", "hall"), ("csrf", &own)]);
    for origin in ["http://evil.example", "null", "http://thisnode.info:8081"] {
        let answer = browser.ask(Method::POST, "/admin/keys", &[("origin", origin)], form.clone()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
    }
    let answer = browser.ask(Method::GET, &format!("/admin/keys?{form}"), &[], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(browser.node.keys.lock().unwrap().is_empty(), "looking changes nothing");
    assert_eq!(browser.post("/admin/keys", &[("name", "hall"), ("csrf", &own)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.node.keys.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_changes_only_so_much_at_a_time() {
    let browser = Browser::entered().await;
    let csrf = csrf(browser.get("/admin/keys").await.text()).to_owned();
    let mut refused = None;
    for number in 0..100 {
        let answer = browser.post("/admin/keys", &[("name", &format!("key{number}")), ("csrf", &csrf)]).await;
        if answer.status != StatusCode::SEE_OTHER {
            refused = Some((number, answer));
            break;
        }
    }
    let (number, answer) = refused.expect("there is a limit");
    assert_eq!((number, answer.status), (30, StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(answer.header("retry-after"), "2");
    tokio::time::advance(Duration::from_secs(2)).await;
    let answer = browser.post("/admin/keys", &[("name", "later"), ("csrf", &csrf)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_api_takes_the_session_with_its_secret_in_a_header() {
    let browser = Browser::entered().await;
    let session = browser.get("/api/v1/session").await.json();
    assert_eq!(session["owner"], true);
    let csrf = session["csrf"].as_str().unwrap();
    let post = async |headers: &[(&str, &str)]| {
        let cookie = browser.cookie.clone().unwrap();
        let json = [("host", HOST), ("content-type", "application/json"), ("cookie", &*cookie)];
        let mut request = Request::builder().method(Method::POST).uri("/api/v1/posts");
        for (name, value) in json.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        send(browser.app.clone(), request.body(Body::from(r#"{"text":"hello"}"#)).unwrap()).await.status
    };
    assert_eq!(post(&[("origin", ORIGIN)]).await, StatusCode::FORBIDDEN, "the cookie alone says nothing");
    assert_eq!(post(&[("origin", ORIGIN), ("x-meshstream-csrf", "wrong")]).await, StatusCode::FORBIDDEN);
    let evil = [("origin", "http://evil.example"), ("x-meshstream-csrf", csrf)];
    assert_eq!(post(&evil).await, StatusCode::FORBIDDEN);
    assert!(browser.node.posts.lock().unwrap().is_empty());
    assert_eq!(post(&[("origin", ORIGIN), ("x-meshstream-csrf", csrf)]).await, StatusCode::CREATED);

    let stranger = Browser::new().get("/api/v1/session").await;
    assert_eq!(stranger.json(), json!({ "owner": false, "csrf": null }));
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn answers_to_the_owner_are_neither_kept_nor_framed() {
    let browser = Browser::entered().await;
    for path in ["/admin", "/admin/keys", "/admin/logs"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // Otherwise forms would be sent with `Origin: null`.
        assert_eq!(answer.header("referrer-policy"), "same-origin");
    }
    let entrance = Browser::new().get("/admin/enter").await;
    assert_eq!((entrance.status, entrance.header("cache-control")), (StatusCode::OK, "no-store"));
}

#[tokio::test]
async fn links_are_made_on_the_control_socket_alone() {
    let browser = Browser::entered().await;
    for path in ["/control/admin/links", "/control/admin/logout"] {
        assert_eq!(browser.post(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
