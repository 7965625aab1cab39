//! Time for leases: CLOCK_BOOTTIME, which runs on while the machine sleeps and which nobody can set. It
//! starts anew with each boot, so a time from it means something only together with the boot's id.

use std::time::Duration;

use super::LedgerError;
use crate::clock::boot_time;

/// Milliseconds since this boot.
pub(super) fn boot_time_ms() -> u64 {
    u64::try_from(boot_time().as_millis()).unwrap_or(u64::MAX)
}

/// Time from now until `until_ms`.
pub(super) fn until(until_ms: u64) -> Duration {
    Duration::from_millis(until_ms.saturating_sub(boot_time_ms()))
}

/// The kernel's name for this boot.
pub(super) fn boot_id() -> Result<String, LedgerError> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(PATH).map_err(LedgerError::file("cannot read", PATH))?;
    Ok(text.trim().to_owned())
}
