//! The AWS adapter against the lab's AWS API.
#![allow(clippy::unwrap_used, reason = "tests")]

mod alarms;
mod errors;
mod fixtures;
mod groups;
mod log_alarms;
mod pages;
mod parameters;
mod policy;
mod rates;
mod registries;
mod targets;
