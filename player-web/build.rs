//! Takes the player that `npm run build` left in `web/dist`, and writes a table that embeds it in the program under
//! names that carry a hash: the same as `web/build.mjs` gives to the texts, which scripts load by name.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// File in `web/dist`, the name of its constant, and its media type.
const FILES: [(&str, &str, &str); 7] = [
    ("page.js", "PAGE_JS", "text/javascript; charset=utf-8"),
    ("watch.js", "WATCH_JS", "text/javascript; charset=utf-8"),
    ("mesh.js", "MESH_JS", "text/javascript; charset=utf-8"),
    ("player.js", "PLAYER_JS", "text/javascript; charset=utf-8"),
    ("player-style.css", "PLAYER_CSS", "text/css; charset=utf-8"),
    ("style.css", "STYLE_CSS", "text/css; charset=utf-8"),
    ("licences.txt", "LICENCES_TXT", "text/plain; charset=utf-8"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=texts");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
    let out = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    let dist = Path::new(&root).join("web/dist");
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    let mut names = String::new();
    let mut texts = String::new();
    let files = FILES.map(|(file, constant, media_type)| (file.to_owned(), Some(constant), media_type));
    for (file, constant, media_type) in files.into_iter().chain(catalogues(&root)) {
        let path = dist.join(&file);
        let (Ok(plain), true) = (std::fs::read(&path), dist.join(format!("{file}.gz")).exists()) else {
            println!(
                "cargo::error=the web player is not built ({file} is missing in player-web/web/dist): run 'make web'"
            );
            return;
        };
        let hash: String = Sha256::digest(&plain).iter().take(6).fold(String::new(), |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        let (stem, extension) = file.rsplit_once('.').expect("each of FILES has an extension");
        let name = format!("{stem}-{hash}.{extension}");
        let _ = writeln!(
            table,
            "    Asset {{ name: {name:?}, media_type: {media_type:?}, plain: include_bytes!({path:?}), \
             gzip: include_bytes!(\"{}.gz\") }},",
            path.display()
        );
        if let Some(constant) = constant {
            let _ = writeln!(names, "pub(crate) const {constant}: &str = \"/assets/{name}\";");
        } else {
            let code = stem.trim_start_matches("texts-");
            let _ = writeln!(texts, "    ({code:?}, \"/assets/{name}\"),");
        }
    }
    let _ = writeln!(table, "];\n{names}\npub(crate) static TEXTS: &[(&str, &str)] = &[\n{texts}];");
    std::fs::write(Path::new(&out).join("assets.rs"), table).expect("cargo's output directory can be written");
}

/// What scripts show, in each language that there is a catalogue for.
fn catalogues(root: &str) -> Vec<(String, Option<&'static str>, &'static str)> {
    let entries = std::fs::read_dir(Path::new(root).join("texts")).expect("the catalogues are beside this file");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut catalogues: Vec<String> = names.filter(|name| name.ends_with(".ftl")).collect();
    catalogues.sort();
    catalogues.into_iter().map(|name| (format!("texts-{name}"), None, "text/plain; charset=utf-8")).collect()
}
