//! `/first-boot`: the page on which the owner of a new machine says what it is to be. Who comes first is the owner, so every page that a
//! visitor begins with leads here until then.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use stream_model::{FirstBootError, FirstBootStage, Wish, Wishes};

use super::pages::not_found_page;
use crate::admin::visitor::{answer, refuse};
use crate::app::{AppState, Ports};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::owner::Denied;
use crate::page::Page;
use crate::socket::same_origin;
use crate::texts::Texts;

/// Where it is.
pub(crate) const PATH: &str = "/first-boot";

/// What the network is called where nothing else is wished.
const USUAL_WIFI: &str = "mesh";

/// The form as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filled {
    name: String,
    password: String,
    again: String,
    country: String,
    wifi: String,
    wifi_passphrase: String,
    /// `open`, `new` or `join`.
    community: String,
    invite: String,
}

#[derive(Template)]
#[template(path = "first_boot.html")]
struct FirstBootPage {
    t: Texts,
    page: Page,
    filled: Filled,
    wrong: Vec<Wish>,
    /// The password was typed in two ways.
    differs: bool,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "first_boot_working.html")]
struct Working {
    t: Texts,
    page: Page,
    /// What the name of the WiFi begins with, for who filled in the form.
    wifi: Option<String>,
    passphrase: bool,
}

impl FirstBootPage {
    fn new(page: &Page, filled: Filled) -> Self {
        Self { t: page.t, page: page.clone(), filled, wrong: Vec::new(), differs: false, problem: None }
    }

    /// What is wrong with a field, and what to write.
    fn error(&self, wish: Wish) -> Option<String> {
        let key = match wish {
            Wish::Password if self.differs => "first-boot-differs",
            _ if !self.wrong.contains(&wish) => return None,
            Wish::Name => "first-boot-name-wrong",
            Wish::Password => "first-boot-password-wrong",
            Wish::Country => "first-boot-country-wrong",
            Wish::Wifi => "first-boot-wifi-wrong",
            Wish::WifiPassphrase => "first-boot-passphrase-wrong",
            Wish::Community => "first-boot-invite-wrong",
        };
        Some(self.t.get(key).to_string())
    }

    fn community(&self) -> &str {
        if self.filled.community.is_empty() { "open" } else { &self.filled.community }
    }
}

impl Filled {
    fn wishes(self) -> Wishes {
        let community = match self.community.as_str() {
            "new" => "new".to_owned(),
            // Nothing is no invite.
            "join" if self.invite.trim().is_empty() => "-".to_owned(),
            "join" => self.invite.trim().to_owned(),
            _ => String::new(),
        };
        Wishes {
            name: self.name.trim().to_owned(),
            password: self.password,
            country: self.country.trim().to_ascii_uppercase(),
            wifi: self.wifi.trim().to_owned(),
            wifi_passphrase: self.wifi_passphrase,
            community,
        }
    }
}

/// Leads to the page while the machine has no owner.
pub(crate) fn first(ports: &Ports) -> Option<Response> {
    let stage = ports.first_boot.as_ref()?.stage();
    (stage != FirstBootStage::Over).then(|| {
        let mut response = Redirect::to(PATH).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        response
    })
}

pub(crate) async fn show(State(state): State<AppState>, page: Page, headers: HeaderMap) -> Response {
    let Some(first_boot) = &state.ports.first_boot else { return not_found_page(page) };
    match first_boot.stage() {
        FirstBootStage::Waiting { problem } => {
            let country = region(&headers).unwrap_or_default();
            let filled = Filled { wifi: USUAL_WIFI.to_owned(), country, ..Filled::default() };
            let form = FirstBootPage { problem, ..FirstBootPage::new(&page, filled) };
            answer(&page, StatusCode::OK, &form)
        }
        FirstBootStage::Working => working(&page, None),
        FirstBootStage::Over => Redirect::to("/").into_response(),
    }
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    page: Page,
    headers: HeaderMap,
    form: Result<Form<Filled>, FormRejection>,
) -> Response {
    let Some(first_boot) = &state.ports.first_boot else { return not_found_page(page) };
    if !same_origin(&headers) {
        return refuse(&page, Denied::Origin);
    }
    let Ok(Form(filled)) = form else { return refuse(&page, Denied::Missing) };
    let differs = filled.password != filled.again;
    let again = FirstBootPage { differs, ..FirstBootPage::new(&page, filled.clone()) };
    if differs {
        return answer(&page, StatusCode::UNPROCESSABLE_ENTITY, &again);
    }
    let wishes = filled.wishes();
    match first_boot.submit(wishes.clone()).await {
        Ok(()) => working(&page, Some(&wishes)),
        Err(FirstBootError::Wrong(wrong)) => {
            answer(&page, StatusCode::UNPROCESSABLE_ENTITY, &FirstBootPage { wrong, ..again })
        }
        Err(FirstBootError::Taken) => Redirect::to(PATH).into_response(),
        Err(error) => {
            tracing::error!(%error, "what was filled in on the first-boot page could not be kept");
            let problem = Some(error.to_string());
            answer(&page, StatusCode::INTERNAL_SERVER_ERROR, &FirstBootPage { problem, ..again })
        }
    }
}

fn working(page: &Page, wishes: Option<&Wishes>) -> Response {
    let named = |wishes: &Wishes| if wishes.wifi.is_empty() { USUAL_WIFI.to_owned() } else { wishes.wifi.clone() };
    let wifi = wishes.map(named);
    let passphrase = wishes.is_some_and(|wishes| !wishes.wifi_passphrase.is_empty());
    answer(page, StatusCode::OK, &Working { t: page.t, page: page.clone(), wifi, passphrase })
}

/// The country that the visitor's first language is of, if it says so: `pt-BR` (RFC 5646 §2.2.4, RFC 9110 §12.5.4).
fn region(headers: &HeaderMap) -> Option<String> {
    let languages = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let first = languages.split([',', ';']).next()?;
    let is_region = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_uppercase());
    first.trim().split('-').skip(1).find(is_region).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_country_is_guessed_from_the_language() {
        let of = |languages: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, languages.parse().unwrap())]);
            region(&headers)
        };
        assert_eq!(of("pt-BR,pt;q=0.9,en-US;q=0.8").as_deref(), Some("BR"));
        assert_eq!(of("zh-Hant-TW").as_deref(), Some("TW"));
        assert_eq!(of("en;q=0.8, fr-CA"), None);
        assert_eq!(of("*"), None);
        assert_eq!(region(&HeaderMap::new()), None);
    }

    #[test]
    fn to_join_without_an_invite_is_not_to_be_open() {
        let filled = Filled { community: "join".to_owned(), ..Filled::default() };
        assert_eq!(filled.wishes().community, "-");
        let filled = Filled { community: "new".to_owned(), invite: "x".to_owned(), ..Filled::default() };
        assert_eq!(filled.wishes().community, "new");
        let filled = Filled { invite: "x".to_owned(), country: " ca".to_owned(), ..Filled::default() };
        assert_eq!((filled.clone().wishes().community.as_str(), filled.wishes().country.as_str()), ("", "CA"));
    }
}
