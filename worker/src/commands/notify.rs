//! `drawgate-worker notify`: posts the events on the bus to chat, in a process apart from `run`. It needs the broker and the
//! webhook, and no ledger: it runs on any machine.

use std::path::Path;
use std::process::ExitCode;

use drawgate_config::Config;

use super::{CommandError, setup};
use crate::bus::Bus;
use crate::chat::Chat;

/// Posts until SIGTERM or SIGINT.
///
/// # Errors
/// Why it cannot start.
pub async fn notify(path: &Path) -> Result<ExitCode, CommandError> {
    let config = setup::load(path)?;
    let Some(mut chat) = handler(&config)? else {
        return Err(CommandError::NoChat);
    };
    let (_stopper, stop) = setup::stop_signal()?;
    let bus = Bus::new(setup::bus_settings(&config)).map_err(CommandError::Bus)?;
    bus.feed_chat(&mut chat, stop).await;
    bus.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The poster to chat; `None` where no chat is configured.
pub(super) fn handler(config: &Config) -> Result<Option<Chat>, CommandError> {
    let Some(webhook) = &config.settings().webhook else {
        return Ok(None);
    };
    Chat::new(webhook.clone()).map(Some).map_err(CommandError::Chat)
}
