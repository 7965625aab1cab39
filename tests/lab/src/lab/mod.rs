//! The lab's own API, and the state of the world that it shows.

mod api;
mod aws;
mod boot;
mod faults;
mod fleet;
mod hosts;
mod images;
mod rates;
mod targets;
mod world;

pub use api::Lab;
pub use boot::Boot;
pub use fleet::{Fleet, HOSTS, Instance, TWO, TargetGroup, hosts};
pub use rates::{Bucket, Rates, Requests};
pub use world::Crowd;
