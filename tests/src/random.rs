//! Chance that can be had again: a seed from the environment, or a new one that is told.

/// A small generator: what matters is that a failure can be had again from its seed.
pub struct Random(u64);

impl Random {
    /// From the variable, or from the moment; says which, so that it can be had again.
    pub fn seeded_by(variable: &str) -> Self {
        let nanoseconds = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let seed = number(variable).unwrap_or(u64::from(nanoseconds) | 1);
        eprintln!("  {variable}={seed}");
        Self(seed.max(1))
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A number from the environment.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
