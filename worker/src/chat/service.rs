//! The chat systems, and the request body that each expects.

use super::render::Post;
use super::slack;

/// The chat systems that can be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Slack's incoming webhooks (Mattermost and Rocket.Chat take the same).
    SlackWebhook,
}

impl Service {
    /// The request body for a post.
    pub fn body(self, post: &Post) -> serde_json::Value {
        match self {
            Self::SlackWebhook => slack::body(post),
        }
    }
}
