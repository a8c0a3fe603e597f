//! One way through all that an announced statement meets, for fuzzing and for replaying its corpus.

use crate::key::{PublicKey, SecretKey};
use crate::shelf::Shelf;
use crate::statement::Statement;
use crate::trust::Trust;

/// The key that is trusted; the corpus has statements of it.
const SEED: [u8; 32] = [1; 32];

/// Reads bytes as a statement, writes it again and offers it to a node.
///
/// # Panics
/// Where something panics, or what is read is written otherwise: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = text.parse::<PublicKey>();
    let _ = SecretKey::from_file(text);
    let trusted = vec![SecretKey::from_seed(&SEED).public()];
    let installed = "0.1.0-1".parse().ok();
    let mut shelf = Shelf::new(Trust::new(trusted.clone(), 1).unwrap_or_default(), installed.clone());
    let offered = shelf.offer(text);
    match Statement::parse(text) {
        Ok(statement) => {
            assert_eq!(statement.to_text(), text, "there is one way to write a statement");
            let counts = trusted.iter().all(|key| statement.signers().contains(key));
            assert_eq!(offered.is_ok(), counts && Some(statement.version()) >= installed.as_ref());
        }
        Err(_) => assert!(offered.is_err(), "what cannot be read is not kept"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus that fuzzing starts from.
    #[test]
    fn the_fuzzing_corpus_is_taken_without_a_panic() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/release");
        let (mut seeds, mut read) = (0, 0);
        for seed in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(seed.unwrap().path()).unwrap();
            exercise(&bytes);
            seeds += 1;
            read += usize::from(std::str::from_utf8(&bytes).is_ok_and(|text| Statement::parse(text).is_ok()));
        }
        assert!(seeds >= 4 && read >= 2, "{read} of {seeds} seeds are statements");
    }
}
