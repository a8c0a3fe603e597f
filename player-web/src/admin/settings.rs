//! `/admin/settings`: what can be set without a text editor.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{Setting, SettingEffect, SettingForm, SettingSource, SettingsError};

use super::visitor::{Change, Frame, SignedIn, local};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Where settings are.
const SETTINGS: &str = "/admin/settings";

/// What is to be set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewValue {
    key: String,
    value: String,
    action: String,
    back: String,
}

/// A setting as the page shows it.
struct Row {
    setting: Setting,
    /// What is typed, or as it is.
    value: String,
    error: Option<String>,
}

impl Row {
    /// In the names of its fields.
    fn id(&self) -> String {
        self.setting.key.replace('.', "-")
    }

    fn choices(&self) -> Vec<String> {
        match &self.setting.form {
            SettingForm::Switch => vec!["true".to_owned(), "false".to_owned()],
            SettingForm::Choice { of } => of.clone(),
            _ => Vec::new(),
        }
    }

    fn chosen(&self, choice: &str) -> bool {
        self.value == choice
    }

    fn settable(&self) -> bool {
        self.setting.source != SettingSource::Environment
    }

    fn set_here(&self) -> bool {
        self.setting.source == SettingSource::Settings
    }

    fn after_restart(&self) -> bool {
        self.setting.effect == SettingEffect::AfterRestart
    }
}

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct AllSettings {
    t: Texts,
    page: Page,
    admin: Frame,
    rows: Vec<Row>,
    /// Some changes wait for a restart.
    waiting: bool,
    failure: Option<String>,
}

impl AllSettings {
    fn source(&self, source: &SettingSource) -> String {
        let text = match source {
            SettingSource::Default => self.t.get("owner-setting-default"),
            SettingSource::File => self.t.get("owner-setting-file"),
            SettingSource::Settings => self.t.get("owner-setting-here"),
            SettingSource::Environment => self.t.get("owner-setting-environment"),
        };
        text.to_string()
    }

    fn form(&self, form: &SettingForm) -> String {
        let text = match form {
            SettingForm::Size => self.t.get("owner-setting-size"),
            SettingForm::Rate => self.t.get("owner-setting-rate"),
            SettingForm::Duration => self.t.get("owner-setting-duration"),
            SettingForm::Number => self.t.get("owner-setting-number"),
            SettingForm::Location => self.t.get("owner-setting-location"),
            SettingForm::Text | SettingForm::Switch | SettingForm::Choice { .. } => return String::new(),
        };
        text.to_string()
    }
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    page(owner, StatusCode::OK, None).await
}

pub(crate) async fn set(Change { owner, fields }: Change<NewValue>) -> Response {
    let (t, settings) = (owner.t(), &owner.ports.settings);
    let result = match fields.action.as_str() {
        "unset" => settings.unset(&fields.key).await,
        _ => settings.set(&fields.key, fields.value.trim()).await,
    };
    match result {
        Ok(setting) => {
            let done = if setting.waits() { t.get("owner-setting-waits") } else { t.get("owner-setting-set") };
            owner.done(local(&fields.back).unwrap_or(SETTINGS), done.arg("key", setting.key))
        }
        Err(error) => {
            let (status, text) = match &error {
                SettingsError::UnknownKey(_) => (StatusCode::NOT_FOUND, t.get("owner-setting-unknown").to_string()),
                SettingsError::Invalid(why) => {
                    (StatusCode::UNPROCESSABLE_ENTITY, t.get("owner-setting-wrong").arg("reason", why).to_string())
                }
                SettingsError::Overridden { variable, .. } => {
                    (StatusCode::CONFLICT, t.get("owner-setting-overridden").arg("variable", variable).to_string())
                }
                _ => (StatusCode::INTERNAL_SERVER_ERROR, owner.failure(&error)),
            };
            page(owner, status, Some((fields, text))).await
        }
    }
}

async fn page(owner: SignedIn, status: StatusCode, wrong: Option<(NewValue, String)>) -> Response {
    let mut failure = None;
    let settings = owner.ports.settings.list().await.unwrap_or_else(|error| {
        failure = Some(owner.failure(&error));
        Vec::new()
    });
    let waiting = settings.iter().any(Setting::waits);
    let row = |setting: Setting| {
        let value = setting.next.clone().unwrap_or_default();
        Row { setting, value, error: None }
    };
    let mut rows: Vec<Row> = settings.into_iter().map(row).collect();
    if let Some((typed, text)) = wrong {
        match rows.iter_mut().find(|row| row.setting.key == typed.key) {
            Some(row) => (row.value, row.error) = (typed.value, Some(text)),
            None => failure = Some(text),
        }
    }
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("settings"));
    owner.answer(status, &AllSettings { t, page, admin, rows, waiting, failure })
}
