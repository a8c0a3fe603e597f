//! Statements, read and written.

use proptest::prelude::*;

use super::*;

const CID: &str = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

pub(crate) fn package(architecture: &str, byte: u8) -> Package {
    Package { architecture: architecture.to_owned(), bytes: 12, sha256: [byte; 32], cid: CID.parse().unwrap() }
}

pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(crate) fn signed(version: &str, keys: &[u8]) -> Statement {
    let mut statement =
        Statement::new(version.parse().unwrap(), vec![package("arm64", 2), package("amd64", 1)]).unwrap();
    keys.iter().for_each(|seed| statement.sign(&secret(*seed)).unwrap());
    statement
}

#[test]
fn a_statement_is_written_as_the_page_of_the_protocol_says() {
    let statement = Statement::new("0.2.0-1".parse().unwrap(), vec![package("amd64", 0xab)]).unwrap();
    let sha256 = "ab".repeat(32);
    let expected =
        format!("meshstream release v1\nname meshstream\nversion 0.2.0-1\npackage amd64 12 {sha256} {CID}\n");
    assert_eq!(statement.to_text(), expected);
}

#[test]
fn what_is_written_is_read_and_its_signatures_hold() {
    let statement = signed("0.2.0-1", &[1, 2]);
    let read = Statement::parse(&statement.to_text()).unwrap();
    assert_eq!(read, statement);
    assert_eq!(read.signers().len(), 2);
    assert_eq!(read.package("arm64").unwrap().sha256, [2; 32]);
    assert!(read.package("armhf").is_none());
}

#[test]
fn whatever_is_changed_breaks_the_signature_or_the_statement() {
    let text = signed("0.2.0-1", &[1]).to_text();
    for at in 0..text.len() {
        for change in [1u8, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= change;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let signers = Statement::parse(&changed).map(|statement| statement.signers()).unwrap_or_default();
            assert!(!signers.contains(&secret(1).public()), "byte {at}: {changed}");
        }
    }
}

#[test]
fn there_is_one_way_to_write_a_statement() {
    let text = signed("0.2.0-1", &[1]).to_text();
    let upper = text.replace(&"01".repeat(32), &"0A".repeat(32));
    for other in [
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!("{text}more\n"),
        text.replace('\n', "\r\n"),
        text.replace("package amd64 12", "package amd64 012"),
        text.replace("package amd64 12", "package amd64  12"),
        text.replace("package amd64 12", "package amd64 +12"),
        upper,
        text.replace("name meshstream\n", ""),
        text.replace("name meshstream", "name other"),
        text.replace("release v1", "release v2"),
        text.replace("0.2.0-1", "0.2.0_1"),
        text.replace("amd64", "zzz"),
        text.replace("amd64", "../x"),
        text.replace(CID, "QmYrxp7vqf8rZCcmHXsZ68Kh5xwWnXBVyuL4FVg5PNxaT4x"),
        String::new(),
    ] {
        assert!(Statement::parse(&other).is_err(), "{other}");
    }
}

#[test]
fn bounds_hold() {
    let large = Package { bytes: MAX_PACKAGE_BYTES + 1, ..package("amd64", 1) };
    let made = Statement::new("1".parse().unwrap(), vec![large]);
    assert!(matches!(made, Err(StatementError::TooLarge { .. })));
    assert_eq!(Statement::new("1".parse().unwrap(), Vec::new()), Err(StatementError::Packages));
    let twice = vec![package("amd64", 1), package("amd64", 2)];
    assert_eq!(Statement::new("1".parse().unwrap(), twice), Err(StatementError::Packages));
    let many = (0..9).map(|n| package(&format!("arch{n}"), 1)).collect();
    assert_eq!(Statement::new("1".parse().unwrap(), many), Err(StatementError::Packages));
    assert_eq!(Statement::parse(&"x".repeat(MAX_STATEMENT_BYTES + 1)), Err(StatementError::TooLong));

    // The largest there is fits.
    let most = (0..8).map(|n| Package { bytes: MAX_PACKAGE_BYTES, ..package(&format!("architecture-long-{n}"), 1) });
    let mut most = Statement::new("1".repeat(64).parse().unwrap(), most.collect()).unwrap();
    (0..8).for_each(|seed| most.sign(&secret(seed)).unwrap());
    assert_eq!(Statement::parse(&most.to_text()).unwrap(), most);
    assert_eq!(most.sign(&secret(9)), Err(StatementError::Signatures));
}

#[test]
fn signatures_of_the_same_release_are_put_together() {
    let (mut one, other) = (signed("0.2.0-1", &[1]), signed("0.2.0-1", &[2]));
    assert!(one.take_signatures(&other));
    assert_eq!(one, signed("0.2.0-1", &[1, 2]));
    assert!(!one.take_signatures(&other));
    assert!(!one.take_signatures(&signed("0.2.0-2", &[3])));
    let wrong = signed("0.2.0-2", &[3]).to_text().replace("0.2.0-2", "0.2.0-1");
    assert!(!one.take_signatures(&Statement::parse(&wrong).unwrap()));
}

#[test]
fn a_package_is_known_by_its_bytes() {
    let sha256 = Sha256::digest(b"hello world\n").into();
    let package = Package { sha256, ..package("amd64", 0) };
    let check = |pieces: &[&[u8]]| {
        let mut check = package.check();
        pieces.iter().for_each(|piece| check.update(piece));
        check.finish()
    };
    assert!(check(&[b"hello ", b"world\n"]));
    assert!(!check(&[b"hello world!"]));
    assert!(!check(&[b"hello world\n", b"\n"]));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}") {
        let _ = Statement::parse(&text);
    }

    #[test]
    fn lines_in_any_order_are_read_as_they_are_written_or_not_at_all(
        picks in prop::collection::vec(0_usize..8, 0..10),
    ) {
        let text = signed("0.2.0-1", &[1, 2, 3]).to_text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mixed: String = picks.iter().map(|pick| lines[*pick]).collect();
        if let Ok(statement) = Statement::parse(&mixed) {
            prop_assert_eq!(statement.to_text(), mixed);
        }
    }
}
