//! The outbox: events in the order of publishing, each written together with the entry it reports.

use drawgate_schemas::topology::event_key;
use drawgate_schemas::{ReleaseId, StatusEvent};
use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

use super::rows::from_json;
use super::store::{Ledger, from_db, to_db};
use super::{LedgerError, limits};

/// One event that the broker has not confirmed yet, as far as the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The event's place in the order of publishing.
    pub place: i64,
    /// The event's id.
    pub event_id: Uuid,
    /// The event's routing key.
    pub routing_key: String,
    /// The event as JSON.
    pub json: String,
}

impl Ledger {
    /// Events still to be published, at most `limit`, in order.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxRow>, LedgerError> {
        let rows = sqlx::query(
            "SELECT place, event_id, routing_key, body FROM events WHERE published = 0 ORDER BY place LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read the outbox"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| OutboxRow {
            place: row.get(0),
            event_id: Uuid::try_parse(row.get(1)).unwrap_or_default(),
            routing_key: row.get(2),
            json: row.get(3),
        };
        Ok(rows.iter().map(read).collect())
    }

    /// The number of a release's last event, 0 before the first. Read from the written events, because
    /// versions of the worker may differ in how many events a journal entry causes.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn last_event(&self, id: ReleaseId) -> Result<u64, LedgerError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT MAX(sequence) FROM events WHERE release_id = $1")
            .bind(id.to_string())
            .fetch_one(&self.inner.pool)
            .await
            .map_err(LedgerError::database("read the last event"))?;
        Ok(last.map_or(0, from_db))
    }

    /// Marks events that the broker has confirmed.
    ///
    /// # Errors
    /// When the ledger is not available; the events are then published again.
    pub async fn mark_published(&self, places: &[i64]) -> Result<(), LedgerError> {
        if places.is_empty() {
            return Ok(());
        }
        let mut write = self.write("mark events as published").await?;
        for place in places {
            sqlx::query("UPDATE events SET published = 1 WHERE place = $1")
                .bind(place)
                .execute(write.connection()?)
                .await
                .map_err(LedgerError::database("mark an event as published"))?;
        }
        write.commit().await
    }

    /// Puts an event without a release into the outbox: a message was rejected. The same event twice counts
    /// once.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn put_event(&self, event: &StatusEvent) -> Result<(), LedgerError> {
        let mut write = self.write("put an event into the outbox").await?;
        if !is_there(write.connection()?, event.id).await? {
            insert(write.connection()?, event, None).await?;
        }
        forget_old_rejections(write.connection()?).await?;
        write.commit().await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Waits until this process has appended an event since the last wait. May return early.
    pub async fn appended(&self) {
        self.inner.wake.notified().await;
    }

    /// Events of a release after `after`, at most `limit`, in order, and whether there are more.
    ///
    /// # Errors
    /// When the ledger is not available, or an event cannot be read.
    pub async fn events(
        &self,
        id: ReleaseId,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<StatusEvent>, bool), LedgerError> {
        let rows = sqlx::query(
            "SELECT body FROM events WHERE release_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        )
        .bind(id.to_string())
        .bind(to_db(after))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read a release's events"))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let events: Result<Vec<_>, _> = rows
            .iter()
            .take(limit)
            .map(|row| from_json("event", id, row.get(0)))
            .collect();
        Ok((events?, rows.len() > limit))
    }
}

/// Within a transaction: appends events of a release.
pub(super) async fn insert_all(
    connection: &mut SqliteConnection,
    events: &[StatusEvent],
) -> Result<(), LedgerError> {
    for event in events {
        insert(&mut *connection, event, event.release).await?;
    }
    Ok(())
}

/// Inserts an event. `release` is the release to whose sequence the event belongs. A `rejected` event may
/// name another sender's release (that is why it was rejected), and belongs to none.
async fn insert(
    connection: &mut SqliteConnection,
    event: &StatusEvent,
    release: Option<ReleaseId>,
) -> Result<(), LedgerError> {
    let json = serde_json::to_string(event).map_err(LedgerError::Unwritable)?;
    sqlx::query(
        "INSERT INTO events (event_id, release_id, sequence, routing_key, body) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(event.id.to_string())
    .bind(release.map(|release| release.to_string()))
    .bind(to_db(event.sequence))
    .bind(event_key(event))
    .bind(json)
    .execute(connection)
    .await
    .map_err(LedgerError::database("insert an event"))?;
    Ok(())
}

async fn is_there(connection: &mut SqliteConnection, event: Uuid) -> Result<bool, LedgerError> {
    let row = sqlx::query("SELECT 1 FROM events WHERE event_id = $1")
        .bind(event.to_string())
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::database("look for an event"))?;
    Ok(row.is_some())
}

async fn forget_old_rejections(connection: &mut SqliteConnection) -> Result<(), LedgerError> {
    sqlx::query(
        "DELETE FROM events WHERE release_id IS NULL AND published = 1
             AND place <= (SELECT MAX(place) FROM events WHERE release_id IS NULL) - $1",
    )
    .bind(limits::REJECTED_EVENTS_KEPT)
    .execute(connection)
    .await
    .map_err(LedgerError::database("forget old rejections"))?;
    Ok(())
}
