//! Which daemons of overlay networks to ask, from the configuration.

use std::path::Path;

use anyhow::Context as _;
use node_router::{CjdnsAdmin, CjdnsPassword, OverlayConfig};

use crate::config::Mesh;

/// Daemons of overlay networks to ask. An empty address asks none.
pub(crate) fn overlays(config: &Mesh) -> anyhow::Result<OverlayConfig> {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let cjdns = named(&config.cjdns_admin).map(|text| {
        let address = text.parse().with_context(|| {
            format!("configuration key mesh.cjdns_admin: '{text}' is not an address and port such as 127.0.0.1:11234")
        })?;
        anyhow::Ok(CjdnsAdmin { address, password: cjdns_password(config.cjdns_password_file.as_deref())? })
    });
    let yggdrasil = named(&config.yggdrasil_admin)
        .map(|text| text.parse().with_context(|| format!("configuration key mesh.yggdrasil_admin: '{text}'")));
    Ok(OverlayConfig { cjdns: cjdns.transpose()?, yggdrasil: yggdrasil.transpose()? })
}

/// The password in the file that is named, else in that of cjdns's tools where there is one, else the usual one.
fn cjdns_password(named: Option<&Path>) -> anyhow::Result<CjdnsPassword> {
    if let Some(path) = named {
        let place = || format!("configuration key mesh.cjdns_password_file: {}", path.display());
        let text = std::fs::read_to_string(path).with_context(place)?;
        return CjdnsPassword::from_file(&text).with_context(|| format!("{} holds no password", place()));
    }
    let of_tools = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cjdnsadmin"));
    let text = of_tools.and_then(|path| std::fs::read_to_string(path).ok());
    Ok(text.and_then(|text| CjdnsPassword::from_file(&text)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_configuration_both_daemons_are_asked_and_an_empty_address_asks_none() {
        let asked = overlays(&Mesh::default()).unwrap();
        assert_eq!(asked.cjdns.map(|admin| admin.address.to_string()).as_deref(), Some("127.0.0.1:11234"));
        assert_eq!(asked.yggdrasil, Some(node_router::YggdrasilAdmin::default()));
        let none = Mesh { cjdns_admin: String::new(), yggdrasil_admin: String::new(), ..Mesh::default() };
        let asked = overlays(&none).unwrap();
        assert!(asked.cjdns.is_none() && asked.yggdrasil.is_none());
    }

    #[test]
    fn wrong_values_are_errors_that_name_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, missing) = (dir.path().join("empty"), dir.path().join("missing"));
        std::fs::write(&empty, "\n").unwrap();
        let password_file = |path: &Path| Mesh { cjdns_password_file: Some(path.to_owned()), ..Mesh::default() };
        for (mesh, key) in [
            (Mesh { cjdns_admin: "localhost".into(), ..Mesh::default() }, "mesh.cjdns_admin"),
            (Mesh { yggdrasil_admin: "/run/x".into(), ..Mesh::default() }, "mesh.yggdrasil_admin"),
            (password_file(&empty), "mesh.cjdns_password_file"),
            (password_file(&missing), "mesh.cjdns_password_file"),
        ] {
            let error = format!("{:#}", overlays(&mesh).unwrap_err());
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn the_password_is_that_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "secret\n").unwrap();
        let mesh = Mesh { cjdns_password_file: Some(file), ..Mesh::default() };
        let admin = overlays(&mesh).unwrap().cjdns.unwrap();
        assert_eq!(Some(admin.password), CjdnsPassword::from_file("secret"));
    }
}
