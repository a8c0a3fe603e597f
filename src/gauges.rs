//! What Prometheus is told beside what the parts count: how the node is at the moment. Written anew each time, so that a stream that has
//! ended is gone.

use std::fmt::{Display, Write as _};

use stream_model::{Publishing, StorageReport};

/// How the node is.
pub(crate) struct Now<'a> {
    pub(crate) version: &'a str,
    /// What its owner should do something about.
    pub(crate) problems: usize,
    pub(crate) storage: StorageReport,
    pub(crate) publishing: &'a [Publishing],
}

/// Adds the gauges (Prometheus' text format 0.0.4).
pub(crate) fn write_metrics(text: &mut String, now: &Now<'_>) {
    let Now { version, problems, storage, publishing } = now;
    write_one(text, "meshstream_build_info", &format!("version=\"{version}\""), 1);
    write_one(text, "meshstream_problems", "", problems);
    write_one(text, "meshstream_storage_quota_bytes", "", storage.quota_bytes);
    write_one(text, "meshstream_storage_reserve_bytes", "", storage.reserve_bytes);
    write_one(text, "meshstream_disk_free_bytes", "", storage.free_bytes);
    write_each(text, "meshstream_publishing_kbps", publishing, |live| Some(live.kbps));
    let sound = |live: &Publishing| live.sound.clone();
    write_each(text, "meshstream_publishing_silence_seconds", publishing, |live| Some(sound(live)?.silent_ms / 1_000));
    write_each(text, "meshstream_publishing_loudness_lufs", publishing, |live| sound(live)?.loudness_lufs);
}

fn write_one(text: &mut String, name: &str, labels: &str, value: impl Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(text, "# TYPE {name} gauge\n{name}{labels} {value}");
}

/// Of each stream: names of streams have no character that would want escaping.
fn write_each<T: Display>(
    text: &mut String,
    name: &str,
    publishing: &[Publishing],
    value: impl Fn(&Publishing) -> Option<T>,
) {
    let _ = writeln!(text, "# TYPE {name} gauge");
    for live in publishing {
        if let Some(value) = value(live) {
            let _ = writeln!(text, "{name}{{stream=\"{}\"}} {value}", live.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn streams_are_told_of_each_and_what_is_not_known_is_left_out() {
        let publishing: Vec<Publishing> = serde_json::from_value(serde_json::json!([
            { "name": "hall", "broadcast": null, "kbps": 1500, "sound": {
                "loudness_lufs": -21.5, "peaks_dbfs": [-3.0], "silent_ms": 2100, "state": "good" } },
            { "name": "room", "broadcast": null, "kbps": 0 },
        ]))
        .unwrap();
        let storage = serde_json::from_str("{\"used_bytes\":1,\"quota_bytes\":7,\"files\":2}").unwrap();
        let mut text = String::new();
        write_metrics(&mut text, &Now { version: "1.2.3", problems: 2, storage, publishing: &publishing });
        for line in [
            "meshstream_build_info{version=\"1.2.3\"} 1",
            "meshstream_problems 2",
            "meshstream_storage_quota_bytes 7",
            "meshstream_publishing_kbps{stream=\"hall\"} 1500",
            "meshstream_publishing_kbps{stream=\"room\"} 0",
            "meshstream_publishing_silence_seconds{stream=\"hall\"} 2",
            "meshstream_publishing_loudness_lufs{stream=\"hall\"} -21.5",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("room").count(), 1);
    }

    /// docs/operations/metrics.md lists what the program has, and nothing else.
    #[test]
    fn every_metric_is_documented_and_every_documented_one_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let document = std::fs::read_to_string(root.join("docs/operations/metrics.md")).unwrap();
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
        let mut named = BTreeSet::new();
        for part in ["src", "listener", "node-router", "player-web/src", "ssb-announcer", "stream-model", "streamer"] {
            names(&root.join(part), &mut named);
        }
        assert!(named.len() > 100, "metrics are looked for in the wrong place");
        let of_process = |name: &&String| name.starts_with("process_");
        let documented: BTreeSet<String> = documented.iter().filter(|name| !of_process(name)).cloned().collect();
        assert_eq!(
            documented.difference(&named).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "documented, and not there"
        );
        assert_eq!(
            named.difference(&documented).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "there, and not documented"
        );
    }

    #[test]
    fn rules_and_the_dashboard_ask_for_metrics_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let documents = read("docs/operations/metrics.md") + &read("docs/operations/monitoring.md");
        for file in ["alerts.yml", "grafana-dashboard.json"] {
            let text = read(&format!("deploy/monitoring/{file}"));
            let words = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            // What ends in an underscore is the beginning of a pattern.
            let asked = |word: &&str| {
                (word.starts_with("meshstream_") || word.starts_with("meshhost_")) && !word.ends_with('_')
            };
            let asked: BTreeSet<_> = words.filter(asked).collect();
            assert!(asked.len() > 20, "{file}: metrics are looked for in the wrong way");
            for name in asked {
                assert!(documents.contains(&format!("`{name}`")), "{file} asks for {name}, which is not there");
            }
        }
    }

    /// The metrics that the sources below a directory name.
    fn names(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                names(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let texts = source
                    .split('"')
                    .filter(|text| text.starts_with("meshstream_") && text.len() > "meshstream_".len());
                let is_name = |text: &&str| text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                found.extend(texts.filter(is_name).map(str::to_owned));
            }
        }
    }
}
