//! The worker's connections to the broker, one for each group of its loops.

use std::sync::Arc;

use tokio::sync::watch;

use super::delivery_limit::DeliveryLimitTrial;
use super::error::BusError;
use super::link::Link;
use super::settings::BusSettings;
use super::stop::Stop;
use super::topology::Part;

/// All of the worker's connections to the broker. Clones share them.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(super) releases: Arc<Link>,
    pub(super) control: Arc<Link>,
    pub(super) publishing: Arc<Link>,
    /// Connected only when chat is fed.
    pub(super) chat: Arc<Link>,
    pub(super) delivery_limit: Arc<DeliveryLimitTrial>,
    pub(super) settings: Arc<BusSettings>,
}

impl Bus {
    /// The connections to the broker that these settings name. Nothing is connected yet: each loop makes its
    /// own connection, and keeps trying for as long as the broker is away.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(settings: BusSettings) -> Result<Self, BusError> {
        settings.check()?;
        let settings = Arc::new(settings);
        let link = |part| Arc::new(Link::new(part, Arc::clone(&settings)));
        let (releases, publishing) = (link(Part::Releases), link(Part::Publishing));
        let trial = DeliveryLimitTrial::new(Arc::clone(&publishing), Arc::clone(&releases), &settings.site);
        Ok(Self {
            releases,
            control: link(Part::Control),
            delivery_limit: Arc::new(trial),
            publishing,
            chat: link(Part::Chat),
            settings,
        })
    }

    /// Connects and declares what releases depend on, unless a loop has done so. False when told to stop
    /// first.
    pub async fn connected(&self, stop: watch::Receiver<bool>) -> bool {
        let mut stop = Stop::new(stop);
        for link in [&self.releases, &self.control, &self.publishing] {
            if link.channel(&mut stop).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Whether the connections that releases depend on are up now.
    pub fn is_connected(&self) -> bool {
        [&self.releases, &self.control, &self.publishing]
            .iter()
            .all(|link| link.is_connected())
    }

    /// The trial of the broker's delivery limit: how often the broker delivers a release before it
    /// dead-letters it.
    pub fn delivery_limit(&self) -> Arc<DeliveryLimitTrial> {
        Arc::clone(&self.delivery_limit)
    }

    /// Closes the connections. Call it after the loops have ended.
    pub async fn close(&self) {
        for link in [&self.releases, &self.control, &self.publishing, &self.chat] {
            link.close().await;
        }
    }
}
