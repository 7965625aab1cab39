//! The broker's management API.

use reqwest::{Method, Response};
use serde_json::Value;

/// The management API. Its address has a login in it.
pub(super) struct Management {
    api: String,
    http: reqwest::Client,
}

impl Management {
    /// The API that the environment names.
    pub(super) fn of_environment() -> Option<Self> {
        Some(Self {
            api: std::env::var("LAB_RABBITMQ_API").ok()?,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        })
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, None).await;
        answer.json().await.unwrap()
    }

    pub(super) async fn put(&self, path: &str, body: &Value) {
        self.call(Method::PUT, path, Some(body)).await;
    }

    pub(super) async fn delete(&self, path: &str) {
        self.call(Method::DELETE, path, None).await;
    }

    /// Deletes what may not be there.
    pub(super) async fn try_delete(&self, path: &str) {
        self.send(Method::DELETE, path, None).await;
    }

    pub(super) async fn has(&self, path: &str) -> bool {
        self.send(Method::GET, path, None).await.status().is_success()
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let answer = self.send(method.clone(), path, body).await;
        assert!(
            answer.status().is_success(),
            "{method} {path}: {}",
            answer.status()
        );
        answer
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.http.request(method, format!("{}/{path}", self.api));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }
}
