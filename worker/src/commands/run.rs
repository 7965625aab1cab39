//! `drawgate-worker run`: runs all parts of the worker, until SIGTERM or SIGINT.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use drawgate_config::Config;
use tokio::sync::watch;

use super::{CommandError, notify, setup};
use crate::answers::{Answers, AtSite};
use crate::bus::Bus;
use crate::chat::Chat;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::roll::Lanes;
use crate::service_manager;

/// Consumes release messages and rolls.
///
/// # Errors
/// Why the worker cannot start. Once it runs, it survives outages of the broker, AWS and hosts.
pub async fn run(path: &Path, chat: bool) -> Result<ExitCode, CommandError> {
    let config = setup::load(path)?;
    let bus = Bus::new(setup::bus_settings(&config)).map_err(CommandError::Bus)?;
    let ledger = setup::open_ledger(&config).await?;
    let effects = setup::effects(&config).await?;
    let chat = if chat { notify::handler(&config)? } else { None };
    let (_stopper, stop) = setup::stop_signal()?;
    let worker = config.worker().to_owned();
    let lanes = Arc::new(Lanes::new(
        ledger.clone(),
        effects.clone(),
        setup::policies(&config),
        worker.clone(),
        stop.clone(),
    ));
    let taken_over = lanes
        .take_over()
        .await
        .map_err(|source| setup::ledger_error(&config, source))?;
    tracing::info!(worker, site = %config.settings().site, taken_over, "started");
    service_manager::ready();
    let (ended, until_ended) = watch::channel(false);
    let work = async {
        serve(&bus, &config, &ledger, &lanes, chat, stop).await;
        lanes.ended().await;
        ended.send_replace(true);
    };
    tokio::join!(work, service_manager::watchdog(&lanes, until_ended));
    effects.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Runs all loops on the broker until the stop. Rolls go on while the broker is away or refuses: their events
/// wait in the outbox.
async fn serve(
    bus: &Bus,
    config: &Arc<Config>,
    ledger: &Ledger,
    lanes: &Arc<Lanes>,
    mut chat: Option<Chat>,
    stop: watch::Receiver<bool>,
) {
    let intake = Intake::new(Arc::clone(config), ledger.clone(), Arc::clone(lanes));
    let answers = Answers::new(
        ledger.clone(),
        config.worker().to_owned(),
        Arc::clone(lanes),
        config.settings().operators(),
        AtSite {
            site: config.settings().site.clone(),
            routes: config.routes(),
        },
        bus.delivery_limit(),
    );
    let feed = async {
        if let Some(handler) = &mut chat {
            bus.feed_chat(handler, stop.clone()).await;
        }
    };
    // The relay runs until the lanes have written their last events.
    let (ended, last_words) = watch::channel(false);
    let relay = async {
        tokio::join!(bus.relay(ledger, last_words), async {
            lanes_end(lanes, stop.clone()).await;
            ended.send_replace(true);
        });
    };
    tokio::join!(
        bus.consume_releases(&intake, stop.clone()),
        bus.answer_questions(&answers, stop.clone()),
        bus.tell_of_dead_letters(&intake, stop.clone()),
        relay,
        feed,
        say_what_the_broker_lacks(bus, stop.clone()),
    );
    bus.close().await;
}

/// Warns once about the delivery limit, as soon as the broker is connected.
async fn say_what_the_broker_lacks(bus: &Bus, stop: watch::Receiver<bool>) {
    if bus.connected(stop).await
        && let Some(concern) = bus.delivery_limit().find().await.concern()
    {
        tracing::warn!("{concern}");
    }
}

async fn lanes_end(lanes: &Lanes, mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    lanes.ended().await;
}
