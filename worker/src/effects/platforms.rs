//! Platforms of images, by digest: the registry that resolves a tag says them, and the inspection after it need
//! not ask again. What a digest stands for never changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use drawgate_schemas::Digest;

/// Most digests that are kept: more than a worker has releases on their way. Then it begins anew.
const KEPT: usize = 64;

/// The platforms of images that were resolved.
#[derive(Default)]
pub(super) struct Platforms(Mutex<HashMap<Digest, Vec<String>>>);

impl Platforms {
    /// Notes what the registry says. Where it says nothing, it is asked again.
    pub(super) fn note(&self, digest: &Digest, platforms: Vec<String>) {
        if platforms.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(digest.clone(), platforms);
    }

    pub(super) fn of(&self, digest: &Digest) -> Option<Vec<String>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_of_a_digest_is_kept_for_a_while() {
        let digest = |n: usize| format!("sha256:{n:064x}").parse::<Digest>().unwrap();
        let known = Platforms::default();
        known.note(&digest(0), vec!["linux/amd64".to_owned()]);
        assert_eq!(known.of(&digest(0)).unwrap(), ["linux/amd64"]);
        known.note(&digest(1), Vec::new());
        assert_eq!(known.of(&digest(1)), None);
        for n in 2..2 * KEPT {
            known.note(&digest(n), vec!["linux/arm64".to_owned()]);
        }
        assert!(known.0.lock().unwrap().len() <= KEPT);
        assert_eq!(known.of(&digest(2 * KEPT - 1)).unwrap(), ["linux/arm64"]);
    }
}
