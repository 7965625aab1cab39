//! Leases: which process may roll a lane. One holder at a time, for a limited time; each change of holder
//! raises the epoch.
//!
//! | the row says            | its holder's process   | acquire()                                         |
//! |-------------------------|------------------------|---------------------------------------------------|
//! | nobody                  |                        | ours                                              |
//! | a holder, expired       | has ended              | ours, and the log says so                         |
//! | a holder, expired       | lives, or is suspended | ours after `limits::LANDING`, and the log says so |
//! | a holder, of a boot ago |                        | ours, and the log says so                         |
//! | a holder, still valid   | has ended              | ours at once, and the log says so                 |
//! | a holder, still valid   | lives, or is suspended | held                                              |
//!
//! A lease fences the ledger, not AWS and not Docker: a call that was under way when the holder was suspended
//! may still land after the lease has ended. A takeover waits for that too (`limits::LANDING`), and a driver
//! believes that a target is drained only at the second look.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use drawgate_schemas::{Environment, Service};
use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

use super::holder::Life;
use super::store::{Inner, Ledger, from_db, to_db};
use super::{LedgerError, clock};

/// The relay's lane. Neither word is a possible environment or service.
const RELAY: (&str, &str) = ("_", "relay");

/// The answer to a request for a lane.
#[derive(Debug)]
pub enum Acquired {
    /// This process has the lane now.
    Lease(Lease),
    /// Another holder has the lane.
    Held {
        /// The process that has the lane.
        holder: Uuid,
        /// That process's worker, by name.
        worker: String,
        /// The time until the lane is free, unless the lease is renewed.
        expires_in: Duration,
    },
}

/// The right to append to the journals of one lane, until it expires.
#[derive(Debug)]
pub struct Lease {
    environment: String,
    service: String,
    holder: Uuid,
    epoch: u64,
    length: Duration,
    until_ms: AtomicU64,
    lapses: AtomicU32,
}

impl Lease {
    /// Time until the lease expires; zero when it has. Stop acting when an action could last longer than
    /// this.
    pub fn remaining(&self) -> Duration {
        clock::until(self.until_ms.load(Ordering::Relaxed))
    }

    /// The lane's epoch, which rises with every change of holder.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How often the lease was renewed after it had expired: nobody knows what other processes did in
    /// between.
    pub fn lapses(&self) -> u32 {
        self.lapses.load(Ordering::Relaxed)
    }

    /// How long the lease lasts from each renewal.
    pub fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn lane(&self) -> (&str, &str) {
        (&self.environment, &self.service)
    }

    pub(super) fn is_for(&self, environment: &Environment, service: &Service) -> bool {
        self.lane() == (environment.as_str(), service.as_str())
    }

    fn lost(&self) -> LedgerError {
        LedgerError::LostLease {
            environment: self.environment.clone(),
            service: self.service.clone(),
            epoch: self.epoch,
        }
    }
}

/// A row of `lanes`.
struct Row {
    epoch: u64,
    holder: Option<Uuid>,
    worker: String,
    boot_id: String,
    until_ms: u64,
}

