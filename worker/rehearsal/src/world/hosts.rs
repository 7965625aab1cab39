//! The instances of the model, with a note of which may have changed since the rules about the whole fleet were last
//! judged: so that each judgement looks at those alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::host::Host;
use super::tally::Tally;

/// The instances by their id. They are read as a map, and changed by the methods below alone.
#[derive(Clone, Default)]
pub struct Hosts {
    by_id: BTreeMap<String, Host>,
    /// Those that may have changed since the tally was made.
    pub(super) changed: BTreeSet<String>,
    /// What the hosts count for in the rules about the whole fleet, once they were judged.
    pub(super) tally: Option<Arc<Tally>>,
}

impl Hosts {
    pub fn get_mut(&mut self, instance: &str) -> Option<&mut Host> {
        let host = self.by_id.get_mut(instance)?;
        if !self.changed.contains(instance) {
            self.changed.insert(instance.to_owned());
        }
        Some(host)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        self.changed.extend(self.by_id.keys().cloned());
        self.by_id.values_mut()
    }

    /// The host of that id, which is put there if there was none.
    pub fn get_or_insert_with(&mut self, instance: &str, host: impl FnOnce() -> Host) -> &mut Host {
        self.changed.insert(instance.to_owned());
        self.by_id.entry(instance.to_owned()).or_insert_with(host)
    }

    /// Takes a host away, so that it is not judged.
    pub(crate) fn remove(&mut self, instance: &str) -> Option<Host> {
        self.tally = None;
        self.by_id.remove(instance)
    }

    /// Takes the others away, so that they are not judged.
    pub(crate) fn retain(&mut self, stays: impl Fn(&String) -> bool) {
        self.tally = None;
        self.by_id.retain(|instance, _| stays(instance));
    }
}

impl Deref for Hosts {
    type Target = BTreeMap<String, Host>;

    fn deref(&self) -> &Self::Target {
        &self.by_id
    }
}

impl FromIterator<(String, Host)> for Hosts {
    fn from_iter<T: IntoIterator<Item = (String, Host)>>(hosts: T) -> Self {
        Self {
            by_id: hosts.into_iter().collect(),
            changed: BTreeSet::new(),
            tally: None,
        }
    }
}

impl<'h> IntoIterator for &'h Hosts {
    type Item = (&'h String, &'h Host);
    type IntoIter = std::collections::btree_map::Iter<'h, String, Host>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_id.iter()
    }
}

/// Two fleets are alike where their hosts are, whatever was judged of them.
impl PartialEq for Hosts {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_id.fmt(f)
    }
}
