//! Hosts on their way in or out, which preflight waits for before it refuses a release.
//!
//! ```text
//!   inspect --> awaited --15 s--> inspect --> awaited …  --> passed: lock, and on
//!      |                             past `wait`: lock, and the refusal is final
//!      `-- nothing is locked meanwhile, and a control command is obeyed at once
//! ```

use jiff::Timestamp;

use super::fold::{PreflightRefused, Release};
use crate::failure::Failure;
use crate::journal::Step;
use crate::limits::{self, after, between_ms};
use crate::preflight::Awaited;

impl Release {
    /// What preflight waits for, while it does.
    pub fn awaits(&self) -> Option<&Awaited> {
        let not_ready = self.not_ready.as_ref().filter(|_| !self.is_rolling_back())?;
        not_ready.awaited.as_ref().filter(|_| !self.done(&Step::Inspect))
    }

    /// When the fleet is inspected again, while hosts are waited for: at the end of the wait for the last
    /// time.
    pub(crate) fn inspects_again_at(&self) -> Option<Timestamp> {
        let until = after(self.awaited_since?, self.awaits()?.wait_ms);
        let seen_at = self.not_ready.as_ref()?.at;
        Some(after(seen_at, limits::PREFLIGHT_AGAIN_MS).min(until))
    }

    /// Takes in that preflight refused the fleet. Until the wait is over, `Inspect` is to be begun anew.
    pub(crate) fn is_not_ready(&mut self, mut refused: PreflightRefused) {
        let before = self.not_ready.take().and_then(|before| before.awaited);
        let hosts = |awaited: &Option<Awaited>| awaited.as_ref().map(|awaited| awaited.hosts.clone());
        refused.is_news = hosts(&before) != hosts(&refused.awaited);
        let waits = refused.awaited.as_ref().is_some_and(|awaited| {
            let since = *self.awaited_since.get_or_insert(refused.at);
            refused.at < after(since, awaited.wait_ms)
        });
        match waits {
            true => {
                self.steps.remove(&Step::Inspect);
            }
            false => self.looks += 1,
        }
        self.not_ready = Some(refused);
    }

    /// Gives the wait its whole time anew after a takeover, because no worker looked meanwhile.
    pub(crate) fn wait_for_hosts_anew(&mut self, at: Timestamp) {
        if self.awaits().is_some() {
            self.awaited_since = Some(at);
        }
    }

    /// Why preflight has refused the release for good, with the wait where there was one.
    pub(crate) fn refused_by_preflight(&self) -> Option<Failure> {
        let not_ready = self.not_ready.as_ref()?;
        let mut failure = not_ready.failure.clone();
        if let (Some(_), Some(since)) = (&not_ready.awaited, self.awaited_since) {
            let waited_s = between_ms(since, not_ready.at) / 1_000;
            failure.what = format!("{}; waited for {waited_s} s in vain", failure.what);
            failure.hint = Some(
                "see why they do not get there, and publish again; `[preflight] wait` gives them longer"
                    .to_owned(),
            );
        }
        Some(failure)
    }
}
