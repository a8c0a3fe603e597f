//! The OpenAPI document against the server: whatever any of these tests is answered has to be as the document says.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::FakeNode;
use crate::{Answer, get};

const DOCUMENT: &str = include_str!("../../openapi.json");

/// Where the routes are written down.
const ROUTES: &str = include_str!("../../src/app.rs");

fn document() -> &'static Value {
    static DOCUMENT_READ: OnceLock<Value> = OnceLock::new();
    DOCUMENT_READ.get_or_init(|| serde_json::from_str(DOCUMENT).unwrap())
}

/// Fails where a documented operation gave an answer that is not documented.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let what = format!("{method} {path}: {}", answer.status);
    // Every operation may meet these, of which the document speaks once.
    let of_all = [StatusCode::MISDIRECTED_REQUEST, StatusCode::METHOD_NOT_ALLOWED];
    if of_all.contains(&answer.status) {
        return;
    }
    let responses = operation["responses"].as_object().unwrap();
    let response = responses.get(answer.status.as_str()).unwrap_or_else(|| panic!("{what} is not documented"));
    let response = resolved(response);
    let kind = answer.header("content-type").split(';').next().unwrap_or_default().trim().to_owned();
    let Some(content) = response["content"].as_object() else { return };
    if answer.body.is_empty() {
        return;
    }
    let media = content.get(&kind).or_else(|| content.get("*/*"));
    let media = media.unwrap_or_else(|| panic!("{what}: an answer of {kind} is not documented"));
    if kind == "application/json" {
        validate(&media["schema"], &serde_json::from_slice(&answer.body).unwrap(), &what);
    }
}

fn validate(schema: &Value, instance: &Value, what: &str) {
    // References lead into the components, so these come along.
    let mut whole = schema.clone();
    whole["components"] = document()["components"].clone();
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{instance:#}");
}

/// What a reference of the document leads to.
fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The operation that a request asks for, where it is documented.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next()?;
    let paths = document()["paths"].as_object()?;
    // A path that is written out goes before one with parameters.
    let exact = paths.get(path);
    let found = exact.or_else(|| paths.iter().find(|(template, _)| matches(template, path)).map(|(_, item)| item))?;
    found.get(method.as_str().to_lowercase())
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            // What follows a CID is a path of its own.
            (Some("{path}"), Some(_)) => return true,
            (Some(wanted), Some(given)) if fits(wanted, given) => {}
            _ => return false,
        }
    }
}

/// Whether a part of a path fits one of a template, such as `{mediaSequence}.m4s`.
fn fits(template: &str, part: &str) -> bool {
    match template.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        Some((before, after)) => {
            part.len() > before.len() + after.len() && part.starts_with(before) && part.ends_with(after)
        }
        None => template == part,
    }
}

#[tokio::test]
async fn the_document_is_served_and_names_the_api_that_serves_it() {
    let answer = get(&FakeNode::new(), "/api/v1/openapi.json").await;
    assert_eq!(answer.json(), *document());
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(document()["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_route_for_programs_is_documented() {
    let paths: BTreeSet<_> = document()["paths"].as_object().unwrap().keys().map(|path| shape(path)).collect();
    let routes: BTreeSet<_> = ROUTES.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 40, "routes are looked for in the wrong way");
    let of_programs =
        |route: &&&str| route.starts_with("/api/") || ["/nodeinfo.json", "/healthz", "/metrics", "/ws"].contains(route);
    for route in routes.iter().filter(of_programs) {
        assert!(paths.contains(&shape(route)), "{route} is not in openapi.json");
    }
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn an_answer_that_is_not_documented_is_noticed() {
    let schema = json!({ "$ref": "#/components/schemas/Error" });
    validate(&schema, &json!({ "error": "no" }), "an error");
    let noticed = std::panic::catch_unwind(|| validate(&schema, &json!({ "mistake": "no" }), "no error"));
    assert!(noticed.is_err());
    assert!(operation(&Method::GET, "/api/v1/node?x").is_some());
    assert!(operation(&Method::GET, "/api/v1/nowhere").is_none());
    assert!(fits("{mediaSequence}.m4s", "17.m4s") && !fits("{mediaSequence}.m4s", ".m4s"));
}
