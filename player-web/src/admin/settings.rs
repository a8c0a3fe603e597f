//! `/admin/settings`: what can be set without a text editor.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{Setting, SettingEffect, SettingForm, SettingSource, SettingsError};

use super::visitor::{Change, Frame, SignedIn, local};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::{Text, Texts};

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

    /// What says more of its value: what it is for, and what is wrong with what was typed.
    fn described_by(&self) -> String {
        let id = self.id();
        if self.error.is_some() { format!("{id}-about {id}-error") } else { format!("{id}-about") }
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
    /// Keys whose changes wait for a restart.
    waiting: Vec<String>,
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

    fn about(&self, setting: &Setting) -> String {
        about(self.t, &setting.key).map(|text| text.to_string()).unwrap_or_default()
    }

    /// What to type, where it is typed.
    fn form(&self, setting: &Setting) -> String {
        match setting.form {
            SettingForm::Switch | SettingForm::Choice { .. } => String::new(),
            _ => value(self.t, setting),
        }
    }
}

/// What a setting is for.
fn about(t: Texts, key: &str) -> Option<Text> {
    Some(match key {
        "node.name" => t.get("setting-node-name"),
        "node.location" => t.get("setting-node-location"),
        "ingest.grace" => t.get("setting-ingest-grace"),
        "archive.keep" => t.get("setting-archive-keep"),
        "archive.honour_withdrawals" => t.get("setting-archive-honour-withdrawals"),
        "storage.quota" => t.get("setting-storage-quota"),
        "storage.max_files" => t.get("setting-storage-max-files"),
        "storage.reserve" => t.get("setting-storage-reserve"),
        "ssb.hops" => t.get("setting-ssb-hops"),
        "ssb.announce_post" => t.get("setting-ssb-announce-post"),
        "web.public_url" => t.get("setting-web-public-url"),
        "web.gateway" => t.get("setting-web-gateway"),
        "mesh.mirror" => t.get("setting-mesh-mirror"),
        "mesh.tell_links" => t.get("setting-mesh-tell-links"),
        "mesh.max_upload" => t.get("setting-mesh-max-upload"),
        "mesh.max_upload_per_peer" => t.get("setting-mesh-max-upload-per-peer"),
        _ => return None,
    })
}

/// What a value of a setting looks like.
fn value(t: Texts, setting: &Setting) -> String {
    let text = match &setting.form {
        SettingForm::Text if setting.key == "node.name" => t.get("owner-setting-name"),
        SettingForm::Text if setting.key == "web.public_url" => t.get("owner-setting-address"),
        SettingForm::Text => t.get("owner-setting-line"),
        SettingForm::Size => t.get("owner-setting-size"),
        SettingForm::Rate => t.get("owner-setting-rate"),
        SettingForm::Duration => t.get("owner-setting-duration"),
        SettingForm::Number => t.get("owner-setting-number"),
        SettingForm::Location => t.get("owner-setting-location"),
        SettingForm::Switch => t.get("owner-setting-choice").arg("words", "true, false"),
        SettingForm::Choice { of } => t.get("owner-setting-choice").arg("words", of.join(", ")),
    };
    text.to_string()
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
                SettingsError::UnknownKey(_) => {
                    (StatusCode::NOT_FOUND, Some(t.get("owner-setting-unknown").to_string()))
                }
                // The error is for the command line: what to write instead is said in the owner's language.
                SettingsError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
                SettingsError::Overridden { variable, .. } => {
                    let text = t.get("owner-setting-overridden").arg("variable", variable).to_string();
                    (StatusCode::CONFLICT, Some(text))
                }
                SettingsError::Storage(_) => {
                    tracing::error!(%error, "a setting could not be kept");
                    (StatusCode::INTERNAL_SERVER_ERROR, Some(t.get("owner-setting-storage").to_string()))
                }
                _ => (StatusCode::INTERNAL_SERVER_ERROR, Some(owner.failure(&error))),
            };
            page(owner, status, Some((fields, text))).await
        }
    }
}

/// The page; with what was typed and why it was not taken, which is not said where it is no value of the setting.
async fn page(owner: SignedIn, status: StatusCode, wrong: Option<(NewValue, Option<String>)>) -> Response {
    let t = owner.t();
    let mut failure = None;
    let settings = owner.ports.settings.list().await.unwrap_or_else(|error| {
        failure = Some(owner.failure(&error));
        Vec::new()
    });
    let waiting = settings.iter().filter(|setting| setting.waits()).map(|setting| setting.key.clone()).collect();
    let row = |setting: Setting| {
        let value = setting.next.clone().unwrap_or_default();
        Row { setting, value, error: None }
    };
    let mut rows: Vec<Row> = settings.into_iter().map(row).collect();
    if let Some((typed, text)) = wrong {
        match rows.iter_mut().find(|row| row.setting.key == typed.key) {
            Some(row) => {
                let no_value = || t.get("owner-setting-wrong").arg("value", value(t, &row.setting)).to_string();
                (row.error, row.value) = (Some(text.unwrap_or_else(no_value)), typed.value);
            }
            None => failure = text,
        }
    }
    let (page, admin) = (owner.page.clone(), owner.frame("settings"));
    owner.answer(status, &AllSettings { t, page, admin, rows, waiting, failure })
}
