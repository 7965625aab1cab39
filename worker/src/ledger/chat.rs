//! What was posted to chat. A webhook has no idempotency key that would make a second post harmless, so each
//! post is noted before it is sent and again when it was taken. Only a process killed in between can cause
//! one repeat.

use sqlx::Row as _;
use uuid::Uuid;

use super::store::Ledger;
use super::{LedgerError, limits};

/// Whether a post was begun earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    First,
    /// The post was begun, and nobody knows whether it arrived.
    Repeat,
    /// The post was taken: do not post it again.
    AlreadyPosted,
}

impl Ledger {
    /// Notes that the post of an event begins.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn chat_begin(&self, event: Uuid) -> Result<Begin, LedgerError> {
        let mut write = self.write("begin a chat post").await?;
        let row = sqlx::query("SELECT done FROM chat_posts WHERE event_id = $1")
            .bind(event.to_string())
            .fetch_optional(write.connection()?)
            .await
            .map_err(LedgerError::database("look for a chat post"))?;
        if let Some(row) = row {
            write.commit().await?;
            return Ok(if row.get::<i64, _>(0) == 0 {
                Begin::Repeat
            } else {
                Begin::AlreadyPosted
            });
        }
        sqlx::query("INSERT INTO chat_posts (event_id) VALUES ($1)")
            .bind(event.to_string())
            .execute(write.connection()?)
            .await
            .map_err(LedgerError::database("insert a chat post"))?;
        write.commit().await?;
        Ok(Begin::First)
    }

    /// Notes that the webhook took an event's post, and forgets very old posts.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn chat_done(&self, event: Uuid) -> Result<(), LedgerError> {
        let mut write = self.write("note a chat post").await?;
        sqlx::query("UPDATE chat_posts SET done = 1 WHERE event_id = $1")
            .bind(event.to_string())
            .execute(write.connection()?)
            .await
            .map_err(LedgerError::database("note a chat post"))?;
        sqlx::query("DELETE FROM chat_posts WHERE place <= (SELECT MAX(place) FROM chat_posts) - $1")
            .bind(limits::CHAT_POSTS_KEPT)
            .execute(write.connection()?)
            .await
            .map_err(LedgerError::database("forget old chat posts"))?;
        write.commit().await
    }
}
