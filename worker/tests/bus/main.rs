//! The bus against a real RabbitMQ: whatever breaks, nothing is lost or acknowledged too early, and order is
//! kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod books;
mod chat;
mod connecting;
mod dead_letters;
mod fixtures;
mod heard;
mod intake;
mod questions;
mod queues;
mod relay;
mod releases;
mod restart;
mod site;
mod tasks;
