//! Virtual time.

use jiff::Timestamp;

/// The moment at which every simulation begins.
pub fn start() -> Timestamp {
    // 2026-01-01T00:00:00Z
    Timestamp::constant(1_767_225_600, 0)
}
