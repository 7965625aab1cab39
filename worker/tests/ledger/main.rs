//! The ledger on a real file: each message once, fenced by epochs, in order, and whole after a kill.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod acceptance;
mod disk;
mod entries;
mod file;
mod fixtures;
mod gates;
mod kill;
mod lanes;
mod leases;
mod locks;
mod outbox;
mod sequence;
