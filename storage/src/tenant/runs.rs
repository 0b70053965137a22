//! Runs and their journals.

use aikit_core::{
    AgentId, RunError, RunId,
    record::{JournalRow, NewRun, RunEnd, RunRecord, RunStatus, StoreError, Usage},
};
use serde_json::{Value, json};
use sqlx::{Row, sqlite::SqliteRow};

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::{Durability, WriteTx},
};

impl TenantStore {
    /// Records the start of a run with its first journal rows.
    pub async fn begin_run(&self, run: NewRun, first: Vec<JournalRow>) -> Result<(), StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Disk).await?;
            self.touch_session(&mut tx).await?;
            if self.status(&mut tx, run.id).await?.is_some() {
                return Err(Failure::conflict(format!("run {} exists already", run.id)));
            }
            if let Some(parent) = run.parent
                && self.status(&mut tx, parent).await?.is_none()
            {
                return Err(Failure::not_found("run", parent));
            }
            sqlx::query(
                "insert into run (tenant_id, id, agent_id, version, spec_digest, status, inputs, parent_id, session_id,
                                  started_by, started_at)
                 values ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $10)",
            )
            .bind(self.scope.tenant.as_str())
            .bind(run.id.to_string())
            .bind(run.agent.as_str())
            .bind(run.version.to_string())
            .bind(&run.spec_digest)
            .bind(codec::json(&run.inputs)?)
            .bind(run.parent.map(|parent| parent.to_string()))
            .bind(self.scope.session.to_string())
            .bind(self.scope.user.as_str())
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            self.append(&mut tx, run.id, &first).await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// Appends rows to a journal, all or none. `seq` must continue the journal without a gap.
    pub async fn append_journal(&self, run: RunId, rows: Vec<JournalRow>) -> Result<(), StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Disk).await?;
            self.append(&mut tx, run, &rows).await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// Appends the last rows and records the end, in one transaction.
    pub async fn end_run(&self, run: RunId, rows: Vec<JournalRow>, end: RunEnd) -> Result<(), StoreError> {
        let outcome = async {
            if end.status == RunStatus::Running {
                return Err(Failure::refused("a run does not end as running"));
            }
            let mut tx = self.engine.write(Durability::Disk).await?;
            self.append(&mut tx, run, &rows).await?;
            let error = end.error.as_ref().map(error_text).transpose()?;
            sqlx::query(
                "update run set status = $3, output = $4, error = $5, input_tokens = $6, output_tokens = $7,
                                cost_usd = $8, model_calls = $9, tool_calls = $10, ended_at = $11
                 where tenant_id = $1 and id = $2",
            )
            .bind(self.scope.tenant.as_str())
            .bind(run.to_string())
            .bind(end.status.as_str())
            .bind(end.output.as_ref().map(codec::json).transpose()?)
            .bind(error)
            .bind(codec::count(end.usage.input_tokens))
            .bind(codec::count(end.usage.output_tokens))
            // The end of a run is not lost over a price that is no number.
            .bind(if end.usage.cost_usd.is_finite() { end.usage.cost_usd } else { 0.0 })
            .bind(codec::count(end.usage.model_calls))
            .bind(codec::count(end.usage.tool_calls))
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// One run.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            sqlx::query("select * from run where tenant_id = $1 and id = $2")
                .bind(self.scope.tenant.as_str())
                .bind(run.to_string())
                .fetch_optional(&mut *connection)
                .await?
                .as_ref()
                .map(record)
                .transpose()
        };
        self.engine.settle(outcome.await)
    }

    /// The newest runs, of one agent or of all.
    pub async fn runs(&self, agent: Option<&AgentId>, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            // Two statements, so that each has an index in its order.
            let query = match agent {
                Some(agent) => sqlx::query(
                    "select * from run where tenant_id = $1 and agent_id = $3 order by started_at desc, id desc limit $2",
                )
                .bind(self.scope.tenant.as_str())
                .bind(i64::from(limit))
                .bind(agent.as_str()),
                None => sqlx::query("select * from run where tenant_id = $1 order by started_at desc, id desc limit $2")
                    .bind(self.scope.tenant.as_str())
                    .bind(i64::from(limit)),
            };
            query.fetch_all(&mut *connection).await?.iter().map(record).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// The whole journal of a run, in order. A run that is not there has an empty one.
    pub async fn journal(&self, run: RunId) -> Result<Vec<JournalRow>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select seq, kind, at, body, hash from journal where tenant_id = $1 and run_id = $2 order by seq",
            )
            .bind(self.scope.tenant.as_str())
            .bind(run.to_string())
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(journal_row).collect()
        };
        self.engine.settle(outcome.await)
    }

    async fn status(&self, tx: &mut WriteTx, run: RunId) -> Result<Option<String>, Failure> {
        Ok(sqlx::query_scalar("select status from run where tenant_id = $1 and id = $2")
            .bind(self.scope.tenant.as_str())
            .bind(run.to_string())
            .fetch_optional(&mut **tx)
            .await?)
    }

    async fn require_running(&self, tx: &mut WriteTx, run: RunId) -> Result<(), Failure> {
        match self.status(tx, run).await?.as_deref() {
            None => Err(Failure::not_found("run", run)),
            Some("running") => Ok(()),
            Some(status) => Err(Failure::conflict(format!("run {run} has {status} and takes no more records"))),
        }
    }

    async fn append(&self, tx: &mut WriteTx, run: RunId, rows: &[JournalRow]) -> Result<(), Failure> {
        let Some(first) = rows.first() else { return self.require_running(tx, run).await };
        let list = rows.iter().map(|row| {
            let (at, body) = (codec::time(row.at)?, codec::json(&row.body)?);
            Ok(json!([codec::count(row.seq), row.kind, at, body, row.hash]))
        });
        let list = list.collect::<Result<Value, Failure>>()?;
        let has_gap = (first.seq..).zip(rows).any(|(expected, row)| row.seq != expected);
        // One statement for all rows: each statement costs a way to the connection's thread and back.
        let done = sqlx::query(
            "insert into journal (tenant_id, run_id, seq, kind, at, body, hash)
             select $1, $2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from json_each($3)
             where $4 = (select coalesce(max(seq) + 1, 0) from journal where tenant_id = $1 and run_id = $2)
               and exists (select 1 from run where tenant_id = $1 and id = $2 and status = 'running')",
        )
        .bind(self.scope.tenant.as_str())
        .bind(run.to_string())
        .bind(list.to_string())
        .bind(if has_gap { -1 } else { codec::count(first.seq) })
        .execute(&mut **tx)
        .await?;
        if done.rows_affected() == rows.len() as u64 {
            return Ok(());
        }
        self.require_running(tx, run).await?;
        let next: i64 =
            sqlx::query("select coalesce(max(seq) + 1, 0) from journal where tenant_id = $1 and run_id = $2")
                .bind(self.scope.tenant.as_str())
                .bind(run.to_string())
                .fetch_one(&mut **tx)
                .await?
                .try_get(0)?;
        let (expected, seq) = (next..)
            .zip(rows.iter().map(|row| codec::count(row.seq)))
            .find(|(expected, seq)| expected != seq)
            .unwrap_or((next, codec::count(first.seq)));
        Err(Failure::conflict(format!("the journal of run {run} continues at {expected}, not at {seq}")))
    }
}

