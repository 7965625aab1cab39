//! What the gates ask of the ledger: freezes, and which digests have succeeded where.

use drawgate_schemas::{Digest, Environment, Freeze, Service};
use jiff::Timestamp;
use sqlx::Row as _;

use super::LedgerError;
use super::rows::from_json;
use super::store::Ledger;

/// The scope of a freeze of every environment.
const ALL: &str = "*";

fn scope(environment: Option<&Environment>) -> &str {
    environment.map_or(ALL, Environment::as_str)
}

impl Ledger {
    /// Stores a freeze in place of its environment's earlier one, and deletes the freezes that are over.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn freeze(&self, freeze: &Freeze, now: Timestamp) -> Result<(), LedgerError> {
        let json = serde_json::to_string(freeze).map_err(LedgerError::Unwritable)?;
        let over: Vec<Freeze> = self.all_freezes().await?;
        let mut write = self.write("freeze").await?;
        for over in over.iter().filter(|freeze| freeze.until <= now) {
            delete(write.connection()?, over.environment.as_ref()).await?;
        }
        sqlx::query(
            "INSERT INTO freezes (scope, until, freeze) VALUES ($1, $2, $3)
             ON CONFLICT (scope) DO UPDATE SET until = excluded.until, freeze = excluded.freeze",
        )
        .bind(scope(freeze.environment.as_ref()))
        .bind(freeze.until.to_string())
        .bind(json)
        .execute(write.connection()?)
        .await
        .map_err(LedgerError::database("freeze"))?;
        write.commit().await
    }

    /// Ends a freeze, and returns whether there was one in force.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn thaw(&self, environment: Option<&Environment>, now: Timestamp) -> Result<bool, LedgerError> {
        let freezes = self.freezes(now).await?;
        let there_was = freezes
            .iter()
            .any(|freeze| freeze.environment.as_ref() == environment);
        let mut write = self.write("thaw").await?;
        let there_was = delete(write.connection()?, environment).await? && there_was;
        write.commit().await?;
        Ok(there_was)
    }

    /// The freezes in force.
    ///
    /// # Errors
    /// When the ledger is not available, or one cannot be read.
    pub async fn freezes(&self, now: Timestamp) -> Result<Vec<Freeze>, LedgerError> {
        let mut freezes = self.all_freezes().await?;
        freezes.retain(|freeze| now < freeze.until);
        Ok(freezes)
    }

    async fn all_freezes(&self) -> Result<Vec<Freeze>, LedgerError> {
        let rows = sqlx::query("SELECT scope, freeze FROM freezes ORDER BY scope")
            .fetch_all(&self.inner.pool)
            .await
            .map_err(LedgerError::database("read the freezes"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| from_json("freeze", row.get::<&str, _>(0), row.get(1));
        rows.iter().map(read).collect()
    }

    /// Whether a release of this digest of a service has succeeded in an environment.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn has_succeeded(
        &self,
        service: &Service,
        digest: &Digest,
        environment: &Environment,
    ) -> Result<bool, LedgerError> {
        let found = sqlx::query(
            "SELECT 1 FROM releases WHERE service = $1 AND digest = $2 AND environment = $3 AND outcome = 'succeeded' LIMIT 1",
        )
        .bind(service.as_str())
        .bind(digest.to_string())
        .bind(environment.as_str())
        .fetch_optional(&self.inner.pool)
        .await
        .map_err(LedgerError::database("look for what has succeeded"))?;
        Ok(found.is_some())
    }
}

async fn delete(
    connection: &mut sqlx::SqliteConnection,
    environment: Option<&Environment>,
) -> Result<bool, LedgerError> {
    let deleted = sqlx::query("DELETE FROM freezes WHERE scope = $1")
        .bind(scope(environment))
        .execute(connection)
        .await
        .map_err(LedgerError::database("thaw"))?;
    Ok(deleted.rows_affected() > 0)
}
