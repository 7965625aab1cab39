//! Whether newer releases supersede those that wait.

use serde::{Deserialize, Serialize};

/// Which newer releases of a target supersede those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supersede {
    /// Releases of a later build, where both releases name their build.
    #[default]
    ByBuild,
    /// The same, and where a release names no build, releases that came later.
    ByArrival,
    /// None: every release is rolled, in the order in which they came.
    Never,
}

impl Supersede {
    /// Whether it is the default.
    pub fn is_by_build(&self) -> bool {
        *self == Self::ByBuild
    }
}
