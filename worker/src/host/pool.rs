//! The connections to all hosts: at most one per host, shared by everything the worker does there.
//!
//! A large fleet has more hosts than there are connections. A host that is needed next gets one in place of another host:
//! first of one whose turn to be rolled is over or has not come, and among these of the one used last, because hosts are
//! looked at in their order, so that it is needed again the latest; then of one that is being rolled, used the longest ago.
//! A connection in use never ends so: a wave that is larger than the pool is connected to as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use futures_util::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::error::{Cause, HostError, Reason, Stage};
use super::limits;
use super::master::{Master, ssh_by_hand};
use super::settings::HostSettings;
use super::socket_dir::SocketDir;
use super::ssh_config::known_hosts_files;

/// All hosts. Clones share everything.
#[derive(Debug, Clone)]
pub struct Hosts {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: HostSettings,
    dir: SocketDir,
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
    connections: AtomicU64,
}

/// The connection to one host, or the place for it.
#[derive(Debug)]
struct Slot {
    id: String,
    address: String,
    /// Whether the host is being rolled.
    has_turn: AtomicBool,
    state: tokio::sync::Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    link: Option<Arc<Link>>,
    /// When the connection was last asked for.
    used_at: Option<Instant>,
    /// The last failure to connect; all requests that waited for that attempt get it.
    failed: Option<(Instant, HostError)>,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) master: Master,
    pub(super) docker: OnceCell<Docker>,
}

/// One host. Connects on first use, and again when the connection has died.
#[derive(Debug, Clone)]
pub struct Host {
    pub(super) shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl Hosts {
    /// Makes the private directory for sockets; connects to nothing yet.
    pub fn new(settings: HostSettings) -> io::Result<Self> {
        let dir = SocketDir::new(&settings.runtime_dir)?;
        // "/<connection>/ctl", with room for a connection number of any length.
        let longest = dir.path().as_os_str().len() + "/18446744073709551615-XXXXXX/ctl".len();
        if longest > limits::CONTROL_PATH_BYTES {
            let text = format!(
                "{} is too long a path for Unix sockets",
                settings.runtime_dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (slots, connections) = (Mutex::default(), AtomicU64::new(0));
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                dir,
                slots,
                connections,
            }),
        })
    }

    /// The host for that instance at that address.
    pub fn host(&self, instance_id: &str, address: &str) -> Host {
        let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry((instance_id.to_owned(), address.to_owned()))
            .or_insert_with(|| {
                let (id, address) = (instance_id.to_owned(), address.to_owned());
                Arc::new(Slot {
                    id,
                    address,
                    has_turn: AtomicBool::new(false),
                    state: tokio::sync::Mutex::default(),
                })
            });
        Host {
            shared: Arc::clone(&self.shared),
            slot: Arc::clone(slot),
        }
    }

    /// A lock file next to the sockets' directories, for programs of which no two may run at once.
    pub fn lock_file(&self, name: &str) -> PathBuf {
        self.shared
            .settings
            .runtime_dir
            .join(format!("drawgate.{name}.lock"))
    }

    /// How many connections are kept that nobody uses.
    pub fn kept(&self) -> usize {
        self.shared.settings.connections
    }

    /// SSH connections made so far, to all hosts.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many hosts there are connections to, or were, besides these ids.
    pub fn others(&self, ids: &BTreeSet<&str>) -> usize {
        let slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.keys().filter(|(id, _)| !ids.contains(id.as_str())).count()
    }

    /// Whether there is a connection to this host, or one is just being made.
    pub fn is_open(&self, instance_id: &str) -> bool {
        let slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_host = slots.iter().filter(|((id, _), _)| id == instance_id);
        of_host.any(|(_, slot)| match slot.state.try_lock() {
            Ok(state) => state.link.is_some(),
            Err(_) => true,
        })
    }

    /// Ends the connections to the hosts for which `which` is true, and forgets those hosts. A host in use at
    /// this very moment is left as it is; later use of the others connects anew.
    pub async fn close_those(&self, which: impl Fn(&str) -> bool) {
        let idle: Vec<Arc<Slot>> = {
            let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            // Only this map has the slot, and the map is locked: no request can begin to use it now.
            slots
                .extract_if(|(id, _), slot| which(id) && Arc::strong_count(slot) == 1)
                .map(|(_, slot)| slot)
                .collect()
        };
        join_all(idle.iter().map(|slot| slot.close())).await;
    }

    /// Ends every connection and waits, bounded, until the ssh processes are gone. Later use connects anew.
    pub async fn close(&self) {
        let slots: Vec<_> = {
            let slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.values().cloned().collect()
        };
        join_all(slots.iter().map(|slot| slot.close())).await;
    }
}

impl Shared {
    /// Ends as many connections as are too many with the one that is about to be made.
    async fn make_room(&self) {
        let surplus = self.surplus();
        join_all(surplus.iter().map(|link| link.master.close())).await;
    }

    /// Takes those connections out of their slots.
    fn surplus(&self) -> Vec<Arc<Link>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = 0;
        let mut idle = Vec::new();
        for slot in slots.values() {
            // Whoever has the state is connecting, or takes the connection at this very moment.
            let Ok(state) = slot.state.try_lock() else {
                open += 1;
                continue;
            };
            open += usize::from(state.link.is_some());
            // Whoever uses a connection has a handle of it, and gets it with the state locked.
            if state
                .link
                .as_ref()
                .is_some_and(|link| Arc::strong_count(link) == 1)
            {
                idle.push((slot.has_turn.load(Ordering::Relaxed), state));
            }
        }
        let now = Instant::now();
        idle.sort_by_key(|(has_turn, state)| end_order(*has_turn, state.used_at, now));
        let surplus = open.saturating_sub(self.settings.connections);
        idle.iter_mut()
            .take(surplus)
            .filter_map(|(_, state)| state.link.take())
            .collect()
    }
}

