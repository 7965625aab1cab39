//! Changes to the lab's fleet, and looks at it, past the worker and its adapters: AWS's API spoken by hand,
//! `docker` on a host's own socket, signals, and the lab's own API.
//!
//! The lab recognises calls with its own user agent: it does not count them as the worker's, and its faults
//! do not strike them. It checks no signature, and goes by the credential's scope alone.

use drawgate_lab::lab::Lab;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::HOSTS;

/// The user agent by which the lab tells these calls from a worker's.
const USER_AGENT: &str = "drawgate-lab";

/// The name of an engine's process.
const ENGINE: &str = "dockerd";

/// A call of AWS's query protocol.
pub(crate) struct Query {
    service: &'static str,
    version: &'static str,
    form: Vec<(String, String)>,
}

impl Query {
    /// A call of Auto Scaling.
    pub(crate) fn autoscaling(action: &str) -> Self {
        Self::of("autoscaling", "2011-01-01", action)
    }

    /// A call of Elastic Load Balancing.
    pub(crate) fn balancer(action: &str) -> Self {
        Self::of("elasticloadbalancing", "2015-12-01", action)
    }

    /// A call of CloudWatch.
    pub(crate) fn cloudwatch(action: &str) -> Self {
        Self::of("monitoring", "2010-08-01", action)
    }

    /// A call of EC2.
    pub(crate) fn ec2(action: &str) -> Self {
        Self::of("ec2", "2016-11-15", action)
    }

    fn of(service: &'static str, version: &'static str, action: &str) -> Self {
        let form = vec![("Action".to_owned(), action.to_owned())];
        Self {
            service,
            version,
            form,
        }
    }

    /// Adds a parameter to the call.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.form.push((name.into(), value.into()));
        self
    }
}

/// The lab, reached past the worker.
pub(crate) struct Outside {
    pub(crate) lab: Lab,
    endpoint: String,
    region: String,
    http: reqwest::Client,
}

impl Outside {
    pub(crate) fn of(lab: Lab) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("the lab sets {name}"));
        Self {
            lab,
            endpoint: variable("AWS_ENDPOINT_URL"),
            region: variable("AWS_REGION"),
            http: reqwest::Client::builder()
                .no_proxy()
                .user_agent(USER_AGENT)
                .build()
                .unwrap(),
        }
    }

    fn request(&self, service: &str) -> reqwest::RequestBuilder {
        let scope = format!("test/20260101/{}/{service}/aws4_request", self.region);
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        self.http
            .post(format!("{}/", self.endpoint.trim_end_matches('/')))
            .header("Authorization", signature)
    }

    async fn text(what: &str, request: reqwest::RequestBuilder) -> String {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{what}: {status} {text}");
        text
    }

    /// Makes this call, which has to succeed.
    pub(crate) async fn call(&self, query: Query) {
        let mut body: Vec<String> = vec![format!("Version={}", query.version)];
        body.extend(
            query
                .form
                .iter()
                .map(|(name, value)| format!("{name}={}", encoded(value))),
        );
        let request = self
            .request(query.service)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        Self::text(&query.form[0].1, request).await;
    }

    async fn parameter_store(&self, action: &str, body: &Value) -> reqwest::Response {
        let request = self
            .request("ssm")
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", format!("AmazonSSM.{action}"))
            .body(body.to_string());
        request.send().await.unwrap()
    }

    /// A parameter's value; `None` where the parameter does not exist.
    pub(crate) async fn parameter(&self, name: &str) -> Option<String> {
        let answer = self.parameter_store("GetParameter", &json!({"Name": name})).await;
        let seen: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        seen.pointer("/Parameter/Value")
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// Gives a parameter a value, or deletes it.
    pub(crate) async fn set_parameter(&self, name: &str, value: Option<&str>) {
        let answer = match value {
            Some(value) => {
                let body = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
                self.parameter_store("PutParameter", &body).await
            }
            None => {
                self.parameter_store("DeleteParameter", &json!({"Name": name}))
                    .await
            }
        };
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
    }

    /// Makes the next `count` calls of this action meet this fault.
    pub(crate) async fn fault(&self, action: &str, mode: &str, count: u32) {
        self.lab.fault(action, mode, count).await;
    }

    /// Ends all faults, and answers the calls that the lab holds back.
    pub(crate) async fn clear_faults(&self) {
        self.lab.clear_faults().await;
    }

    /// Runs `docker` on a host, which has to succeed; gives its output.
    pub(crate) async fn docker(&self, host: &str, arguments: &[&str]) -> String {
        let (said, error) = self.try_docker(host, arguments).await;
        assert!(error.is_none(), "docker {arguments:?} on {host}: {error:?}");
        said
    }

    /// Runs `docker` on a host; gives its output, and the error, if it failed.
    pub(crate) async fn try_docker(&self, host: &str, arguments: &[&str]) -> (String, Option<String>) {
        let socket = self.lab.folder().join("hosts").join(host).join("docker.sock");
        let done = Command::new("docker")
            .env("HOME", self.lab.folder())
            .arg("-H")
            .arg(format!("unix://{}", socket.display()))
            .args(arguments)
            .output()
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let error = (!done.status.success()).then(|| text(&done.stderr));
        (text(&done.stdout), error)
    }

    /// Sends a signal to a host's engine, which has to run.
    pub(crate) async fn signal_engine(&self, host: &str, signal: &str) {
        self.lab.signal_on(host, ENGINE, signal).await;
    }

    /// Sends a signal to the registry.
    pub(crate) async fn signal_registry(&self, signal: &str) {
        self.lab.signal_part("registry", signal).await;
    }

    /// Continues the registry and all engines, which a signal may have stopped.
    pub(crate) async fn wake(&self) {
        self.signal_registry("CONT").await;
        for host in HOSTS {
            self.lab.try_signal_on(host, ENGINE, "CONT").await;
        }
    }
}

/// Encodes text for a form: everything except letters and digits by its number.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
