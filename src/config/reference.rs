//! What can be set, for people and editors: read off the types of the configuration ([`super::keys`]), their defaults, and which
//! keys the owner sets in the node. Pure.

mod manual;
mod markdown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Map, Value};
use stream_model::SettingEffect;

use super::Config;
use crate::settings;

pub(crate) use manual::manual;
pub(crate) use markdown::markdown;

/// A default that is not the same on every machine, in words.
const DEFAULT_IN_WORDS: &str = "x-default";

/// A table of the configuration.
struct Section {
    name: String,
    /// Whether there may be several: `[[name]]`.
    repeated: bool,
    about: String,
    keys: Vec<Key>,
}

/// A key in it.
struct Key {
    name: String,
    /// What its value is, in words.
    form: String,
    meaning: String,
    /// In TOML or in words; `None` where nothing holds unless it is set.
    default: Option<String>,
    /// In TOML.
    example: Option<String>,
    /// Whether the section cannot be without it.
    required: bool,
    /// What its words or inner keys mean.
    parts: Vec<(String, String)>,
    /// Where it is set in the node: when a change takes effect.
    effect: Option<SettingEffect>,
}

/// The configuration as JSON Schema (draft 2020-12), for editors.
pub(crate) fn schema() -> Schema {
    let mut schema = annotated();
    RecursiveTransform(|schema: &mut Schema| {
        // What a section holds by default is said of each key.
        let no_value = schema.get("default").is_some_and(Value::is_null) || schema.get("properties").is_some();
        if schema.remove(DEFAULT_IN_WORDS).is_some() || no_value {
            schema.remove("default");
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = plain(text);
        }
    })
    .transform(&mut schema);
    schema
}

fn annotated() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>()
}

fn sections() -> Vec<Section> {
    properties(annotated().as_value()).map(|(name, table)| section(name, table)).collect()
}

fn section(name: &str, schema: &Value) -> Section {
    let repeated = schema.get("items");
    let table = repeated.unwrap_or(schema);
    let required: Vec<&str> = array(table, "required").iter().filter_map(Value::as_str).collect();
    let keys = properties(table).map(|(key, schema)| {
        let repeated = repeated.is_some();
        Key {
            effect: if repeated { None } else { settings::effect(name, key) },
            ..self::key(key, schema, required.contains(&key.as_str()))
        }
    });
    Section {
        name: name.to_owned(),
        repeated: repeated.is_some(),
        about: text(schema, "description").to_owned(),
        keys: keys.collect(),
    }
}

fn key(name: &str, schema: &Value, required: bool) -> Key {
    let in_words = schema.get(DEFAULT_IN_WORDS).and_then(Value::as_str).map(str::to_owned);
    let default =
        schema.get("default").filter(|default| !default.is_null()).map(in_toml).map(|default| format!("`{default}`"));
    Key {
        name: name.to_owned(),
        form: form(schema),
        meaning: text(schema, "description").to_owned(),
        default: in_words.or(default),
        example: array(schema, "examples").first().map(in_toml),
        required,
        parts: parts(schema),
        effect: None,
    }
}

/// What a value is, in words.
fn form(schema: &Value) -> String {
    if let Some(name) = schema.get("title").and_then(Value::as_str) {
        return name.to_owned();
    }
    let choices = array(schema, "enum");
    if !choices.is_empty() {
        let choices: Vec<String> = choices.iter().map(|choice| format!("`{}`", in_toml(choice))).collect();
        return choices.join(", ");
    }
    match text(schema, "type") {
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => format!("a whole number{}", limits(schema)),
        "number" => format!("a number{}", limits(schema)),
        "string" => "text".to_owned(),
        "object" => "a table".to_owned(),
        "array" => "a list of texts".to_owned(),
        _ => "one of those below".to_owned(),
    }
}

fn limits(schema: &Value) -> String {
    let limit = |name| schema.get(name).map(Value::to_string).map(|limit| limit.trim_end_matches(".0").to_owned());
    match (limit("minimum"), limit("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) if least != "0" => format!(", at least {least}"),
        _ => String::new(),
    }
}

/// The words of a choice, or the keys of a table, and what they mean.
fn parts(schema: &Value) -> Vec<(String, String)> {
    let choices = array(schema, "oneOf").iter().map(|choice| {
        let word = choice.get("const").map_or_else(|| form(choice), |word| format!("`{}`", in_toml(word)));
        (word, text(choice, "description").to_owned())
    });
    let required: Vec<&str> = array(schema, "required").iter().filter_map(Value::as_str).collect();
    let inner = properties(schema).map(|(name, schema)| {
        let key = key(name, schema, required.contains(&name.as_str()));
        (format!("`{name}`"), format!("{} {}.", key.meaning, sentence(&key.facts().join("; "))))
    });
    choices.chain(inner).collect()
}

impl Key {
    /// Form, and what holds where it is not set.
    fn facts(&self) -> Vec<String> {
        let mut facts = vec![self.form.clone()];
        match (&self.default, self.required) {
            (Some(default), _) => facts.push(format!("default: {default}")),
            (None, true) => facts.push("must be set".to_owned()),
            (None, false) => facts.push("nothing unless it is set".to_owned()),
        }
        if let Some(example) = &self.example {
            facts.push(format!("such as `{example}`"));
        }
        facts
    }
}

/// By name, whatever order the library keeps.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter);
    properties.collect::<BTreeMap<_, _>>().into_iter()
}

fn array<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A value as it stands in the file.
fn in_toml(value: &Value) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Markdown without its links and line ends: `[text](address)` is the text.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once("](") {
        let (before, label) = before.rsplit_once('[').unwrap_or((before, ""));
        let Some((_, after)) = link.split_once(')') else { break };
        text.extend([before, label]);
        rest = after;
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
