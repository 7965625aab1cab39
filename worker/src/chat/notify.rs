//! Posts events, and retries.
//!
//! | answer              | meaning                   | then                                             |
//! |---------------------|---------------------------|--------------------------------------------------|
//! | 2xx                 | taken                     | remembered, acknowledged                        |
//! | 429, 408, 5xx, none | not now                   | after Retry-After, or 1, 2, 4 … s, at most 5 min |
//! | other               | the webhook is not usable | logged as an error, tried every 5 min            |

use std::time::Duration;

use drawgate_config::{SecretError, SecretSource};
use drawgate_schemas::StatusEvent;
use drawgate_schemas::limits::cut;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use uuid::Uuid;

use super::recent::Recent;
use super::{Post, Service, limits, render};
use crate::bus::{ChatHandler, Posted};
use crate::error_chain;

/// Why chat cannot be posted to. The webhook's address is a secret and is never shown.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The secret with the webhook's address cannot be read.
    #[error("the webhook's address cannot be had")]
    Secret(#[source] SecretError),
    /// The secret is not a web address.
    #[error("the webhook's address is not one; it begins with https://")]
    Address,
    /// The HTTP client could not be made.
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
}

/// Posts events to chat, each once.
#[derive(Debug)]
pub struct Chat {
    service: Service,
    webhook: SecretSource,
    client: Client,
    recent: Recent,
    tries: Tries,
}

/// How often the current event has been tried.
#[derive(Debug, Default)]
struct Tries {
    event: Uuid,
    count: u32,
}

/// The result of one request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    NotNow { asked: Option<Duration>, why: String },
    Misconfigured { why: String },
}

impl Chat {
    /// A chat that posts to this webhook.
    ///
    /// # Errors
    /// When the address cannot be read or is not one. If it becomes unusable later, only the log says so.
    pub fn new(webhook: SecretSource) -> Result<Self, ChatError> {
        address(&webhook)?;
        let client = Client::builder()
            .timeout(limits::POST_TIMEOUT)
            // A redirect would turn the POST into a GET, or send it to another server.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(ChatError::Client)?;
        Ok(Self {
            service: Service::SlackWebhook,
            webhook,
            client,
            recent: Recent::default(),
            tries: Tries::default(),
        })
    }

    async fn post_once(&mut self, id: Uuid, post: &Post) -> Posted {
        match self.request(post).await {
            Answer::Taken => {
                self.recent.add(id);
                Posted::Done
            }
            Answer::NotNow { asked, why } => self.later(asked, &why),
            Answer::Misconfigured { why } => {
                tracing::error!(
                    "chat does not take posts: {why}; check [chat] in worker.toml. Events wait for it"
                );
                Posted::Again(limits::PAUSE_LAST)
            }
        }
    }

    async fn request(&self, post: &Post) -> Answer {
        let url = match address(&self.webhook) {
            Ok(url) => url,
            Err(error) => {
                return Answer::Misconfigured {
                    why: error_chain(&error),
                };
            }
        };
        match self.client.post(url).json(&self.service.body(post)).send().await {
            Ok(response) => judge(response).await,
            // The address is a secret, so the error is logged without it.
            Err(error) => Answer::NotNow {
                asked: None,
                why: error_chain(&error.without_url()),
            },
        }
    }

    fn later(&mut self, asked: Option<Duration>, why: &str) -> Posted {
        let pause = pause(self.tries.count, asked);
        if self.tries.count == 0 {
            tracing::warn!("a chat post was not taken, trying on: {why}");
        }
        self.tries.count = self.tries.count.saturating_add(1);
        Posted::Again(pause)
    }
}

impl ChatHandler for Chat {
    async fn post(&mut self, event: &StatusEvent) -> Posted {
        let Some(post) = render(event).filter(|_| !self.recent.has(event.id)) else {
            return Posted::Done;
        };
        if self.tries.event != event.id {
            self.tries = Tries {
                event: event.id,
                count: 0,
            };
        }
        let age = Timestamp::now().duration_since(event.at);
        if age.unsigned_abs() > limits::POST_AGE && age.is_positive() {
            tracing::warn!(event = %event.id, "a chat post waited for a day and is dropped");
            return Posted::Done;
        }
        self.post_once(event.id, &post).await
    }
}

fn address(webhook: &SecretSource) -> Result<Url, ChatError> {
    let secret = webhook.read().map_err(ChatError::Secret)?;
    let url = Url::parse(secret.expose()).map_err(|_| ChatError::Address)?;
    if matches!(url.scheme(), "https" | "http") {
        Ok(url)
    } else {
        Err(ChatError::Address)
    }
}

async fn judge(response: Response) -> Answer {
    let (status, asked) = (response.status(), retry_after(response.headers()));
    if status.is_success() {
        return Answer::Taken;
    }
    // Slack's body names the mistake in a word, such as no_service or channel_is_archived.
    let words = response.text().await.unwrap_or_default();
    sort(status, asked, &words)
}

fn sort(status: StatusCode, asked: Option<Duration>, words: &str) -> Answer {
    let why = format!("{status} {}", cut(words.trim(), limits::ANSWER_CHARS));
    let passes = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
    );
    if passes || status.is_server_error() {
        Answer::NotNow { asked, why }
    } else {
        Answer::Misconfigured { why }
    }
}

/// The Retry-After header in seconds, as Slack writes it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

fn pause(tries: u32, asked: Option<Duration>) -> Duration {
    let doubled = limits::PAUSE_FIRST.saturating_mul(1 << tries.min(16));
    asked
        .unwrap_or(doubled)
        .max(limits::PAUSE_FIRST)
        .min(limits::PAUSE_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_heed_what_is_asked() {
        let seconds = |tries, asked: Option<u64>| pause(tries, asked.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [0, 1, 2, 8, 30].map(|tries| seconds(tries, None)),
            [1, 2, 4, 256, 300]
        );
        assert_eq!([0, 30, 3600].map(|asked| seconds(5, Some(asked))), [1, 30, 300]);
    }

    #[test]
    fn answers_are_sorted() {
        let taken = |status: u16| match sort(StatusCode::from_u16(status).unwrap(), None, "") {
            Answer::Taken => "taken",
            Answer::NotNow { .. } => "not now",
            Answer::Misconfigured { .. } => "misconfigured",
        };
        for status in [408, 429, 500, 502, 503] {
            assert_eq!(taken(status), "not now", "{status}");
        }
        for status in [301, 400, 403, 404, 410] {
            assert_eq!(taken(status), "misconfigured", "{status}");
        }
    }
}
