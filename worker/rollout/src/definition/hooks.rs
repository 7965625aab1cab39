//! What the service's file has done once per release: before the first host, and after the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[before]`: a program in a one-off container of the release's image, on one host, once (a migration, as a
/// rule). It is never begun a second time, whatever became of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeDefinition {
    /// Program and arguments, with placeholders.
    pub run: Vec<String>,
    /// Environment variables beside the service's own, and before them.
    pub env: BTreeMap<String, String>,
    /// Whether the previous version can run with what this program did. `false`: once it has run, no host
    /// that serves the new version is rolled back without a person.
    pub reversible: bool,
    /// Milliseconds it may take; then it is stopped, and has failed.
    pub timeout_ms: u64,
}

/// `[after]`: a program that has the last word (browser tests, as a rule), when every host runs the new
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterDefinition {
    /// Program and arguments, with placeholders.
    pub run: Vec<String>,
    /// Where it runs.
    pub place: Place,
    pub env: BTreeMap<String, String>,
    /// How often it is run before it counts as failed, at least 1.
    pub attempts: u32,
    /// Milliseconds between two attempts.
    pub interval_ms: u64,
    /// Milliseconds one attempt may take; then it is ended, and has failed.
    pub timeout_ms: u64,
    /// What its failure means.
    pub on_failure: OnFailure,
}

/// Where an `[after]` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the bastion.
    Worker(Surroundings),
    /// In a one-off container on one host.
    Container {
        /// Another image than the release's.
        image: Option<String>,
    },
}

/// What a program on the bastion finds around it, besides its arguments and `DRAWGATE_*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Its working directory; `/` where absent.
    pub directory: Option<String>,
    /// Names of variables that it gets from the worker's own environment.
    pub pass_env: Vec<String>,
}

/// What a failed `[after]` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The release has failed, and is rolled back.
    RollBack,
    /// The release has succeeded, and a warning says loudly that `[after]` failed.
    Report,
}
