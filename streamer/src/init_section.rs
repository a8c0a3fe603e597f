//! Media Initialization Sections (RFC 8216 §3.3), as they are read. Pure.

use mp4_atom::{Any, DecodeMaybe as _, Moov};

/// Its `moov`. Says what is wrong where it has none, or more than one.
pub(crate) fn moov(mut init: &[u8]) -> Result<Moov, &'static str> {
    let mut moov = None;
    while let Some(atom) = Any::decode_maybe(&mut init).map_err(|_| "it cannot be read")? {
        match atom {
            Any::Moov(found) if moov.is_none() => moov = Some(found),
            Any::Moov(_) => return Err("it has two moov"),
            _ => {}
        }
    }
    moov.ok_or("it has no moov")
}
