//! What a killed process has reported as written is there when the next one looks.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use aikit_core::record::RunStatus;
use aikit_storage::Database;

use crate::support::*;

/// Set in the child only: the database that it writes.
const CHILD: &str = "AIKIT_STORAGE_TEST_CHILD";

/// The child's part; without the variable it has nothing to do.
#[tokio::test]
async fn child_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let database = Database::open(Path::new(&path)).await.unwrap();
    create_tenants(&database).await;
    let store = acme(&database).await;
    store.begin_run(new_run(run_id(1)), rows(0, 1)).await.unwrap();
    for seq in 1.. {
        store.append_journal(run_id(1), rows(seq, seq + 1)).await.unwrap();
        store.kv_set("last", &seq.into()).await.unwrap();
        writeln!(std::io::stdout(), "appended {seq}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_keeps_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aikit.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_appends_until_it_is_killed", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(seq) = line.unwrap().strip_prefix("appended ") {
            acknowledged = seq.parse().unwrap();
        }
        if acknowledged >= 50 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(acknowledged >= 50);

    let database = Database::open(&path).await.unwrap();
    let store = acme(&database).await;
    let journal = store.journal(run_id(1)).await.unwrap();
    assert!(journal.len() as u64 > acknowledged, "{} rows, {acknowledged} were promised", journal.len());
    assert_eq!(journal, rows(0, journal.len() as u64));
    assert!(store.kv_get("last").await.unwrap().unwrap().as_u64().unwrap() >= acknowledged);
    // The run stands where it was left and can go on.
    assert_eq!(store.run(run_id(1)).await.unwrap().unwrap().status, RunStatus::Running);
    let next = journal.len() as u64;
    store.end_run(run_id(1), rows(next, next + 1), end()).await.unwrap();
}
