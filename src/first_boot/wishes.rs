//! What may be wished, and how it is read. Pure but for [`read`].

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use node_router::community::Secret;
use player_web::AdminToken;
use rustix::fs::OFlags;
use serde::Serialize;
use stream_model::{Wish, Wishes};

use super::MAX_BYTES;
use crate::setup::access_point::settings::Settings;

/// Asks for a community of its own.
const NEW: &str = "new";

/// Most characters of a node's name.
const MAX_NAME_CHARS: usize = 64;

/// The community that is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Community {
    Open,
    New,
    /// Whoever has this is in.
    Invite(String),
}

impl Community {
    pub(super) fn of(wishes: &Wishes) -> Self {
        match wishes.community.trim() {
            "" => Self::Open,
            NEW => Self::New,
            invite => Self::Invite(invite.to_owned()),
        }
    }
}

/// The small file of the access point.
#[derive(Serialize)]
struct AccessPoint<'a> {
    country: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mesh: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    passphrase: &'a str,
}

/// The small file of the access point that is wished.
pub(super) fn access_point(wishes: &Wishes) -> anyhow::Result<String> {
    let Wishes { country, wifi, wifi_passphrase, .. } = wishes;
    Ok(toml::to_string(&AccessPoint { country, mesh: wifi, passphrase: wifi_passphrase })?)
}

/// What of the wishes cannot be, and what to write instead.
pub(crate) fn wrong(wishes: &Wishes) -> Vec<(Wish, &'static str)> {
    let name = wishes.name.trim();
    let usual = Wishes { country: "CA".to_owned(), ..Wishes::default() };
    let access_point = |with: &dyn Fn(&mut Wishes)| {
        let mut wishes = usual.clone();
        with(&mut wishes);
        access_point(&wishes)
            .ok()
            .and_then(|text| toml::from_str::<Settings>(&text).ok())
            .is_some_and(|settings| settings.check().is_ok())
    };
    let country = wishes.country != "00" && access_point(&|usual| usual.country.clone_from(&wishes.country));
    let invite = match Community::of(wishes) {
        Community::Open | Community::New => true,
        Community::Invite(invite) => invite.parse::<Secret>().is_ok(),
    };
    let checks = [
        (
            Wish::Name,
            (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control),
            "name: it has 1 to 64 characters",
        ),
        (
            Wish::Password,
            AdminToken::new(&wishes.password).is_ok(),
            "password: it has 16 to 1024 letters, digits and signs of ASCII, without spaces",
        ),
        (Wish::Country, country, "country: two letters such as \"CA\" (ISO 3166-1)"),
        (
            Wish::Wifi,
            access_point(&|usual| usual.wifi.clone_from(&wishes.wifi)) && wishes.wifi.len() <= 20,
            "wifi: it has at most 20 lower-case letters, digits and hyphens",
        ),
        (
            Wish::WifiPassphrase,
            access_point(&|usual| usual.wifi_passphrase.clone_from(&wishes.wifi_passphrase)),
            "wifi_passphrase: it has 8 to 63 characters of ASCII, or there is none",
        ),
        (
            Wish::Community,
            invite,
            "community: the words of an invite as 'meshstream community new' printed it, \"new\", or nothing",
        ),
    ];
    checks.into_iter().filter(|(_, fits, _)| !fits).map(|(wish, _, what)| (wish, what)).collect()
}