fn error_text(error: &RunError) -> Result<String, Failure> {
    let value = serde_json::to_value(error).map_err(|error| Failure::refused(error.to_string()))?;
    codec::json(&value)
}

fn record(row: &SqliteRow) -> Result<RunRecord, Failure> {
    const STATUSES: [(&str, RunStatus); 4] = [
        ("running", RunStatus::Running),
        ("succeeded", RunStatus::Succeeded),
        ("failed", RunStatus::Failed),
        ("cancelled", RunStatus::Cancelled),
    ];
    let row = Columns(row);
    let error = row
        .optional("error", Columns::json)?
        .map(|error| serde_json::from_value(error).map_err(|error| codec::damaged("error", &error.to_string())))
        .transpose()?;
    Ok(RunRecord {
        id: row.parsed("id")?,
        agent: row.parsed("agent_id")?,
        version: row.parsed("version")?,
        spec_digest: row.get("spec_digest")?,
        status: row.word("status", &STATUSES)?,
        inputs: row.json("inputs")?,
        output: row.optional("output", Columns::json)?,
        error,
        usage: Usage {
            input_tokens: row.count("input_tokens")?,
            output_tokens: row.count("output_tokens")?,
            cost_usd: row.get("cost_usd")?,
            model_calls: row.count("model_calls")?,
            tool_calls: row.count("tool_calls")?,
        },
        parent: row.optional("parent_id", Columns::parsed)?,
        session: row.parsed("session_id")?,
        started_by: row.parsed("started_by")?,
        started_at: row.time("started_at")?,
        ended_at: row.optional("ended_at", Columns::time)?,
    })
}

fn journal_row(row: &SqliteRow) -> Result<JournalRow, Failure> {
    let row = Columns(row);
    Ok(JournalRow {
        seq: row.count("seq")?,
        kind: row.get("kind")?,
        at: row.time("at")?,
        body: row.json("body")?,
        hash: row.get("hash")?,
    })
}
