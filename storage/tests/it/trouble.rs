//! Full disks, locked, damaged, foreign and newer databases: the right error, nothing lost, and work goes on afterwards.

use std::{fs, path::Path, time::Duration};

use aikit_core::record::StoreError;
use aikit_storage::{Database, Options};
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::support::*;

fn impatient() -> Options {
    Options { busy_timeout: Duration::from_millis(50), ..Options::default() }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO).connect().await.unwrap()
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let options = Options { max_size: Some(1 << 20), ..impatient() };
    let database = Database::open_with(&path, &options).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    store.begin_run(new_run(run_id(1)), rows(0, 1)).await.unwrap();

    let block = json!("x".repeat(20_000));
    let mut stored = 0;
    let error = loop {
        match store.kv_set(&format!("block-{stored}"), &block).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the bound is not kept");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    // Journals and specifications meet the same wall, again and again, and always say so.
    let mut big = rows(1, 2);
    big[0].body = json!("y".repeat(100_000));
    for _ in 0..3 {
        assert!(matches!(store.append_journal(run_id(1), big.clone()).await, Err(StoreError::Full(_))));
        let huge = spec("support", "1.0.0", &"z".repeat(100_000));
        assert!(matches!(store.put_spec(huge).await, Err(StoreError::Full(_))));
    }
    assert_eq!(store.kv_list("").await.unwrap().len(), stored);
    assert_eq!(store.journal(run_id(1)).await.unwrap(), rows(0, 1));
    assert_eq!(store.specs().await.unwrap(), []);

    // Room again: the same connection goes on.
    for n in 0..10 {
        assert!(store.kv_delete(&format!("block-{n}")).await.unwrap());
    }
    store.append_journal(run_id(1), big.clone()).await.unwrap();
    database.close().await;

    let database = Database::open(&path).await.unwrap();
    let store = acme(&database).await;
    assert_eq!(store.kv_list("").await.unwrap().len(), stored - 10);
    assert_eq!(store.journal(run_id(1)).await.unwrap().len(), 2);
    store.kv_set("more", &block).await.unwrap();
}

#[tokio::test]
async fn a_locked_database_is_busy_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let database = Database::open_with(&path, &impatient()).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    store.kv_set("k", &json!(1)).await.unwrap();

    let mut other = raw(&path).await;
    other.execute("begin immediate").await.unwrap();
    let error = store.kv_set("k", &json!(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    assert!(error.to_string().contains("aikit.db"), "{error}");
    assert_eq!(store.kv_get("k").await.unwrap(), Some(json!(1)), "readers do not wait for a writer");
    other.execute("rollback").await.unwrap();
    store.kv_set("k", &json!(2)).await.unwrap();
    drop(store);
    database.close().await;

    // Another process keeps the whole file to itself: not even opening is possible, and it is said so.
    other.execute("pragma locking_mode = exclusive").await.unwrap();
    other.execute("begin exclusive").await.unwrap();
    let error = Database::open_with(&path, &impatient()).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    other.execute("rollback").await.unwrap();
    other.close().await.unwrap();
    let database = Database::open_with(&path, &impatient()).await.unwrap();
    assert_eq!(acme(&database).await.kv_get("k").await.unwrap(), Some(json!(2)));
}

#[tokio::test]
async fn a_cancelled_write_frees_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let database = Database::open_with(&path, &impatient()).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    for steps in 0..40 {
        let mut write = Box::pin(store.put_spec(spec("support", "1.0.0", &format!("{steps}"))));
        for _ in 0..steps {
            tokio::select! {
                biased;
                _ = &mut write => break,
                () = tokio::time::sleep(Duration::from_micros(30)) => {}
            }
        }
        drop(write);
        let other = Database::open_with(&path, &Options::default()).await.unwrap();
        acme(&other).await.kv_set("k", &json!(steps)).await.unwrap();
        other.close().await;
    }
    store.put_spec(spec("support", "1.0.0", "last")).await.unwrap();
}

#[tokio::test]
async fn files_that_are_no_store_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "this is no database, only a long enough text\n".repeat(100)).unwrap();
    let foreign = folder.path().join("foreign.db");
    let mut connection =
        SqliteConnectOptions::new().filename(&foreign).create_if_missing(true).connect().await.unwrap();
    connection.execute("create table cookies (name text)").await.unwrap();
    connection.close().await.unwrap();
    let below_a_file = text.join("aikit.db");

    for (path, word) in [
        (text.as_path(), "not a database"),
        (foreign.as_path(), "another program"),
        (folder.path(), "unable to open"),
        (below_a_file.as_path(), "text.db"),
    ] {
        let before = fs::read(path).ok();
        let error = Database::open(path).await.unwrap_err();
        assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(path).ok(), before, "it was touched");
    }
}

