//! The embedded store under torn files, full disks and many processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;
use crate::conformance;

async fn fresh() -> (tempfile::TempDir, PathBuf, File) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state/store.db");
    let store = File::open(&path).await.expect("open");
    (directory, path, store)
}

async fn put(store: &File, value: &'static str, expect: Expect) -> Version {
    match store.write(&key(), value.into(), expect).await.expect("write") {
        Written::Stored(version) => version,
        Written::Conflict => panic!("conflict"),
    }
}

fn key() -> Key {
    Key::new(["lock", "octo"])
}

async fn kind_of_opening(path: &Path) -> ErrorKind {
    File::open(path).await.expect_err("it cannot be opened").kind
}

#[tokio::test]
async fn keeps_the_contract() {
    let (_directory, _, store) = fresh().await;
    conformance::check(&store).await;
}

#[tokio::test]
async fn two_clients_of_one_file_keep_the_contract() {
    let (_directory, path, one) = fresh().await;
    let other = File::open(&path).await.expect("open");
    conformance::check_shared(&one, &other).await;
}

#[tokio::test]
async fn only_the_owner_may_look() {
    let (_directory, path, store) = fresh().await;
    put(&store, "a", Expect::Absent).await;
    let mode = |path: &Path| path.metadata().expect("facts").permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().expect("a directory")), 0o700);
    for suffix in ["", "-lock", "-wal"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        assert_eq!(mode(Path::new(&name)), 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn records_outlive_their_process() {
    let (_directory, path, store) = fresh().await;
    let version = put(&store, "a", Expect::Absent).await;
    drop(store);
    let store = File::open(&path).await.expect("open");
    let record = store.read(&key()).await.expect("read").expect("record");
    assert_eq!((record.value, record.version), ("a".into(), version));
}

#[tokio::test]
async fn what_is_not_our_database_is_refused_by_kind() {
    let (directory, path, store) = fresh().await;
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("garbage"), "not a database, ".repeat(1000)).expect("write");
    assert_eq!(kind_of_opening(&file("garbage")).await, ErrorKind::Corrupt);

    Connection::open(file("other"))
        .expect("open")
        .execute_batch("CREATE TABLE t (a)")
        .expect("sql");
    assert_eq!(kind_of_opening(&file("other")).await, ErrorKind::Unsupported);

    assert_eq!(kind_of_opening(directory.path()).await, ErrorKind::Unsupported);
    assert_eq!(kind_of_opening(&file("garbage/store.db")).await, ErrorKind::Unsupported);

    drop(store);
    Connection::open(&path).expect("open").execute_batch("PRAGMA user_version = 99").expect("sql");
    assert_eq!(kind_of_opening(&path).await, ErrorKind::Unsupported);
}

#[tokio::test]
async fn emptied_database_is_corrupt_and_not_free() {
    let (_directory, path, store) = fresh().await;
    put(&store, "held", Expect::Absent).await;
    drop(store);
    std::fs::write(&path, "").expect("truncate");
    assert_eq!(kind_of_opening(&path).await, ErrorKind::Corrupt);
    std::fs::remove_file(&path).expect("remove");
    assert_eq!(kind_of_opening(&path).await, ErrorKind::Corrupt);
}

#[tokio::test]
async fn store_that_was_removed_whole_begins_anew_with_other_versions() {
    let (_directory, path, store) = fresh().await;
    let before = put(&store, "a", Expect::Absent).await;
    std::fs::remove_dir_all(path.parent().expect("a directory")).expect("remove");
    assert_eq!(
        store.read(&key()).await.expect("read"),
        None,
        "it does not read a file that is gone"
    );
    let after = put(&store, "a", Expect::Absent).await;
    assert_ne!(before, after);
    let other = File::open(&path).await.expect("open");
    assert_eq!(other.read(&key()).await.expect("read").expect("record").version, after);
}

#[tokio::test]
async fn flipped_bit_in_a_value_is_noticed() {
    let (_directory, path, store) = fresh().await;
    put(&store, "fence 7", Expect::Absent).await;
    let other = Connection::open(&path).expect("open");
    other.execute_batch("UPDATE record SET value = CAST('fence 6' AS BLOB)").expect("sql");
    let error = store.read(&key()).await.expect_err("it differs");
    assert_eq!(error.kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn torn_log_loses_only_the_commits_it_tore() {
    let (directory, path, store) = fresh().await;
    let mut version = put(&store, "0", Expect::Absent).await;
    for value in ["1", "2", "3"] {
        version = put(&store, value, Expect::At(version)).await;
    }
    let database = std::fs::read(&path).expect("the database");
    let log = std::fs::read(path.with_extension("db-wal")).expect("the log");
    assert!(log.len() > 4096, "the log holds the commits");
    for (number, kept) in (0..log.len()).step_by(1000).enumerate() {
        let torn = directory.path().join(format!("torn-{number}.db"));
        std::fs::write(&torn, &database).expect("write");
        std::fs::write(torn.with_extension("db-wal"), &log[..kept]).expect("write");
        std::fs::write(torn.with_extension("db-lock"), "1").expect("write");
        match File::open(&torn).await {
            Ok(store) => {
                let record = store.read(&key()).await.expect("read");
                let values = [None, Some("0"), Some("1"), Some("2"), Some("3")];
                let value = record.map(|record| record.value);
                assert!(values.iter().any(|it| it.map(Bytes::from) == value), "{value:?}");
            }
            Err(error) => assert_eq!(error.kind, ErrorKind::Corrupt, "{error}"),
        }
    }
}

#[tokio::test]
async fn writer_that_hangs_is_named_and_a_given_up_write_does_not_happen() {
    let (_directory, path, mut store) = fresh().await;
    let first = put(&store, "a", Expect::Absent).await;
    store.patience = Duration::from_millis(100);
    let hanging = std::fs::File::open(path.with_extension("db-lock")).expect("the lock");
    hanging.lock().expect("lock");

    let late = Expect::At(first.clone());
    let error = store.write(&key(), "late".into(), late.clone()).await.expect_err("it hangs");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.source.to_string().contains("another process"), "{}", error.source);
    let record = store.read(&key()).await.expect("reading goes on").expect("record");
    assert_eq!(record.value, "a");

    hanging.unlock().expect("unlock");
    store.patience = PATIENCE;
    put(&store, "b", Expect::At(first)).await;
    assert_eq!(store.read(&key()).await.expect("read").expect("record").value, "b");
}

#[tokio::test]
async fn cancelled_write_does_not_happen_later() {
    let (_directory, path, store) = fresh().await;
    let first = put(&store, "a", Expect::Absent).await;
    let busy = std::fs::File::open(path.with_extension("db-lock")).expect("the lock");
    busy.lock().expect("lock");
    let key = key();
    let write = store.write(&key, "late".into(), Expect::At(first.clone()));
    assert!(timeout(Duration::from_millis(50), write).await.is_err(), "it waits for its turn");
    busy.unlock().expect("unlock");
    put(&store, "b", Expect::At(first)).await;
    assert_eq!(store.read(&key).await.expect("read").expect("record").value, "b");
}

#[tokio::test]
async fn waiters_are_woken_and_do_not_find_out_by_themselves() {
    let (_directory, path, one) = fresh().await;
    let other = File::open(&path).await.expect("open");
    let key = key();
    let began = std::time::Instant::now();
    let mut version = put(&one, "0", Expect::Absent).await;
    for _ in 0..30 {
        let long =
            Wait { since: Some(&version), timeout: Duration::from_secs(30), ..Wait::default() };
        let wait = other.changed(&key, &long);
        // The wait has begun when its first look is over, and that takes its turn with this one.
        let change = async {
            other.read(&key).await.expect("read");
            put(&one, "next", Expect::At(version.clone())).await
        };
        let (woken, next) = tokio::join!(wait, change);
        assert!(woken.expect("wait"));
        version = next;
    }
    // By themselves they look once a second.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn turn_that_is_given_back_or_forgotten_does_not_keep_others() {
    let (_directory, path, one) = fresh().await;
    let other = File::open(&path).await.expect("open");
    let key = key();
    drop(one.exclusive(&key).await.expect("a turn"));
    let first = put(&other, "a", Expect::Absent).await;
    let forgotten = one.exclusive(&key).await.expect("a turn").expect("it has turns");
    put(&other, "b", Expect::At(first)).await;
    assert_eq!(forgotten.write("late".into()).await.expect("an end"), Written::Conflict);
    assert_eq!(one.read(&key).await.expect("read").expect("record").value, "b");
}
