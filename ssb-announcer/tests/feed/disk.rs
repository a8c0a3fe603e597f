//! Feeds on disk: over restarts, copies and versions of the database.

use super::*;

fn open(path: &Path) -> FeedStore {
    FeedStore::open(path, own().id(), vec![]).unwrap()
}

#[tokio::test]
async fn feeds_outlive_the_process_and_the_own_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let messages = posts(5).await;
    let mine = |text: &str| vec![OwnAppend { identity: own(), content_json: post(text), names: None }];

    let store = open(&path);
    store.want_peer(author().id());
    offer(&store, raws(&messages[..3])).await;
    store.append_own(mine("one")).await.unwrap();
    drop(store);

    let store = open(&path);
    store.want_peer(author().id());
    assert_eq!(clock(&store), 3);
    assert!(offer(&store, raws(&messages[3..])).await.iter().all(Result::is_ok));
    store.append_own(mine("two")).await.unwrap();
    let written = store.get(own().id(), FeedSequence(1), 9).await.unwrap();

    let other = FeedStore::in_memory(author().id(), vec![]).unwrap();
    other.want_peer(own().id());
    assert!(offer(&other, raws(&written)).await.iter().all(Result::is_ok), "one unbroken chain");
    assert_eq!(written.len(), 2);
}

/// What a killed process leaves: the files as they are, the write-ahead log not merged.
#[tokio::test]
async fn a_copy_taken_without_closing_holds_all_that_was_appended() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let store = open(&path);
    store.want_peer(author().id());
    let messages = posts(7).await;
    offer(&store, raws(&messages)).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }

    let killed = tempfile::tempdir().unwrap();
    for name in ["ssb.sqlite3", "ssb.sqlite3-wal"] {
        std::fs::copy(directory.path().join(name), killed.path().join(name)).unwrap();
    }
    let after = open(&killed.path().join("ssb.sqlite3"));
    assert_eq!(clock(&after), 7);
    assert_eq!(after.get(author().id(), FeedSequence(1), 9).await.unwrap(), messages);
}

#[tokio::test]
async fn several_own_messages_are_appended_together_or_not_at_all() {
    let store = FeedStore::in_memory(author().id(), vec![]).unwrap();
    let fresh = Identity::from_seed(&[3; 32]);
    let too_long = post(&"x".repeat(9_000));
    let result = store
        .append_own(vec![
            OwnAppend { identity: author(), content_json: post("names"), names: Some(fresh.id()) },
            OwnAppend { identity: fresh.clone(), content_json: too_long, names: None },
        ])
        .await;
    assert!(matches!(result, Err(StoreError::TooLarge)));
    assert_eq!(store.clocks(&[author().id(), fresh.id()]), [FeedSequence(0); 2]);
    assert!(!store.wanted().borrow().is_own(&fresh.id()));
}

/// Texts of posts, as an index may keep them.
struct Texts {
    version: i64,
}

impl ContentIndex for Texts {
    fn name(&self) -> &'static str {
        "texts"
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["post"]
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction
            .execute_batch("DROP TABLE IF EXISTS texts; CREATE TABLE texts (arrival INTEGER PRIMARY KEY, text TEXT)")
    }

    fn insert(&self, transaction: &Transaction<'_>, arrival: Arrival, message: &Message) -> rusqlite::Result<()> {
        let value: serde_json::Value = serde_json::from_str(&message.value_json).unwrap();
        let text = value["content"]["text"].as_str();
        transaction.execute("INSERT INTO texts VALUES (?1, ?2)", rusqlite::params![arrival.0, text]).map(|_| ())
    }

    fn forget(&self, transaction: &Transaction<'_>, _feed: FeedId) -> rusqlite::Result<()> {
        transaction.execute("DELETE FROM texts", []).map(|_| ())
    }
}

fn texts(store: &FeedStore) -> Vec<String> {
    let read = |connection: &rusqlite::Connection| {
        let mut statement = connection.prepare("SELECT text FROM texts ORDER BY arrival")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    store.query_blocking(read).unwrap()
}

#[tokio::test]
async fn an_index_learns_of_messages_old_and_new_and_is_built_anew_when_its_version_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let open = |version| FeedStore::open(&path, author().id(), vec![Arc::new(Texts { version })]).unwrap();
    let other = r#"{"type":"other-type"}"#.to_owned();

    let store = open(1);
    store.append_own(vec![append(post("one")), append(other), append(post("two"))]).await.unwrap();
    assert_eq!(texts(&store), ["one", "two"]);
    drop(store);
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE texts SET text = 'kept'", []).unwrap();
    assert_eq!(texts(&open(1)), ["kept", "kept"]);
    assert_eq!(texts(&open(2)), ["one", "two"]);
}

#[tokio::test]
async fn a_database_of_version_1_learns_the_types_of_posts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let store = open(&path);
    store.append_own(vec![OwnAppend { identity: own(), content_json: post("old"), names: None }]).await.unwrap();
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "UPDATE messages SET kind = NULL; DROP TABLE content_indexes; DROP TABLE tombstones;
             DROP TABLE unwanted_feeds; DROP TABLE runs; ALTER TABLE feeds DROP COLUMN bytes;
             PRAGMA user_version = 1",
        )
        .unwrap();
    drop(connection);

    let store = FeedStore::open(&path, own().id(), vec![Arc::new(Texts { version: 1 })]).unwrap();
    assert_eq!(texts(&store), ["old"]);
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    drop(open(&path));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(FeedStore::open(&path, own().id(), vec![]), Err(StoreError::Version(99))));
}
