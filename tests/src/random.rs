//! Random numbers that can be repeated: the seed comes from the environment, or is new and printed.

pub use drawgate_rehearsal::Random;

/// Seeds the generator from the variable, or from the clock; prints the seed, so that a failure can be
/// repeated.
pub fn seeded_by(variable: &str) -> Random {
    let nanoseconds = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number(variable).unwrap_or(u64::from(nanoseconds));
    eprintln!("  {variable}={seed}");
    Random::new(seed)
}

/// The number in an environment variable.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
