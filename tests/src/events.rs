//! Every status event of a virtual host, as it arrives.

use std::time::Duration;

use drawgate_schemas::{Direction, Ended, Event, HostPhase, ReleaseId, StatusEvent};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};

use crate::wait::{until_for, within};

/// Keeps an event unless it was heard before.
fn keep(heard: &watch::Sender<Vec<StatusEvent>>, body: &[u8]) -> StatusEvent {
    let event: StatusEvent = serde_json::from_slice(body).expect("a status event");
    heard.send_if_modified(|all| {
        let new = !all.iter().any(|other| other.id == event.id);
        if new {
            all.push(event.clone());
        }
        new
    });
    event
}

/// The events heard so far. An event that the relay sent twice is kept once.
pub struct Events {
    heard: watch::Receiver<Vec<StatusEvent>>,
}

impl Events {
    /// Listens until the consumer ends.
    pub fn listen(mut consumer: lapin::Consumer) -> Self {
        let (sender, heard) = watch::channel(Vec::<StatusEvent>::new());
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                let event = keep(&sender, &delivery.data);
                let key = drawgate_schemas::topology::event_key(&event);
                assert_eq!(delivery.routing_key.as_str(), key, "an event under another key");
            }
        });
        Self { heard }
    }

    /// Listens to the events of [`lasting_events`](crate::Broker::lasting_events).
    pub fn through(mut bodies: mpsc::UnboundedReceiver<Vec<u8>>) -> Self {
        let (sender, heard) = watch::channel(Vec::<StatusEvent>::new());
        tokio::spawn(async move {
            while let Some(body) = bodies.recv().await {
                keep(&sender, &body);
            }
        });
        Self { heard }
    }

    /// All events so far, in the order of their arrival.
    pub fn all(&self) -> Vec<StatusEvent> {
        self.heard.borrow().clone()
    }

    /// All events of one release so far.
    pub fn of(&self, id: ReleaseId) -> Vec<StatusEvent> {
        self.all()
            .into_iter()
            .filter(|event| event.release == Some(id))
            .collect()
    }

    /// The last event of one release so far.
    pub fn last(&self, id: ReleaseId) -> Option<StatusEvent> {
        let heard = self.heard.borrow();
        heard
            .iter()
            .rev()
            .find(|event| event.release == Some(id))
            .cloned()
    }

    /// Waits for the first event, past or future, for which `find` gives something.
    pub async fn find<T>(&self, what: &str, find: impl Fn(&StatusEvent) -> Option<T>) -> T {
        let mut heard = self.heard.clone();
        let all = async {
            heard
                .wait_for(|all| all.iter().any(|event| find(event).is_some()))
                .await
                .map(|all| all.clone())
        };
        let all = within(what, all)
            .await
            .unwrap_or_else(|_| panic!("the events ended before: {what}"));
        all.iter().find_map(find).expect("it was there")
    }

    /// Waits for a release's end for up to `limit`, when the roll takes longer than an undisturbed one.
    pub async fn end_within(&self, id: ReleaseId, limit: Duration) -> Ended {
        until_for(limit, &format!("the end of {id}"), || async {
            self.of(id).iter().find_map(|event| match &event.event {
                Event::Ended(ended) => Some(ended.as_ref().clone()),
                _ => None,
            })
        })
        .await
    }

    /// Waits for a release's end.
    pub async fn end(&self, id: ReleaseId) -> Ended {
        self.find(&format!("the end of {id}"), |event| match &event.event {
            Event::Ended(ended) if event.release == Some(id) => Some(ended.as_ref().clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a release's event of this kind: `started`, `staged`, `suspended`, …
    pub async fn kind(&self, id: ReleaseId, kind: &str) -> StatusEvent {
        let is = |event: &StatusEvent| {
            (event.release == Some(id) && event.event.kind().name() == kind).then(|| event.clone())
        };
        self.find(&format!("{kind} of {id}"), is).await
    }

    /// Waits until any host begins a phase; gives its instance.
    pub async fn phase(&self, id: ReleaseId, direction: Direction, phase: HostPhase) -> String {
        self.nth_phase(id, direction, phase, 1).await
    }

    /// Waits until the n-th host (from 1) begins a phase; gives its instance.
    pub async fn nth_phase(&self, id: ReleaseId, direction: Direction, phase: HostPhase, n: usize) -> String {
        let mut heard = self.heard.clone();
        let nth = |all: &Vec<StatusEvent>| {
            let mut hosts: Vec<String> = Vec::new();
            for event in all.iter().filter(|event| event.release == Some(id)) {
                if let Event::Host(host) = &event.event
                    && (host.direction, host.phase) == (direction, phase)
                    && !hosts.contains(&host.instance)
                {
                    hosts.push(host.instance.clone());
                }
            }
            hosts.get(n - 1).cloned()
        };
        let what = format!("{direction:?} {phase:?} of host {n}");
        let all = async {
            heard
                .wait_for(|all| nth(all).is_some())
                .await
                .map(|all| all.clone())
        };
        let all = within(&what, all)
            .await
            .unwrap_or_else(|_| panic!("the events ended before: {what}"));
        nth(&all).expect("it was there")
    }
}
