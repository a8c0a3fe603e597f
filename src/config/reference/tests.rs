//! The reference says what the program does.

use std::path::Path;

use release::SecretKey;
use toml::{Table, Value as Toml};

use super::*;
use crate::config::{Layers, layers};

const PAGE: &str = "docs/operations/configuration-reference.md";

fn config(file: &str, environment: &[(String, String)]) -> anyhow::Result<Config> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("meshstream.toml");
    std::fs::write(&path, file)?;
    // The data directory is given, so that what is set on this machine is not read.
    let mut arguments = Some(dir.path());
    if file.contains("data_dir") || environment.iter().any(|(name, _)| name.ends_with("DATA_DIR")) {
        arguments = None;
    }
    Ok(Layers::read(Some(&path), environment.to_vec(), arguments)?.config().clone())
}

fn in_file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What may be set, as the code that reads it says when it meets what may not.
fn known_keys(section: &Section) -> Vec<String> {
    let heading = if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
    let error = config(&format!("{heading}\nno_such_key = 1"), &[]).unwrap_err().to_string();
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    let mut keys: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn the_page_is_the_one_of_this_code() {
    assert!(
        in_file(PAGE) == markdown(),
        "{PAGE} is not what the code says any more: run `make reference`, and commit it"
    );
}

#[test]
fn every_key_that_is_read_is_told_of_and_no_other() {
    let sections = sections();
    let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    let error = config("[no_such_section]", &[]).unwrap_err().to_string();
    let mut expected: Vec<&str> = error.split_once("expected").unwrap().1.split('`').skip(1).step_by(2).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for section in &sections {
        let mut keys: Vec<&str> = section.keys.iter().map(|key| key.name.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, known_keys(section), "of {}", section.name);
        assert!(!section.about.is_empty(), "{} has no docstring", section.name);
        for key in &section.keys {
            assert!(!key.meaning.is_empty(), "{}.{} has no docstring", section.name, key.name);
            assert!(key.parts.iter().all(|(_, meaning)| !meaning.is_empty()), "{}.{}", section.name, key.name);
        }
    }
}

#[test]
fn defaults_are_those_that_hold() {
    let defaults = Table::try_from(Config::default()).unwrap();
    for section in sections().iter().filter(|section| !section.repeated) {
        for key in &section.keys {
            let holds = defaults[&section.name].get(&key.name).map(|value| format!("`{value}`"));
            if default_in_words(&section.name, &key.name) {
                assert!(key.default.is_some(), "{}.{}", section.name, key.name);
            } else {
                assert_eq!(key.default, holds, "{}.{}", section.name, key.name);
            }
        }
    }
}

fn default_in_words(section: &str, key: &str) -> bool {
    let schema = annotated();
    schema.pointer(&format!("/properties/{section}/properties/{key}/{DEFAULT_IN_WORDS}")).is_some()
}

#[test]
fn every_key_is_taken_from_the_environment() {
    for section in sections().iter().filter(|section| !section.repeated) {
        for key in &section.keys {
            let default = key.default.as_deref().filter(|_| !default_in_words(&section.name, &key.name));
            let default = default.map(|default| default.trim_matches('`').to_owned());
            let value = key.example.clone().or(default).unwrap_or_else(|| {
                panic!(
                    "{}.{} has neither a default nor an example: give it #[schemars(example = …)]",
                    section.name, key.name
                )
            });
            let variable = format!("MESHSTREAM_{}__{}", section.name, key.name).to_uppercase();
            let config = config("", &[(variable.clone(), value.clone())])
                .unwrap_or_else(|error| panic!("{variable}={value}: {error:#}"));
            let written = Table::try_from(config).unwrap()[&section.name].get(&key.name).cloned();
            let mut expected = Table::new();
            layers::set(&mut expected, "section", "key", &value).unwrap();
            let expected = &expected["section"]["key"];
            let inner_defaults = |written: &Toml| written.as_table().is_some() && expected.as_table().is_some();
            assert!(
                written.as_ref().is_some_and(|written| written == expected || inner_defaults(written)),
                "{variable}={value}: {written:?}"
            );
        }
    }
}

#[test]
fn limits_are_those_that_are_kept() {
    for section in sections().iter().filter(|section| !section.repeated) {
        for (key, schema) in properties(annotated().pointer(&format!("/properties/{}", section.name)).unwrap()) {
            let try_out = |value: Toml| config(&format!("[{}]\n{key} = {value}", section.name), &[]).is_ok();
            let limit = |name| schema.get(name).and_then(Value::as_i64);
            let text = |length: i64| {
                let scheme = if key == "public_url" { "http://" } else { "" };
                Toml::String(format!("{scheme}{}", "a".repeat(length as usize - scheme.len())))
            };
            let name = |at: i64| match key.as_str() {
                "trusted" => SecretKey::from_seed(&[at as u8; 32]).public().to_string(),
                _ => format!("a{at}"),
            };
            let names = |length: i64| Toml::Array((0..length).map(|at| Toml::String(name(at))).collect());
            let mut tried = Vec::new();
            // Unsigned numbers begin at 0 without being told.
            tried.extend(
                limit("minimum")
                    .filter(|least| *least > 0)
                    .map(|least| (Toml::Integer(least), Toml::Integer(least - 1))),
            );
            tried.extend(limit("maximum").map(|most| (Toml::Integer(most), Toml::Integer(most + 1))));
            tried.extend(limit("minLength").map(|least| (text(least), text(least - 1))));
            tried.extend(limit("maxLength").map(|most| (text(most), text(most + 1))));
            tried.extend(limit("maxItems").map(|most| (names(most), names(most + 1))));
            for (good, bad) in tried {
                assert!(try_out(good.clone()), "{}.{key} = {good} is refused", section.name);
                assert!(!try_out(bad.clone()), "{}.{key} = {bad} is taken", section.name);
            }
        }
    }
}

#[test]
fn cameras_keep_to_their_limits_too() {
    let camera = annotated();
    let camera = camera.pointer("/properties/camera/items").unwrap();
    for (key, schema) in properties(camera).filter(|(_, schema)| schema.get("enum").is_none()) {
        let try_out = |value: i64| config(&format!("[[camera]]\n{key} = {value}"), &[]).is_ok();
        for (limit, beyond) in [("minimum", -1), ("maximum", 1)] {
            let Some(limit) = schema.get(limit).and_then(Value::as_i64).filter(|limit| *limit > 0) else { continue };
            assert!(try_out(limit) && !try_out(limit + beyond), "camera.{key}: {limit}");
        }
    }
}

/// In the package's file `# key = value` is a default, and `#   key = value`, further in, an example.
#[test]
fn the_file_of_the_package_shows_the_defaults() {
    let file = in_file("deploy/debian/meshstream.toml");
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let uncommented = |mark: &str| {
        let lines = file.lines().map(|line| line.strip_prefix(mark).filter(|line| is_key(line)).unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    };
    let as_is = config(&file, &[]).unwrap();
    let shown = uncommented("# ");
    assert_ne!(shown, file, "no default is shown");
    assert_eq!(config(&shown, &[]).unwrap(), as_is, "what is shown as a default is none");
    let examples = uncommented("#   ");
    assert_ne!(config(&examples, &[]).unwrap(), as_is, "no example is shown");
    assert_eq!(as_is.node.data_dir, Path::new("/var/lib/meshstream"));
}

#[test]
fn editors_take_what_the_program_takes() {
    let schema = serde_json::to_value(schema()).unwrap();
    assert!(!schema.to_string().contains(DEFAULT_IN_WORDS) && !schema.to_string().contains("](configuration.md"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let valid = |file: &str| {
        let table: Table = file.parse().unwrap();
        validator.is_valid(&serde_json::to_value(table).unwrap())
    };
    let defaults = Table::try_from(Config::default()).unwrap().to_string();
    for file in [
        "",
        defaults.as_str(),
        &in_file("deploy/debian/meshstream.toml"),
        &in_file("deploy/relay/meshstream.toml"),
        "[web]\nembed = [\"http://10.0.0.9\"]",
        "[[camera]]\nname = \"hall\"",
        "[[rendition]]\nname = \"Sound\"\naudio_only = true",
        "[node]\nlocation = { latitude = 1, longitude = 2 }",
    ] {
        assert!(valid(file), "{file}");
        config(file, &[]).unwrap();
    }
    for file in [
        "[node]\nnme = \"x\"",
        "[segment]\nlive_window = 2",
        "[web]\ngateway = \"all\"",
        "[web]\nembed = \"all\"",
        "[web.tls]\nkey = \"/k\"",
        "[[camera]]\nrate = 0",
        "[[rendition]]\nheight = 240",
        "[node]\nlocation = { latitude = 91, longitude = 2 }",
    ] {
        assert!(!valid(file), "{file}");
        config(file, &[]).unwrap_err();
    }
}

#[test]
fn links_are_left_out_where_nobody_can_follow_them() {
    for (markdown, text) in [
        ("a [b](c.md) d", "a b d"),
        ("`[[x]]` and\n[y](z.md#w).", "`[[x]]` and y."),
        ("[not a link] (x)", "[not a link] (x)"),
        ("ends [so](", "ends [so]("),
    ] {
        assert_eq!(plain(markdown), text);
    }
}
