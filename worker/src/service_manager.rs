//! Tells systemd that the worker is ready, that it stops, and, as long as its lanes make progress, that it is
//! alive (systemd: `sd_notify(3)`, `sd_watchdog_enabled(3)`). Without systemd, does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::interval;

use crate::Causes;
use crate::roll::Lanes;

/// A lane that has been silent for this long hangs. A lane reports at each renewal of its lease, or each time
/// it asks for one; in between at most a statement's and a connection's time-out pass.
const STILL: Duration = Duration::from_secs(60);

/// Says that the worker takes messages, or will when the broker is back.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the worker was asked to stop.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells systemd twice in each interval of the watchdog that the worker is alive. While a lane hangs it stays
/// silent: then systemd kills the worker, and its successor takes the releases over.
pub(crate) async fn watchdog(lanes: &Lanes, mut stopped: watch::Receiver<bool>) {
    let Some(every) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = interval((every / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        match lanes.longest_silence() {
            Some((lane, silence)) if silence > STILL => {
                tracing::error!(lane, ?silence, "hangs: the watchdog is not told that all is well");
            }
            _ => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error = %Causes(&error), "systemd could not be told");
    }
}
