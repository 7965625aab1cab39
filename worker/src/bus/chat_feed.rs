//! Feeds events to chat one at a time and in order; each is acknowledged after it was posted.

use std::future::Future;
use std::time::{Duration, Instant};

use drawgate_schemas::StatusEvent;
use drawgate_schemas::topology::CHAT_QUEUE;
use lapin::message::Delivery;
use tokio::sync::watch;

use super::consume::{self, Next, OnDelivery, Queue};
use super::stop::Stop;
use super::{Bus, limits};
use crate::Causes;

/// The result of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// The webhook took the event, or the event is not to be posted.
    Done,
    /// The post failed for now: post the same event again after this pause.
    Again(Duration),
}

pub trait ChatHandler: Send {
    /// Posts one event. The same event may come again.
    fn post(&mut self, event: &StatusEvent) -> impl Future<Output = Posted> + Send;
}

impl Bus {
    /// Feeds chat until told to stop. The feed has a consumer of its own, so nothing else waits for it.
    pub async fn feed_chat(&self, handler: &mut impl ChatHandler, stop: watch::Receiver<bool>) {
        let queue = Queue {
            name: CHAT_QUEUE.to_owned(),
            prefetch: 1,
        };
        consume::run(&self.chat, &queue, &mut Stop::new(stop), &mut Feed { handler }).await;
    }
}

struct Feed<'a, H> {
    handler: &'a mut H,
}

impl<H: ChatHandler> OnDelivery for Feed<'_, H> {
    async fn on(&mut self, delivery: &Delivery, stop: &mut Stop) -> Next {
        let event: StatusEvent = match serde_json::from_slice(&delivery.data) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(
                    error = %Causes(&error),
                    "what is not an event was in the chat queue, and was dropped"
                );
                return Next::Ack;
            }
        };
        let began = Instant::now();
        loop {
            match self.handler.post(&event).await {
                Posted::Done => return Next::Ack,
                Posted::Again(pause) if began.elapsed() + pause < limits::CHAT_HOLD => {
                    // After a lost channel the broker delivers the event anew.
                    if !stop.sleep(pause).await || !delivery.acker.usable() {
                        return Next::GiveBack;
                    }
                }
                Posted::Again(pause) => {
                    stop.sleep(pause).await;
                    return Next::GiveBack;
                }
            }
        }
    }
}
