//! Chat: one post for each notable event of a release, in the order of the events, each once.
//!
//! ```text
//! event -> render() -> Post -> slack::body() -> POST -> 2xx -> remembered -> ack
//!                                                  else -> the same again, later
//! ```
//!
//! `Post` knows no chat system. Another system, or a message that is edited while the release rolls
//! (`Post::release` ties its posts together), is another arm of [`Service`]. A chat that is down delays its
//! own queue and nothing else.

pub mod limits;
mod notify;
mod recent;
mod render;
mod service;
mod slack;

pub use notify::{Chat, ChatError};
pub use render::{KINDS, Part, Post, Tone, render};
pub use service::Service;
