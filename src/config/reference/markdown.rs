//! The reference as a page of the documentation.

use std::fmt::Write as _;

use stream_model::SettingEffect;

use super::{Key, Section, sections, sentence};

const BEGINNING: &str = "\
# Configuration reference

<!-- Made of src/config/keys.rs by `make reference`: change it there. -->

Every key, as the program has it. [Configuration](configuration.md) tells where values come from and which go before others.
Durations are written like `\"15s\"` or `\"1m 30s\"`, sizes like `\"10GiB\"` or `\"500MB\"`, rates like `\"1.5 Mbit/s\"` (`kbit/s`,
`Mbit/s` or `Gbit/s`, from 64 kbit/s), addresses with a port like `\"10.0.0.1:8080\"` or `\"[::]:8080\"`. What is *set in the node* is
set with `meshstream settings set KEY VALUE` or on the owner's pages, too, while the node runs; all else takes effect with the next start.
";

/// The page.
pub(crate) fn markdown() -> String {
    let mut page = BEGINNING.to_owned();
    for section in sections() {
        write_section(&mut page, &section).expect("text has room");
    }
    page
}

fn write_section(page: &mut String, section: &Section) -> std::fmt::Result {
    let Section { name, repeated, about, keys } = section;
    let heading = if *repeated { format!("[[{name}]]") } else { format!("[{name}]") };
    writeln!(page, "\n## `{heading}`\n\n{}", about)?;
    if *repeated {
        writeln!(page, "\nEach `[[{name}]]` in the file is one; they cannot be set by the environment.")?;
    }
    let prefix = if *repeated { String::new() } else { format!("{name}.") };
    keys.iter().try_for_each(|key| write_key(page, &prefix, key))
}

fn write_key(page: &mut String, prefix: &str, key: &Key) -> std::fmt::Result {
    writeln!(page, "\n### `{prefix}{}`\n\n{}\n", key.name, key.meaning)?;
    for (part, meaning) in &key.parts {
        writeln!(page, "- {part}: {meaning}")?;
    }
    if !key.parts.is_empty() {
        writeln!(page)?;
    }
    write!(page, "{}.", sentence(&key.facts().join("; ")))?;
    if let Some(effect) = key.effect {
        let when = match effect {
            SettingEffect::AtOnce => "takes effect at once",
            SettingEffect::AfterRestart => "takes effect with the next start",
        };
        write!(page, " Set in the node; {when}.")?;
    }
    writeln!(page)
}
