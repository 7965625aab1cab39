//! The host adapter against the lab's hosts: real sshd, real Docker engines, a real registry. With
//! `DRAWGATE_LAB_ENGINES=0` it is also the contract of the lab's model engines.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests; measurements go to stderr"
)]

mod connections;
mod containers;
mod host_keys;
mod images;
mod outages;
mod probes;
mod processes;
mod reach;
mod service;
