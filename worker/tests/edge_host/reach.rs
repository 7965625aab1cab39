//! The lab's hosts, and how they are reached.

use std::error::Error;
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::host::{HostSettings, Hosts};

pub(crate) const H1: &str = "10.77.0.11";
pub(crate) const H2: &str = "10.77.0.12";
pub(crate) const H3: &str = "10.77.0.13";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn settings(lab: &Lab) -> HostSettings {
    HostSettings {
        config_file: Some(lab.ssh_config()),
        ..HostSettings::default()
    }
}

pub(crate) fn hosts(lab: &Lab) -> Hosts {
    Hosts::new(settings(lab)).unwrap()
}

pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