/// Reads wishes and checks them.
///
/// # Errors
/// Where there is no such file, it is a link (what others may write is never followed elsewhere), or what it says cannot be.
/// Nothing of what is in it is repeated but names of keys.
pub(crate) fn read(path: &Path) -> anyhow::Result<Wishes> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).context("a flag of the kernel's")?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).with_context(|| format!("{} is not text", path.display()))?;
    if text.len() as u64 > MAX_BYTES {
        bail!("{} has more than {MAX_BYTES} bytes", path.display());
    }
    let wishes: Wishes = toml::from_str(&text).map_err(|error| {
        let error: toml::de::Error = error;
        anyhow::anyhow!("{}: {}", path.display(), error.message())
    })?;
    let wrong = wrong(&wishes);
    if !wrong.is_empty() {
        let wrong: Vec<&str> = wrong.into_iter().map(|(_, what)| what).collect();
        bail!("{}", wrong.join("; "));
    }
    Ok(wishes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;

    /// What can be.
    pub(crate) fn hall() -> Wishes {
        Wishes {
            name: "Hall ž".to_owned(),
            password: "four-words-of-mine".to_owned(),
            country: "CA".to_owned(),
            wifi: "tomesh".to_owned(),
            wifi_passphrase: "correct \"horse\"".to_owned(),
            community: String::new(),
        }
    }

    fn wrong_of(change: impl Fn(&mut Wishes)) -> Vec<Wish> {
        let mut wishes = hall();
        change(&mut wishes);
        wrong(&wishes).into_iter().map(|(wish, _)| wish).collect()
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert_eq!(wrong_of(|_| {}), []);
        for name in ["", " ", "a\nb", &"x".repeat(65)] {
            assert_eq!(wrong_of(|wishes| wishes.name = name.to_owned()), [Wish::Name], "{name:?}");
        }
        for password in ["", "fifteen-letters", "sixteen letters!", "sixteen-léttrês!", "sixteen-letters\n"] {
            assert_eq!(wrong_of(|wishes| wishes.password = password.to_owned()), [Wish::Password], "{password:?}");
        }
        for country in ["", "ca", "00", "CAN", "C\"", "ÇA"] {
            assert_eq!(wrong_of(|wishes| wishes.country = country.to_owned()), [Wish::Country], "{country:?}");
        }
        for wifi in ["To Mesh", "a\nb", &"x".repeat(21)] {
            assert_eq!(wrong_of(|wishes| wishes.wifi = wifi.to_owned()), [Wish::Wifi], "{wifi:?}");
        }
        for passphrase in ["seven77", "eight\n888", &"x".repeat(64)] {
            let wrong = wrong_of(|wishes| wishes.wifi_passphrase = passphrase.to_owned());
            assert_eq!(wrong, [Wish::WifiPassphrase], "{passphrase:?}");
        }
        assert_eq!(wrong_of(|wishes| wishes.community = "an invite".to_owned()), [Wish::Community]);
        let invite = Secret([7; 32]).invite();
        for community in ["", "new", " new ", &invite] {
            assert_eq!(wrong_of(|wishes| wishes.community = community.to_owned()), [], "{community:?}");
        }
        let everything = wrong(&Wishes::default());
        assert_eq!(
            everything.into_iter().map(|(wish, _)| wish).collect::<Vec<_>>(),
            [Wish::Name, Wish::Password, Wish::Country]
        );
    }

    #[test]
    fn the_file_of_the_access_point_says_what_was_wished() {
        let settings: Settings = toml::from_str(&access_point(&hall()).unwrap()).unwrap();
        settings.check().unwrap();
        assert_eq!((settings.country.as_str(), settings.mesh.as_str()), ("CA", "tomesh"));
        assert_eq!(settings.passphrase.as_deref(), Some("correct \"horse\""));
        let open = Wishes { wifi: String::new(), wifi_passphrase: String::new(), ..hall() };
        let settings: Settings = toml::from_str(&access_point(&open).unwrap()).unwrap();
        assert_eq!((settings.mesh.as_str(), settings.passphrase), ("mesh", None));
    }

    #[test]
    fn a_file_of_somebody_elses_is_neither_followed_nor_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("secret"), dir.path().join("wishes.toml"));
        fs::write(&file, "root:secret:19000\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let error = format!("{:#}", read(&link).unwrap_err());
        assert!(error.contains("cannot read") && !error.contains("secret:"), "{error}");
        let error = format!("{:#}", read(&file).unwrap_err());
        assert!(!error.contains("19000"), "{error}");
        fs::write(&file, "x".repeat(5_000)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("more than 4096 bytes"));
    }

    #[test]
    fn the_example_on_the_card_can_be_read() {
        let example = include_str!("../../deploy/image/first-boot.toml.example");
        let wishes: Wishes = toml::from_str(example).unwrap();
        // The password is the owner's to make up.
        assert_eq!(wrong(&wishes).into_iter().map(|(wish, _)| wish).collect::<Vec<_>>(), [Wish::Password]);
        // Each key that is commented out is one.
        let uncommented =
            |line: &str| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line).to_owned();
        let all: Vec<String> = example.lines().map(uncommented).collect();
        let wishes: Wishes = toml::from_str(&all.join("\n")).unwrap();
        assert_eq!((wrong(&wishes).len(), wishes.community.as_str()), (1, "new"));
    }
}
