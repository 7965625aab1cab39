//! What IAM said a moment ago, so that the releases of one fleet do not ask again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawgate_rollout::{Account, Need, Write};
use tokio::time::Instant;

/// How long "allowed" is believed. A change of a policy takes AWS seconds to minutes to carry everywhere too, and
/// whoever takes a permission away in that time may do it in mid-roll as well.
const ALLOWED: Duration = Duration::from_secs(5 * 60);

/// How long IAM is not asked after it could not be: an inspection that is repeated every few seconds must not wait
/// for it each time.
const SILENT: Duration = Duration::from_secs(60);

/// Most sets of writes that are remembered: more services than one worker has at a time.
const SETS: usize = 64;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Known(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    caller: Option<(String, Instant)>,
    allowed: VecDeque<(Asked, Instant)>,
    silent: Option<(String, Instant)>,
}

/// A caller, and the writes that it was asked about. Mute rules have a name of their own in each release.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    caller: String,
    writes: BTreeSet<(Write, String)>,
}

impl Asked {
    fn of(caller: &str, needs: &[Need], account: &Account) -> Self {
        let writes = needs.iter().map(|need| (need.write, need.on.granted(account)));
        Self {
            caller: caller.to_owned(),
            writes: writes.collect(),
        }
    }
}

impl Known {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who makes the calls. Credentials that are renewed may be another role's.
    pub(super) fn caller(&self) -> Option<String> {
        let state = self.state();
        let fresh = state.caller.as_ref().filter(|(_, at)| at.elapsed() < ALLOWED);
        fresh.map(|(caller, _)| caller.clone())
    }

    pub(super) fn is_caller(&self, caller: &str) {
        self.state().caller = Some((caller.to_owned(), Instant::now()));
    }

    /// Whether these very writes were allowed a moment ago.
    pub(super) fn allows(&self, caller: &str, needs: &[Need], account: &Account) -> bool {
        let asked = Asked::of(caller, needs, account);
        let state = self.state();
        let mut fresh = state.allowed.iter().filter(|(_, at)| at.elapsed() < ALLOWED);
        fresh.any(|(known, _)| *known == asked)
    }

    pub(super) fn has_allowed(&self, caller: &str, needs: &[Need], account: &Account) {
        let asked = Asked::of(caller, needs, account);
        let mut state = self.state();
        state.allowed.retain(|(known, _)| *known != asked);
        while state.allowed.len() >= SETS {
            state.allowed.pop_front();
        }
        state.allowed.push_back((asked, Instant::now()));
    }

    /// Why IAM could not be asked a moment ago.
    pub(super) fn silent(&self) -> Option<String> {
        let state = self.state();
        let fresh = state.silent.as_ref().filter(|(_, at)| at.elapsed() < SILENT);
        fresh.map(|(why, _)| why.clone())
    }

    pub(super) fn is_silent(&self, why: &str) {
        self.state().silent = Some((why.to_owned(), Instant::now()));
    }
}
