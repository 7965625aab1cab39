//! Chance that can be had again: a seed from the environment, or a new one that is told.

pub use drawgate_rehearsal::Random;

/// Seeded by the variable, or by the moment; says which, so that a failure can be had again.
pub fn seeded_by(variable: &str) -> Random {
    let nanoseconds = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number(variable).unwrap_or(u64::from(nanoseconds));
    eprintln!("  {variable}={seed}");
    Random::new(seed)
}

/// A number from the environment.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
