//! The lanes as the ledger has them: each one's open releases, and the release that ended last.

use std::collections::BTreeMap;

use drawgate_rollout::Record;
use drawgate_schemas::{Environment, Outcome, ReleaseId, ReleaseRequest, Service};
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::LedgerError;
use super::rows::{from_json, from_word};
use super::store::Ledger;

/// A lane: environment and service.
pub type LaneName = (Environment, Service);

/// The releases of a lane.
#[derive(Debug, Default)]
pub struct LaneRow {
    /// Open releases, in the order of the queue.
    pub open: Vec<ReleaseId>,
    /// The release that ended last, superseded ones not counted.
    pub last: Option<LastRow>,
}

/// A release that has ended.
#[derive(Debug)]
pub struct LastRow {
    pub id: ReleaseId,
    /// The release's request.
    pub request: ReleaseRequest,
    /// How it ended.
    pub outcome: Outcome,
    pub at: Timestamp,
}

/// The part of a journal's first entry that is read here: its record, which has the request.
#[derive(Deserialize)]
struct First {
    record: Record,
}

impl Ledger {
    /// Every lane with a release, limited to one environment or service where these are named.
    ///
    /// # Errors
    /// When the ledger is not available, or a row cannot be read.
    pub async fn lanes(
        &self,
        environment: Option<&Environment>,
        service: Option<&Service>,
    ) -> Result<BTreeMap<LaneName, LaneRow>, LedgerError> {
        let chosen = |(of, what): &LaneName| {
            environment.is_none_or(|environment| environment == of)
                && service.is_none_or(|service| service == what)
        };
        let mut lanes: BTreeMap<LaneName, LaneRow> = BTreeMap::new();
        let mut open = self.open_releases().await?;
        open.sort_by_key(|open| (!open.begun, !open.emergency));
        for open in open {
            let name = (open.environment, open.service);
            if chosen(&name) {
                lanes.entry(name).or_default().open.push(open.id);
            }
        }
        // Finds each lane's last release by index, then its first entry by key.
        let rows = sqlx::query(
            "WITH lanes AS (SELECT DISTINCT environment, service FROM releases WHERE outcome <> 'superseded')
             SELECT r.id, r.environment, r.service, r.outcome, r.ended_at, first.entry AS first
             FROM lanes
             JOIN releases r ON r.place = (SELECT place FROM releases ended
                 WHERE ended.environment = lanes.environment AND ended.service = lanes.service
                 AND ended.outcome <> 'superseded' ORDER BY ended.ended_at DESC, ended.place DESC LIMIT 1)
             JOIN journal first ON first.release_id = r.id AND first.n = 1",
        )
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read what ended last"))?;
        for row in &rows {
            let id: &str = row.get("id");
            let environment = from_word("environment", id, row.get("environment"))?;
            let name = (environment, from_word("service", id, row.get("service"))?);
            if chosen(&name) {
                lanes.entry(name).or_default().last = self.read_last(row).await?;
            }
        }
        Ok(lanes)
    }

    /// The ids of a lane's newest releases, the last accepted first.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn newest(
        &self,
        environment: &Environment,
        service: &Service,
        limit: u32,
    ) -> Result<Vec<ReleaseId>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id FROM releases WHERE environment = $1 AND service = $2 ORDER BY place DESC LIMIT $3",
        )
        .bind(environment.as_str())
        .bind(service.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.inner.pool)
        .await
        .map_err(LedgerError::database("read a lane's history"))?;
        let id = |row: &SqliteRow| {
            let id: &str = row.get("id");
            from_word("id", id, id)
        };
        rows.iter().map(id).collect()
    }

    async fn read_last(&self, row: &SqliteRow) -> Result<Option<LastRow>, LedgerError> {
        let id: &str = row.get("id");
        let first: First = from_json("entry", id, row.get("first"))?;
        // Every journal begins with `Accepted`.
        let Record::Accepted { request, .. } = first.record else {
            return Ok(None);
        };
        let release: ReleaseId = from_word("id", id, id)?;
        let at = match row.get::<Option<&str>, _>("ended_at") {
            Some(at) => Some(from_word("time", id, at)?),
            // An older worker ended the release without writing `ended_at`: its last entry has the time.
            None => self.journal(release).await?.last().map(|entry| entry.at),
        };
        Ok(Some(LastRow {
            id: release,
            request: *request,
            outcome: from_word("outcome", id, row.get("outcome"))?,
            at: at.unwrap_or_default(),
        }))
    }
}
