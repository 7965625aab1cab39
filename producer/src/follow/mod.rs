//! Follows a release: puts its events in order without a gap (`reorder`, pure), over lost connections
//! (`stream`).

mod reorder;
mod stream;

pub(crate) use reorder::Follower;
pub(crate) use stream::{FollowError, Watching, tell};
