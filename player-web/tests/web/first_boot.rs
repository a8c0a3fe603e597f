//! The page on which the owner of a new machine says what it is to be.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use stream_model::{FirstBootStage, Wish, Wishes};

use crate::support::FakeNode;
use crate::{Answer, ask, get, send};

const FORM: &str = "name=Hall&password=four-words-of-mine&again=four-words-of-mine&country=ca&wifi=tomesh&wifi_passphrase=\
    correct+horse&community=open&invite=";

fn waiting() -> Arc<FakeNode> {
    let node = FakeNode::new();
    *node.first_boot.stage.lock().unwrap() = FirstBootStage::Waiting { problem: None };
    node
}

async fn submit(node: &Arc<FakeNode>, form: &str, origin: &str) -> Answer {
    let app = player_web::app(node.ports(), &player_web::Config::default());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/first-boot")
        .header("host", "10.0.0.1")
        .header("origin", origin)
        .header("content-type", "application/x-www-form-urlencoded");
    send(app, request.body(Body::from(form.to_owned())).unwrap()).await
}

#[tokio::test]
async fn visitors_are_led_to_the_page_until_the_machine_has_an_owner() {
    let node = waiting();
    for path in ["/", "/portal"] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/first-boot"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let page = ask(&node, Method::GET, "/first-boot", &[("accept-language", "pt-BR,pt;q=0.8")]).await;
    assert_eq!((page.status, page.header("cache-control")), (StatusCode::OK, "no-store"));
    assert!(page.text().contains("value=\"BR\""), "the country is guessed");
    *node.first_boot.stage.lock().unwrap() = FirstBootStage::Over;
    assert_eq!(get(&node, "/").await.status, StatusCode::OK);
    assert_eq!(get(&node, "/portal").await.status, StatusCode::OK);
    assert_eq!(get(&node, "/first-boot").await.header("location"), "/");
}

#[tokio::test]
async fn what_is_filled_in_is_what_is_wished() {
    let node = waiting();
    let answer = submit(&node, FORM, "http://10.0.0.1").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("tomesh"), "it says which network to join then");
    assert!(!answer.text().contains("four-words"), "no secret comes back");
    let wishes = Wishes {
        name: "Hall".to_owned(),
        password: "four-words-of-mine".to_owned(),
        country: "CA".to_owned(),
        wifi: "tomesh".to_owned(),
        wifi_passphrase: "correct horse".to_owned(),
        community: String::new(),
    };
    assert_eq!(*node.first_boot.submitted.lock().unwrap(), [wishes]);
    // Who comes later finds that somebody was first.
    let late = submit(&node, FORM, "http://10.0.0.1").await;
    assert_eq!((late.status, late.header("location")), (StatusCode::SEE_OTHER, "/first-boot"));
    assert_eq!(node.first_boot.submitted.lock().unwrap().len(), 1);
    assert!(!get(&node, "/first-boot").await.text().contains("<form"));
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_the_rest_stays() {
    let node = waiting();
    *node.first_boot.wrong.lock().unwrap() = vec![Wish::Country, Wish::Community];
    let answer = submit(&node, FORM, "http://10.0.0.1").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in ["id=\"country-error\"", "id=\"invite-error\"", "value=\"Hall\"", "value=\"tomesh\""] {
        assert!(answer.text().contains(said), "{said}");
    }
    for unsaid in ["id=\"name-error\"", "four-words"] {
        assert!(!answer.text().contains(unsaid), "{unsaid}");
    }
    let differs = FORM.replace("again=four", "again=five");
    let answer = submit(&node, &differs, "http://10.0.0.1").await;
    assert!(answer.text().contains("id=\"password-error\""));
    assert!(node.first_boot.submitted.lock().unwrap().is_empty());
    let problem = Some("cannot set up the access point: <no radio>".to_owned());
    *node.first_boot.stage.lock().unwrap() = FirstBootStage::Waiting { problem };
    let page = get(&node, "/first-boot").await;
    assert!(page.text().contains("&#60;no radio&#62;"), "what went wrong is told, as text");
}

#[tokio::test]
async fn pages_of_others_and_other_nodes_are_refused() {
    let node = waiting();
    assert_eq!(submit(&node, FORM, "http://evil.example").await.status, StatusCode::FORBIDDEN);
    let long = format!("{FORM}{}", "x".repeat(5_000));
    assert!(submit(&node, &long, "http://10.0.0.1").await.status.is_client_error());
    assert!(node.first_boot.submitted.lock().unwrap().is_empty());
    let mut ports = FakeNode::new().ports();
    ports.first_boot = None;
    let app = player_web::app(ports, &player_web::Config::default());
    for method in [Method::GET, Method::POST] {
        assert_eq!(crate::ask_app(app.clone(), method, "/first-boot", &[]).await.status, StatusCode::NOT_FOUND);
    }
}
