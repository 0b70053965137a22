//! Documents whose passages agents search.

use aikit_core::{
    memory::{Document, NewPassage, Part, Passage, Space},
    record::StoreError,
};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{
    TenantStore,
    memory::{blob, vector},
};
use crate::{
    codec::{self, Columns, damaged},
    failure::Failure,
    sqlite::{Durability, WriteTx},
};

impl TenantStore {
    /// The documents of a space, sorted by source.
    pub async fn documents(&self, space: &Space) -> Result<Vec<Document>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select source, digest from memory_document
                 where tenant_id = $1 and owner = $2 and namespace = $3 order by source",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .fetch_all(&mut *connection)
            .await?;
            let read = |row: &SqliteRow| {
                let row = Columns(row);
                Ok(Document { source: row.get("source")?, digest: row.get("digest")? })
            };
            rows.iter().map(read).collect()
        };
        self.engine.settle(outcome.await)
    }

    /// Writes a document with its passages in place of the one of the same source, in one transaction.
    pub async fn put_document(
        &self,
        space: &Space,
        document: Document,
        passages: Vec<NewPassage>,
    ) -> Result<(), StoreError> {
        let outcome = async {
            let owner = self.owner(space)?;
            let mut tx = self.engine.write(Durability::Process).await?;
            let (_, gone) = self.drop_document(&mut tx, space, &document.source).await?;
            let last = self.advance(&mut tx, space, Part::Passages, passages.len(), gone).await?;
            sqlx::query(
                "insert into memory_document (tenant_id, owner, namespace, source, digest, read_at)
                 values ($1, $2, $3, $4, $5, $6)",
            )
            .bind(self.scope.tenant.as_str())
            .bind(&owner)
            .bind(&space.namespace)
            .bind(&document.source)
            .bind(&document.digest)
            .bind(codec::time(codec::now())?)
            .execute(&mut *tx)
            .await?;
            let first = last - passages.len() as u64 + 1;
            for (id, passage) in (first..).zip(&passages) {
                let vector = passage.vector.as_ref();
                sqlx::query(
                    "insert into memory_passage (tenant_id, owner, namespace, id, source, text, headings, first_byte,
                                                 last_byte, model, vector)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                )
                .bind(self.scope.tenant.as_str())
                .bind(&owner)
                .bind(&space.namespace)
                .bind(codec::count(id))
                .bind(&document.source)
                .bind(&passage.text)
                .bind(codec::json(&json!(passage.headings))?)
                .bind(codec::count(passage.start))
                .bind(codec::count(passage.end))
                .bind(vector.map(|vector| vector.model.as_str()))
                .bind(vector.map(|vector| blob(&vector.values)))
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await
        };
        self.engine.settle(outcome.await)
    }

    /// Removes a document with its passages; true if it was there.
    pub async fn remove_document(&self, space: &Space, source: &str) -> Result<bool, StoreError> {
        let outcome = async {
            let mut tx = self.engine.write(Durability::Process).await?;
            let (there, gone) = self.drop_document(&mut tx, space, source).await?;
            if gone > 0 {
                self.advance(&mut tx, space, Part::Passages, 0, gone).await?;
            }
            tx.commit().await?;
            Ok(there)
        };
        self.engine.settle(outcome.await)
    }

    /// Whether the document was there, and how many passages it had.
    async fn drop_document(&self, tx: &mut WriteTx, space: &Space, source: &str) -> Result<(bool, u64), Failure> {
        let owner = self.owner(space)?;
        let passages = sqlx::query(
            "delete from memory_passage where tenant_id = $1 and owner = $2 and namespace = $3 and source = $4",
        )
        .bind(self.scope.tenant.as_str())
        .bind(&owner)
        .bind(&space.namespace)
        .bind(source)
        .execute(&mut **tx)
        .await?;
        let documents = sqlx::query(
            "delete from memory_document where tenant_id = $1 and owner = $2 and namespace = $3 and source = $4",
        )
        .bind(self.scope.tenant.as_str())
        .bind(&owner)
        .bind(&space.namespace)
        .bind(source)
        .execute(&mut **tx)
        .await?;
        Ok((documents.rows_affected() > 0, passages.rows_affected()))
    }

    /// The passages whose id is greater, by id.
    pub async fn passages(&self, space: &Space, after: u64) -> Result<Vec<Passage>, StoreError> {
        let outcome = async {
            let mut connection = self.engine.read().await?;
            let rows = sqlx::query(
                "select id, source, text, headings, first_byte, last_byte, model, vector from memory_passage
                 where tenant_id = $1 and owner = $2 and namespace = $3 and id > $4 order by id",
            )
            .bind(self.scope.tenant.as_str())
            .bind(self.owner(space)?)
            .bind(&space.namespace)
            .bind(codec::count(after))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(passage).collect()
        };
        self.engine.settle(outcome.await)
    }
}

fn passage(row: &SqliteRow) -> Result<Passage, Failure> {
    let row = Columns(row);
    let headings = row.json("headings")?;
    let unreadable = || damaged("headings", &headings.to_string());
    let list = headings.as_array().ok_or_else(unreadable)?.iter();
    Ok(Passage {
        id: row.count("id")?,
        source: row.get("source")?,
        cut: NewPassage {
            text: row.get("text")?,
            headings: list
                .map(|text| text.as_str().map(str::to_owned).ok_or_else(unreadable))
                .collect::<Result<_, _>>()?,
            start: row.count("first_byte")?,
            end: row.count("last_byte")?,
            vector: vector(&row)?,
        },
    })
}
