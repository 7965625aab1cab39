//! A service file with times as short as the configuration allows.

use std::fmt::Write as _;

/// The contents of a test's service file. A test may change every field before it is written.
#[derive(Debug, Clone)]
pub struct Service {
    /// The name of the service, its container and its repository, and the prefix of its fleet's name.
    pub name: String,
    /// `auto_scaling_group = …`, or `[fleet]` with its body.
    pub fleet: String,
    /// Hosts out at once, as TOML writes it: `1`, `"25%"`.
    pub max_unavailable: String,
    /// More lines of `[roll]`.
    pub roll: String,
    /// Whether all hosts may be out at once.
    pub allow_outage: bool,
    /// How long a host stays healthy before it counts.
    pub min_healthy_time: String,
    /// Least time between deregistering a host and stopping its container.
    pub min_drain: String,
    /// Time between two looks at target health.
    pub poll_interval: String,
    /// Longest wait for a drain beyond the deregistration delay.
    pub drain_timeout: String,
    /// Longest wait for health.
    pub healthy_timeout: String,
    pub ports: Vec<String>,
    /// More lines of `[container]`.
    pub container: String,
    /// More lines of `[alarms]`.
    pub alarms: String,
    /// The body of `[verify]`; without it, the container only has to run.
    pub verify: Option<String>,
    /// More sections at the end.
    pub more: String,
}

impl Service {
    /// A service on the Auto Scaling group `NAME-staging`, on port 8080, checked by `GET /health`.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fleet: format!("auto_scaling_group = \"{name}-{{environment}}\""),
            max_unavailable: "1".to_owned(),
            roll: String::new(),
            allow_outage: false,
            min_healthy_time: "200ms".to_owned(),
            min_drain: "500ms".to_owned(),
            poll_interval: "200ms".to_owned(),
            drain_timeout: "20s".to_owned(),
            healthy_timeout: "30s".to_owned(),
            ports: vec!["8080:8080".to_owned()],
            container: String::new(),
            alarms: String::new(),
            verify: Some("http = { path = \"/health\", port = 8080 }".to_owned()),
            more: String::new(),
        }
    }

    /// The same service, with its desired version published.
    #[must_use]
    pub fn publishing(mut self) -> Self {
        self.fleet += "\nwanted_parameter = \"/drawgate/wanted/{environment}/{service}\"";
        self
    }

    /// The same on another port of the hosts.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.ports = vec![format!("{port}:8080")];
        self.verify = Some(format!("http = {{ path = \"/health\", port = {port} }}"));
        self
    }

    /// With this many hosts out at once.
    #[must_use]
    pub fn at_once(mut self, hosts: u32) -> Self {
        self.max_unavailable = hosts.to_string();
        self
    }

    pub fn to_toml(&self, registry: &str) -> String {
        let Self {
            name,
            fleet,
            max_unavailable,
            roll,
            allow_outage,
            min_healthy_time,
            min_drain,
            poll_interval,
            ..
        } = self;
        let Self {
            drain_timeout,
            healthy_timeout,
            ports,
            container,
            alarms,
            ..
        } = self;
        let mut text = format!(
            "service = \"{name}\"\nenvironments = [\"staging\", \"personal-*\"]\n{fleet}\n\n\
             [roll]\nmax_unavailable = {max_unavailable}\nallow_outage = {allow_outage}\n\
             min_healthy_time = \"{min_healthy_time}\"\nmin_drain = \"{min_drain}\"\ndrain_timeout = \"{drain_timeout}\"\n\
             healthy_timeout = \"{healthy_timeout}\"\npoll_interval = \"{poll_interval}\"\nmin_disk_free = \"64MiB\"\n{roll}\n\n\
             [container]\nname = \"{name}\"\nports = {ports:?}\nstop_timeout = \"3s\"\n{container}\n\n\
             [alarms]\nsilence = [\"{name}-*\"]\n{alarms}\n\n[policy]\nimages = [\"{registry}/{name}\"]\n"
        );
        if let Some(verify) = &self.verify {
            let timing = "attempts = 20\ninterval = \"100ms\"\ntimeout = \"2s\"";
            let timing = if verify.contains("attempts") { "" } else { timing };
            let _ = write!(text, "\n[verify]\n{verify}\n{timing}\n");
        }
        let _ = write!(text, "\n{}\n", self.more);
        text
    }
}
