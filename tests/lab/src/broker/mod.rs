//! The broker: a virtual host for one test, and what a test does and sees there.

pub mod address;
mod client;
mod connection;
mod dead_letters;
mod events;
mod management;
mod policies;
mod publish;
mod queues;
mod vhost;

pub use client::{Client, next, silence};
pub use dead_letters::DeadLetter;
pub use vhost::Broker;
