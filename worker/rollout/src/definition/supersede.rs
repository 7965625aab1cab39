//! Whether newer releases supersede those that wait.

use serde::{Deserialize, Serialize};

/// Which newer releases of a target take the place of those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supersede {
    /// Those of a later build, where both say which they are of.
    #[default]
    ByBuild,
    /// These, and where one does not say it, those that came later.
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
