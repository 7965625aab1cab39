//! The worker's connections to the broker: what each of its loops runs on.

use std::sync::Arc;

use tokio::sync::watch;

use super::delivery_limit::DeliveryLimitTrial;
use super::error::BusError;
use super::link::Link;
use super::settings::BusSettings;
use super::stop::Stop;
use super::topology::Part;

/// The worker's place on the broker. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(super) releases: Arc<Link>,
    pub(super) control: Arc<Link>,
    pub(super) publishing: Arc<Link>,
    /// Connected when chat is fed.
    pub(super) chat: Arc<Link>,
    pub(super) delivery_limit: Arc<DeliveryLimitTrial>,
    pub(super) settings: Arc<BusSettings>,
}

impl Bus {
    /// A place on the broker that these settings name. Nothing is connected yet: each loop makes its connection, and tries on for as
    /// long as the broker is away.
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

    /// Connects and declares what releases depend on, where a loop has not done so. False when it was told to stop first.
    pub async fn connected(&self, stop: watch::Receiver<bool>) -> bool {
        let mut stop = Stop::new(stop);
        for link in [&self.releases, &self.control, &self.publishing] {
            if link.channel(&mut stop).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Whether the connections that releases depend on stand at this moment.
    pub fn is_connected(&self) -> bool {
        [&self.releases, &self.control, &self.publishing]
            .iter()
            .all(|link| link.is_connected())
    }

    /// How often the broker gives a release out before it becomes a dead letter, as a person is to know it.
    pub fn delivery_limit(&self) -> Arc<DeliveryLimitTrial> {
        Arc::clone(&self.delivery_limit)
    }

    /// Closes the connections. Call it when the loops have ended.
    pub async fn close(&self) {
        for link in [&self.releases, &self.control, &self.publishing, &self.chat] {
            link.close().await;
        }
    }
}
