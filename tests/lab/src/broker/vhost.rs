//! A virtual host of the broker for one test: who may use it, and its end.

use lapin::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::address;
use super::connection;
use super::management::Management;

/// People with a login of their own, in addition to `drawgate` and `ci`.
const PEOPLE: [&str; 2] = ["anna", "ben"];

fn password_of(person: &str) -> String {
    format!("{person}-password")
}

/// A virtual host, and a connection to it.
pub struct Broker {
    pub(super) vhost: String,
    pub(super) url: String,
    pub(super) management: Management,
    pub(super) connection: Connection,
}

impl Broker {
    /// Creates a virtual host with rights for the address's user; `None`, with a line on stderr, where no
    /// broker is configured.
    pub async fn new() -> Option<Self> {
        Self::named(&format!("test-{}", Uuid::now_v7().simple())).await
    }

    /// The same under a name of its own, in place of what an earlier run left there.
    pub async fn named(vhost: &str) -> Option<Self> {
        let (Ok(url), Some(management)) = (std::env::var("DRAWGATE_AMQP_URL"), Management::of_environment())
        else {
            eprintln!("skipped: DRAWGATE_AMQP_URL and LAB_RABBITMQ_API are not set");
            return None;
        };
        let path = format!("vhosts/{vhost}");
        management.try_delete(&path).await;
        management.put(&path, &json!({})).await;
        let user = format!("permissions/{vhost}/{}", address::user(&url));
        management.put(&user, &rights(".*", ".*")).await;
        let url = address::in_vhost(&url, vhost);
        Some(Self {
            vhost: vhost.to_owned(),
            management,
            connection: connection::open(&url).await,
            url,
        })
    }

    /// Creates a virtual host with rights for every login; panics outside the lab.
    pub async fn with_people() -> Self {
        let broker = Self::new().await;
        let broker = broker.expect("end-to-end tests run inside the lab: run with `make test`");
        for person in PEOPLE {
            let user = json!({"password": password_of(person), "tags": ""});
            broker.management.put(&format!("users/{person}"), &user).await;
        }
        for user in ["ci"].into_iter().chain(PEOPLE) {
            broker.permit(user, ".*", ".*").await;
        }
        broker
    }

    /// The broker's address with the virtual host.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The broker's address with the virtual host, for a user.
    pub fn url_of(&self, user: &str) -> String {
        if user == "drawgate" {
            return self.url.clone();
        }
        address::with_login(&self.url, user, &password_of(user))
    }

    /// The name of the virtual host.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// What the broker's management API answers for this path.
    pub async fn get(&self, path: &str) -> Value {
        self.management.get(path).await
    }

    /// Sets what a user may write and read from now on, as patterns. The broker caches its answer for each
    /// channel.
    pub async fn permit(&self, user: &str, write: &str, read: &str) {
        let path = format!("permissions/{}/{user}", self.vhost);
        self.management.put(&path, &rights(write, read)).await;
    }

    /// Removes the virtual host and all that is in it.
    pub async fn delete(self) {
        let _ = self.connection.close(200, "the test is over".into()).await;
        self.management.delete(&format!("vhosts/{}", self.vhost)).await;
    }
}

fn rights(write: &str, read: &str) -> Value {
    json!({"configure": ".*", "write": write, "read": read})
}
