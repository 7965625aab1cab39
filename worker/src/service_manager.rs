//! What systemd is told: that the worker is ready, that it stops, and, as long as its lanes make progress, that it is alive
//! (systemd: `sd_notify(3)`, `sd_watchdog_enabled(3)`). Without systemd nothing is told.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::interval;

use crate::Causes;
use crate::roll::Lanes;

/// A lane that has not come by for so long hangs: it comes by at each renewal of its lease, or each time it asks for one, with
/// a statement's and a connection's time-out in between.
const STILL: Duration = Duration::from_secs(60);

/// The worker takes messages, or will when the broker is back.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The order to stop has come.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says twice in each interval of the watchdog that the worker is alive, while it is. Nothing is said of a lane that hangs:
/// then systemd kills the worker, and its successor takes the releases over.
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