impl Ledger {
    /// Asks for a lane.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn acquire(
        &self,
        environment: &Environment,
        service: &Service,
    ) -> Result<Acquired, LedgerError> {
        let acquired = self.acquire_named((environment.as_str(), service.as_str())).await;
        self.spending(acquired)
    }

    /// Asks for the right to publish the outbox, because two workers on one ledger would mix up the order of
    /// events.
    ///
    /// # Errors
    /// When the ledger is not available.
    pub async fn acquire_relay(&self) -> Result<Acquired, LedgerError> {
        self.acquire_named(RELAY).await
    }

    /// Renews a lease to its whole length from now.
    ///
    /// # Errors
    /// [`LedgerError::LostLease`] when another process has taken the lane over: stop acting.
    pub async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let renewed = self.try_renew(lease).await;
        self.spending(renewed)
    }

    async fn try_renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let until_ms = self.inner.lease_end_ms();
        let mut write = self.write("renew a lease").await?;
        let renewed = sqlx::query(
            "UPDATE lanes SET until_ms = $1
             WHERE environment = $2 AND service = $3 AND holder = $4 AND epoch = $5",
        )
        .bind(to_db(until_ms))
        .bind(&lease.environment)
        .bind(&lease.service)
        .bind(lease.holder.to_string())
        .bind(to_db(lease.epoch))
        .execute(write.connection()?)
        .await
        .map_err(LedgerError::database("renew a lease"))?;
        if renewed.rows_affected() != 1 {
            return Err(lease.lost());
        }
        write.commit().await?;
        if lease.remaining().is_zero() {
            lease.lapses.fetch_add(1, Ordering::Relaxed);
        }
        lease.until_ms.store(until_ms, Ordering::Relaxed);
        Ok(())
    }

    /// Gives a lane back, so that the next worker need not wait. Does nothing when the lane was lost already.
    ///
    /// # Errors
    /// When the ledger is not available; the lease then expires by itself.
    pub async fn give_back(&self, lease: Lease) -> Result<(), LedgerError> {
        let mut write = self.write("give a lease back").await?;
        sqlx::query(
            "UPDATE lanes SET holder = NULL
             WHERE environment = $1 AND service = $2 AND holder = $3 AND epoch = $4",
        )
        .bind(&lease.environment)
        .bind(&lease.service)
        .bind(lease.holder.to_string())
        .bind(to_db(lease.epoch))
        .execute(write.connection()?)
        .await
        .map_err(LedgerError::database("give a lease back"))?;
        write.commit().await
    }

    async fn acquire_named(&self, lane: (&str, &str)) -> Result<Acquired, LedgerError> {
        let mut write = self.write("acquire a lane").await?;
        let row = read_row(write.connection()?, lane).await?;
        if let Some(row) = &row
            && let Some(held) = self.inner.held(row)
        {
            write.commit().await?;
            return Ok(held);
        }
        let epoch = row.as_ref().map_or(0, |row| row.epoch) + 1;
        let until_ms = self.inner.lease_end_ms();
        self.take(write.connection()?, lane, epoch, until_ms).await?;
        write.commit().await?;
        if let Some(row) = &row {
            self.inner.say_taken_over(lane, row, epoch);
        }
        Ok(Acquired::Lease(Lease {
            environment: lane.0.to_owned(),
            service: lane.1.to_owned(),
            holder: self.inner.holder.id(),
            epoch,
            length: self.inner.lease,
            until_ms: AtomicU64::new(until_ms),
            lapses: AtomicU32::new(0),
        }))
    }

    async fn take(
        &self,
        connection: &mut SqliteConnection,
        (environment, service): (&str, &str),
        epoch: u64,
        until_ms: u64,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO lanes (environment, service, epoch, holder, worker, boot_id, until_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (environment, service) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder,
                 worker = excluded.worker, boot_id = excluded.boot_id, until_ms = excluded.until_ms",
        )
        .bind(environment)
        .bind(service)
        .bind(to_db(epoch))
        .bind(self.inner.holder.id().to_string())
        .bind(&self.inner.worker)
        .bind(&self.inner.boot_id)
        .bind(to_db(until_ms))
        .execute(connection)
        .await
        .map_err(LedgerError::database("take a lane"))?;
        Ok(())
    }
}

impl Inner {
    fn lease_end_ms(&self) -> u64 {
        clock::boot_time_ms().saturating_add(u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX))
    }

    /// `Held` while the row's holder may still act; `None` when the lane may be taken.
    fn held(&self, row: &Row) -> Option<Acquired> {
        let holder = row.holder?;
        if row.boot_id != self.boot_id {
            return None;
        }
        let is_another = holder != self.holder.id();
        if is_another && self.holder.life_of(holder) == Life::Gone {
            return None;
        }
        let landing = if is_another { self.landing } else { Duration::ZERO };
        let landing_ms = u64::try_from(landing.as_millis()).unwrap_or(u64::MAX);
        let expires_in = clock::until(row.until_ms.saturating_add(landing_ms));
        if expires_in.is_zero() {
            return None;
        }
        Some(Acquired::Held {
            holder,
            worker: row.worker.clone(),
            expires_in,
        })
    }

    fn say_taken_over(&self, (environment, service): (&str, &str), before: &Row, epoch: u64) {
        let Some(old_holder) = before.holder else { return };
        tracing::warn!(
            environment,
            service,
            %old_holder,
            old_worker = before.worker,
            new_holder = %self.holder.id(),
            new_worker = self.worker,
            epoch,
            "took a lane over from a holder that is gone or whose lease has expired"
        );
    }
}

/// Within a transaction: checks that the lease still has its lane.
pub(super) async fn check(connection: &mut SqliteConnection, lease: &Lease) -> Result<(), LedgerError> {
    match read_row(connection, lease.lane()).await? {
        Some(row) if row.epoch == lease.epoch && row.holder == Some(lease.holder) => Ok(()),
        _ => Err(lease.lost()),
    }
}

async fn read_row(
    connection: &mut SqliteConnection,
    (environment, service): (&str, &str),
) -> Result<Option<Row>, LedgerError> {
    let row = sqlx::query(
        "SELECT epoch, holder, worker, boot_id, until_ms FROM lanes WHERE environment = $1 AND service = $2",
    )
    .bind(environment)
    .bind(service)
    .fetch_optional(connection)
    .await
    .map_err(LedgerError::database("read a lane"))?;
    Ok(row.map(|row| Row {
        epoch: from_db(row.get(0)),
        holder: row
            .get::<Option<&str>, _>(1)
            .and_then(|holder| Uuid::try_parse(holder).ok()),
        worker: row.get(2),
        boot_id: row.get(3),
        until_ms: from_db(row.get(4)),
    }))
}
