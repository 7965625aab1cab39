//! Typical mistakes, each with exactly what `check` says about it. A service file's lines count from 6, after
//! [`HEAD`].

mod alarms;
mod container;
mod gates;
mod keys;
mod preflight;
mod programs;
mod roll;
mod service;
mod verify;
mod worker;

use super::{HEAD, WORKER, checked};

fn checked_file(text: &str) -> String {
    checked(WORKER, &[("api.toml", text)])
}

fn checked_worker(text: &str) -> String {
    checked(text, &[("api.toml", HEAD)])
}
