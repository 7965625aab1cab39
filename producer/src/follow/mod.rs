//! Follows a release: puts its events in order without a gap (`reorder`, pure), over lost connections
//! (`stream`), until it ends or the person does not wait any longer (`stop`).

mod reorder;
mod stop;
mod stream;

pub(crate) use reorder::Follower;
pub(crate) use stop::{Stage, Stopped, stop};
pub(crate) use stream::{FollowError, Watching, tell};
