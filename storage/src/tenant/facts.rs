//! What agents know, and what has worked before.

use aikit_core::{
    memory::{Fact, FactChange, NewProcedure, Part, Procedure, ProcedureStatus, Space},
    record::StoreError,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::TenantStore;
use crate::{
    codec::{self, Columns},
    failure::Failure,
    sqlite::Durability,
};

impl TenantStore {
    /// Every fact that was ever known, by id.
    pub async fn facts(&self, space: &Space) -> Result<Vec<Fact>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select id, subject, relation, object, valid_from, valid_to, recorded_at, superseded_at from memory_fact
                 where tenant_id = $1 and owner = $2 and namespace = $3 order by id",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(fact).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Changes what is known; a conflict when the facts are not what the change was decided on.
    pub async fn change_facts(&self, space: &Space, change: FactChange) -> Result<(), StoreError> {
        let outcome = async {
            let (owner, at) = (self.owner(space)?, codec::time(change.at)?);
            let mut tx = self.engine.write(Durability::Process).await?;
            if self.state(&mut tx, space, Part::Facts).await? != change.basis {
                return Err(Failure::conflict("the facts have changed meanwhile"));
            }
            let superseded = change.superseded.len() as u64;
            let last = self.advance(&mut tx, space, Part::Facts, change.recorded.len(), superseded).await?;
            for id in &change.superseded {
                sqlx::query(
                    "update memory_fact set superseded_at = $5
                     where tenant_id = $1 and owner = $2 and namespace = $3 and id = $4 and superseded_at is null",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(*id))
                .bind(&at)
                .execute(&mut *tx)
                .await?;
            }
            let first = last - change.recorded.len() as u64 + 1;
            for (id, fact) in (first..).zip(&change.recorded) {
                sqlx::query(
                    "insert into memory_fact (tenant_id, owner, namespace, id, subject, relation, object, valid_from,
                                              valid_to, recorded_by, recorded_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(id))
                .bind(&fact.subject)
                .bind(&fact.relation)
                .bind(&fact.object)
                .bind(codec::time(fact.valid_from.unwrap_or(change.at))?)
                .bind(fact.valid_to.map(codec::time).transpose()?)
                .bind(self.scope.user.as_str())
                .bind(&at)
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// Writes a procedure, or finds the same one; its id. A suggested one becomes active when it is written as such.
    pub async fn add_procedure(&self, space: &Space, procedure: NewProcedure) -> Result<u64, StoreError> {
        let outcome = async {
            let (owner, steps) = (self.owner(space)?, codec::json(&procedure.steps)?);
            let mut tx = self.engine.write(Durability::Process).await?;
            let known = sqlx::query(
                "select id, steps from memory_procedure
                 where tenant_id = $1 and owner = $2 and namespace = $3 and task = $4 order by id",
            )
            .bind(self.scope.tenant.as_str())
            .bind(&owner)
            .bind(&space.namespace)
            .bind(&procedure.task)
            .fetch_all(&mut *tx)
            .await?;
            for row in &known {
                if Columns(row).json("steps")? != procedure.steps {
                    continue;
                }
                let id: i64 = row.try_get("id")?;
                if procedure.status == ProcedureStatus::Active {
                    sqlx::query(
                        "update memory_procedure set status = 'active'
                         where tenant_id = $1 and owner = $2 and namespace = $3 and id = $4",
                    )
                    .bind(self.scope.tenant.as_str())
                    .bind(&owner)
                    .bind(&space.namespace)
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
                }
                let id = Columns(row).count("id")?;
                tx.commit().await?;
                return Ok(id);
            }
            let id = self.advance(&mut tx, space, Part::Procedures, 1, 0).await?;
            sqlx::query(
                "insert into memory_procedure (tenant_id, owner, namespace, id, task, steps, status, created_by, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(self.scope.tenant.as_str())
            .bind(&owner)
            .bind(&space.namespace)
            .bind(codec::count(id))
            .bind(&procedure.task)
            .bind(steps)
            .bind(procedure.status.as_str())
            .bind(self.scope.user.as_str())
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(id)
        };
        self.engine.settle(outcome.await)
    }

    /// Every procedure, by id.
    pub async fn procedures(&self, space: &Space) -> Result<Vec<Procedure>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select id, task, steps, status, created_at from memory_procedure
                 where tenant_id = $1 and owner = $2 and namespace = $3 order by id",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(procedure).collect()
        };
        self.engine.settle(outcome.await)
    }
}

fn fact(row: &SqliteRow) -> Result<Fact, Failure> {
    let row = Columns(row);
    Ok(Fact {
        id: row.count("id")?,
        subject: row.get("subject")?,
        relation: row.get("relation")?,
        object: row.get("object")?,
        valid_from: row.time("valid_from")?,
        valid_to: row.optional("valid_to", Columns::time)?,
        recorded_at: row.time("recorded_at")?,
        superseded_at: row.optional("superseded_at", Columns::time)?,
    })
}

fn procedure(row: &SqliteRow) -> Result<Procedure, Failure> {
    let row = Columns(row);
    Ok(Procedure {
        id: row.count("id")?,
        task: row.get("task")?,
        steps: row.json("steps")?,
        status: row
            .word("status", &[("suggested", ProcedureStatus::Suggested), ("active", ProcedureStatus::Active)])?,
        created_at: row.time("created_at")?,
    })
}
