//! A database that is not as it was left: found at the start, and told with what to do.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use ssb_announcer::feed::{FeedStore, OwnAppend, StoreError};
use ssb_announcer::identity::Identity;
use tempfile::TempDir;

/// Messages that fill some hundred pages.
const MESSAGES: usize = 200;

fn node() -> Identity {
    Identity::from_seed(&[1; 32])
}

fn open(path: &Path) -> Result<FeedStore, StoreError> {
    FeedStore::open(path, node().id(), vec![])
}

/// A database with a feed, closed in order.
async fn closed() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let content_json = format!(r#"{{"type":"post","text":"{}"}}"#, "long ".repeat(400));
    let append = || OwnAppend { identity: node(), content_json: content_json.clone(), names: None };
    open(&path).unwrap().append_own((0..MESSAGES).map(|_| append()).collect()).await.unwrap();
    assert!(!path.with_file_name("ssb.sqlite3-wal").exists(), "all of it is in one file");
    (directory, path)
}

/// Makes it look as after a loss of power.
fn cut_off(path: &Path) {
    assert_eq!(Connection::open(path).unwrap().execute("UPDATE runs SET closed = 0", []).unwrap(), 1);
}

fn is_closed(path: &Path) -> bool {
    Connection::open(path).unwrap().query_row("SELECT closed FROM runs", [], |row| row.get(0)).unwrap()
}

fn overwrite_the_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 3 * 4096].fill(0xff);
    fs::write(path, bytes).unwrap();
}

fn assert_advice<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let error = outcome.expect_err("it is damaged");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("is damaged") && text.contains("backup") && text.contains("meshstream ssb recover"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_advice() {
    let (_directory, path) = closed().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[..100].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_advice(open(&path));
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_refused_with_advice() {
    let (_directory, path) = closed().await;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    assert_advice(open(&path));
}

#[tokio::test]
async fn all_of_the_file_is_checked_after_a_run_that_was_cut_off() {
    let (_directory, path) = closed().await;
    overwrite_the_middle(&path);
    // To read all of it takes too long to be done at every start.
    open(&path).unwrap().check_whole_file().await.unwrap();
    cut_off(&path);
    assert_advice(open(&path).unwrap().check_whole_file().await);
    for _ in 0..2 {
        assert_advice(open(&path));
    }
}

#[tokio::test]
async fn a_file_that_was_found_whole_needs_no_further_check() {
    let (_directory, path) = closed().await;
    cut_off(&path);
    drop(open(&path).unwrap());
    assert!(!is_closed(&path), "nobody has checked it");
    let store = open(&path).unwrap();
    store.check_whole_file().await.unwrap();
    drop(store);
    assert!(is_closed(&path));
}

#[tokio::test]
async fn a_store_counts_as_closed_when_its_last_handle_is_gone() {
    let (_directory, path) = closed().await;
    assert!(is_closed(&path));
    let store = open(&path).unwrap();
    let other = store.clone();
    assert!(!is_closed(&path));
    drop(store);
    assert!(!is_closed(&path));
    drop(other);
    assert!(is_closed(&path));
}

#[tokio::test]
async fn a_feed_whose_last_message_is_missing_or_changed_is_refused_with_advice() {
    for damage in [
        "DELETE FROM messages WHERE sequence = (SELECT max(sequence) FROM messages)",
        "UPDATE messages SET value = replace(value, 'long', 'Long') WHERE sequence = (SELECT max(sequence) FROM messages)",
        "UPDATE feeds SET sequence = sequence - 1",
    ] {
        let (_directory, path) = closed().await;
        assert_eq!(Connection::open(&path).unwrap().execute(damage, []).unwrap(), 1);
        assert_advice(open(&path));
    }
}