/// Sorts connections that nobody uses by which ends first.
fn end_order(
    has_turn: bool,
    used_at: Option<Instant>,
    now: Instant,
) -> (bool, Option<Reverse<Instant>>, Option<Instant>) {
    let is_between_requests = used_at.is_some_and(|at| now.duration_since(at) < limits::USED_LATELY);
    match has_turn || is_between_requests {
        false => (false, used_at.map(Reverse), None),
        true => (true, None, used_at),
    }
}

impl Slot {
    async fn close(&self) {
        if let Some(link) = self.state.lock().await.link.take() {
            link.master.close().await;
        }
    }
}

impl Host {
    pub fn instance_id(&self) -> &str {
        &self.slot.id
    }

    pub fn address(&self) -> &str {
        &self.slot.address
    }

    /// Says whether the host is being rolled: its connection is kept as long as others can be spared.
    pub fn has_turn(&self, has_turn: bool) {
        self.slot.has_turn.store(has_turn, Ordering::Relaxed);
    }

    /// Ends this host's connection, if there is one. Later use connects anew.
    pub async fn disconnect(&self) {
        self.slot.close().await;
    }

    /// The host's name in messages.
    pub(super) fn label(&self) -> String {
        format!("{} ({})", self.slot.id, self.slot.address)
    }

    /// The living connection, made now if there is none. All requests that wait share one attempt.
    pub(super) async fn link(&self, operation: &'static str) -> Result<Arc<Link>, HostError> {
        let asked = Instant::now();
        let mut state = self.slot.state.lock().await;
        state.used_at = Some(asked);
        if let Some(link) = state.link.as_ref().filter(|link| link.master.is_alive()) {
            return Ok(Arc::clone(link));
        }
        // The old process is gone, so dropping it leaves no second master behind.
        state.link = None;
        if let Some((when, error)) = &state.failed
            && *when >= asked
        {
            return Err(error.clone());
        }
        self.shared.make_room().await;
        match self.connect(operation).await {
            Ok(link) => {
                state.failed = None;
                Ok(Arc::clone(state.link.insert(link)))
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a connection that turned out dead, unless it has been replaced already.
    pub(super) async fn forget(&self, dead: &Arc<Link>) {
        let mut state = self.slot.state.lock().await;
        if state.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, dead)) {
            dead.master.kill();
            state.link = None;
        }
    }

    async fn connect(&self, operation: &'static str) -> Result<Arc<Link>, HostError> {
        let number = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let (id, address) = (self.slot.id.as_str(), self.slot.address.as_str());
        // Id and address both become words of ssh's command line and configuration.
        if !is_plain(id) || !is_plain(address) {
            let reason = Reason("instance id or address has characters that ssh would interpret".to_owned());
            return Err(self.unreachable(operation, Stage::Ssh, None, Arc::new(reason)));
        }
        let dir = tempfile::Builder::new()
            .prefix(&format!("{number}-"))
            .tempdir_in(self.shared.dir.path());
        let dir = dir.map_err(|error| self.unreachable(operation, Stage::Ssh, None, Arc::new(error)))?;
        let settings = &self.shared.settings;
        let known_hosts = known_hosts_files(settings, id).await;
        let known_hosts = known_hosts.as_deref();
        let launched = Master::launch(settings, known_hosts, id, address, dir).await;
        let master = launched.map_err(|error| {
            let by_hand = ssh_by_hand(settings, known_hosts, id, address);
            let hint = format!(
                "see for yourself: {by_hand}; a new instance's host key has to be known by @cert-authority or \
                 a KnownHostsCommand"
            );
            self.unreachable(operation, Stage::Ssh, Some(hint), Arc::new(error))
        })?;
        Ok(Arc::new(Link {
            master,
            docker: OnceCell::new(),
        }))
    }

    pub(super) fn unreachable(
        &self,
        operation: &'static str,
        stage: Stage,
        hint: Option<String>,
        source: Cause,
    ) -> HostError {
        HostError::Unreachable {
            host: self.label(),
            operation,
            stage,
            hint,
            source,
        }
    }
}

fn is_plain(name: &str) -> bool {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':' | '_');
    !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_too_long_for_sockets_is_found_at_the_start() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("x".repeat(80));
        std::fs::create_dir(&long).unwrap();
        let settings = HostSettings {
            runtime_dir: long,
            ..HostSettings::default()
        };
        assert_eq!(
            Hosts::new(settings).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_host_that_is_needed_the_latest_ends_first() {
        let begin = Instant::now();
        let now = begin + Duration::from_secs(60);
        // Name, whether it has its turn, and when it was used.
        let mut hosts = [
            ("looked at early", false, 1),
            ("rolled, long idle", true, 2),
            ("looked at late", false, 3),
            ("rolled, used lately", true, 58),
            ("being looked at", false, 59),
        ];
        hosts.sort_by_key(|&(_, has_turn, used_s)| {
            end_order(has_turn, Some(begin + Duration::from_secs(used_s)), now)
        });
        let expected = [
            "looked at late",
            "looked at early",
            "rolled, long idle",
            "rolled, used lately",
            "being looked at",
        ];
        assert_eq!(hosts.map(|(name, ..)| name), expected);
    }

    #[test]
    fn names_that_ssh_would_interpret_are_not_given_to_it() {
        for name in ["", "-oProxyCommand=x", "a b", "a%h", "a\nb", "a$b"] {
            assert!(!is_plain(name), "{name:?}");
        }
        for name in ["i-0123456789abcdef0", "10.77.0.11", "fd00::7"] {
            assert!(is_plain(name), "{name:?}");
        }
    }
}
