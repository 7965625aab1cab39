//! A swap by the service's own programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hooks::Surroundings;
use super::secrets::SecretReference;
use super::verify::{Probe, VerifyDefinition};

/// A swap by programs of the service's own: a script on each host, or `kubectl` or `helm` on the bastion.
/// Each program has to be safe to run again after it was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDefinition {
    /// Where they run.
    pub place: CommandPlace,
    /// Brings the desired version: program and arguments, with placeholders.
    pub deploy: Vec<String>,
    /// Brings the previous version back; `{previous}` is what [`Self::version`] printed at the start.
    pub rollback: Vec<String>,
    /// Tells which version runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionDefinition>,
    /// Environment variables, beside `DRAWGATE_TAG` and the like.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values a secret store keeps. On the bastion only, because on a host they
    /// would stand in the list of processes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretReference>,
    /// Milliseconds that a deploy or a rollback may take; then it is ended, and has failed.
    pub timeout_ms: u64,
}

/// Where the programs of a command run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandPlace {
    /// On each host, over SSH.
    Host {
        /// The working directory; the login's home where absent.
        directory: Option<String>,
    },
    /// On the bastion.
    Worker(Surroundings),
}

/// How the version that runs is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionDefinition {
    /// Program and arguments, without placeholders, because it is asked before anything is known of a
    /// release. The one line that it prints is the version.
    pub run: Vec<String>,
    /// What it prints where the desired version runs, with placeholders. Where absent, the printed version
    /// serves the rollback and nothing else: the number of a Helm revision does not say what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

impl CommandDefinition {
    /// Every word that a release fills in.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        let is = self.version.iter().flat_map(|version| &version.is);
        self.deploy.iter().chain(&self.rollback).chain(is)
    }

    /// Whether the image's digest is asked for: without a container, only programs that name it need it.
    pub fn names_digest(&self, verify: &VerifyDefinition) -> bool {
        let checked: &[String] = match &verify.probe {
            Probe::Command(words) => words,
            _ => &[],
        };
        let names =
            |word: &String| crate::definition::placeholders::uses(std::slice::from_ref(word), "digest");
        self.words().chain(checked).any(names)
    }
}
