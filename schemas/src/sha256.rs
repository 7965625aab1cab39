//! SHA-256, which tells messages and requests apart.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of these bytes, in hexadecimal.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