#[tokio::test]
async fn a_newer_and_an_altered_schema() {
    let folder = tempfile::tempdir().unwrap();
    for (name, statement, word) in [
        ("newer.db", "insert into schema_migration values (9999, 'future', '', '')", "newer aikit"),
        ("altered.db", "update schema_migration set digest = 'other' where number = 1", "not the one"),
    ] {
        let path = folder.path().join(name);
        Database::open(&path).await.unwrap().close().await;
        let mut connection = raw(&path).await;
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
        let error = Database::open(&path).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unusable(message) if message.contains(word)), "{error:?}");
    }
}

#[tokio::test]
async fn a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let database = Database::open(&path).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    for n in 0..50 {
        store.kv_set(&format!("k{n}"), &json!("v".repeat(1000))).await.unwrap();
    }
    database.close().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = match Database::open(&path).await {
        Err(error) => error,
        Ok(database) => match database.enter(&scope("acme", "ada", 1), "test").await {
            Err(error) => error,
            Ok(store) => store.kv_list("").await.unwrap_err(),
        },
    };
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");

    // A row that does not hold what was written.
    let path = folder.path().join("row.db");
    let database = Database::open(&path).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    store.kv_set("k", &json!(1)).await.unwrap();
    raw(&path).await.execute("update kv set value = '{'").await.unwrap();
    let error = store.kv_get("k").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(message) if message.contains("`value`")), "{error:?}");
}

#[tokio::test]
async fn journals_and_histories_are_append_only_in_the_database_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let database = Database::open(&path).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    store.begin_run(new_run(run_id(1)), rows(0, 1)).await.unwrap();
    store.put_spec(spec("support", "1.0.0", "a")).await.unwrap();
    let mut connection = raw(&path).await;
    for statement in ["update journal set body = '{}'", "update spec_history set actor = 'eve'"] {
        let error = connection.execute(statement).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_closed_database_says_so() {
    let database = two_tenants().await;
    let store = acme(&database).await;
    database.close().await;
    assert!(matches!(store.kv_get("k").await, Err(StoreError::Failed(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folders/aikit.db");
    let database = Database::open(&path).await.unwrap();
    create_tenants(&database).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_the_same_new_file_at_once_and_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let tasks: Vec<_> = (0..6u64)
        .map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                let options = Options { busy_timeout: Duration::from_secs(30), ..Options::default() };
                let database = Database::open_with(&path, &options).await.unwrap();
                create_tenants(&database).await;
                let store = database.enter(&scope("acme", "ada", 100 + u128::from(n)), "test").await.unwrap();
                let run = run_id(u128::from(n));
                store.begin_run(new_run(run), rows(0, 1)).await.unwrap();
                for seq in 1..20 {
                    store.append_journal(run, rows(seq, seq + 1)).await.unwrap();
                    store.kv_set(&format!("k{n}-{seq}"), &json!(seq)).await.unwrap();
                    store.add_history(seq as i64, "x", None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let database = Database::open(&path).await.unwrap();
    let store = acme(&database).await;
    assert_eq!(store.kv_list("").await.unwrap().len(), 6 * 19);
    let history = store.history_tail(1000).await.unwrap();
    assert_eq!(history.len(), 6 * 19);
    let sessions: std::collections::BTreeSet<_> = history.iter().map(|entry| entry.session).collect();
    assert_eq!(sessions.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for n in 0..6 {
        assert_eq!(store.journal(run_id(n)).await.unwrap(), rows(0, 20));
    }
}

/// Two writers that append to one journal: one of them wins each place, none is overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let database = Database::open(&path).await.unwrap();
    create_tenants(&database).await;
    acme(&database).await.begin_run(new_run(run_id(1)), vec![]).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let path = path.clone();
        tasks.push(tokio::spawn(async move {
            let store = acme(&Database::open(&path).await.unwrap()).await;
            let mut won = 0;
            for seq in 0..50 {
                match store.append_journal(run_id(1), rows(seq, seq + 1)).await {
                    Ok(()) => won += 1,
                    Err(StoreError::Conflict(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            won
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap();
    }
    let journal = acme(&database).await.journal(run_id(1)).await.unwrap();
    assert_eq!(journal.len(), won);
    assert_eq!(journal, rows(0, won as u64));
}
