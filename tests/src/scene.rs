//! The setting of a test, and the judgement that each of its releases has to pass.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use drawgate_schemas::{Ended, Outcome, ReleaseId, topology};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::broker::Broker;
use crate::events::Events;
use crate::lab::{Fleet, Lab};
use crate::oracle::{self, Look};
use crate::programs::program;
use crate::service::Service;
use crate::wait::{until, within};
use crate::worker::Worker;

/// The site of every test's worker.
const SITE: &str = "lab";

/// A fresh lab, a fresh virtual host, and a worker's configuration.
pub struct Scene {
    pub lab: Lab,
    pub broker: Broker,
    folder: TempDir,
    _stopwatch: Stopwatch,
}

/// Prints how long a test took: the standard harness does not say it, and shows a captured line only for
/// failures.
struct Stopwatch(Instant);

impl Drop for Stopwatch {
    fn drop(&mut self) {
        let took = self.0.elapsed().as_secs_f64();
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        if name != "main" {
            let _ = writeln!(std::io::stderr(), "  {took:5.1} s  {name}");
        }
    }
}

impl Scene {
    /// Begins with a lab without fleets, a virtual host without queues, and a worker without services.
    pub async fn begin() -> Self {
        let lab = Lab::fresh().await;
        let stopwatch = Stopwatch(Instant::now());
        let broker = Broker::with_people().await;
        let folder = tempfile::Builder::new().prefix("dg").tempdir().unwrap();
        for name in ["services", "run"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let scene = Self {
            lab,
            broker,
            folder,
            _stopwatch: stopwatch,
        };
        scene.configure("");
        scene
    }

    /// The folder with the worker's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `worker.toml` with `more` at its end. Unless `more` has `[orders]`, every login may give
    /// control commands.
    pub fn configure(&self, more: &str) {
        self.configure_exactly(&with_orders(more));
    }

    /// The same, without adding `[orders]`.
    pub fn configure_exactly(&self, more: &str) {
        let (url, lab, registry) = (
            self.broker.url(),
            self.lab.folder().display(),
            self.lab.registry(),
        );
        let text = format!(
            "worker = \"bastion-lab\"\nsite = \"{SITE}\"\nledger = \"ledger.sqlite\"\nservices = \"services\"\n\n\
             [amqp]\nurl = \"{url}\"\n\n[ssh]\nconfig_file = \"{lab}/ssh_config\"\nruntime_dir = \"run\"\n\n[aws]\nshare = 1.0\n\n\
             [registry.\"{registry}\"]\nusername = \"AWS\"\npassword_file = \"{lab}/registry-password\"\n\n{more}"
        );
        std::fs::write(self.folder().join("worker.toml"), text).unwrap();
    }

    /// Sets the worker's share of AWS's request rates, which is all of them otherwise.
    pub fn share(&self, share: f64) {
        let file = self.folder().join("worker.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let shared = text.replace("[aws]\nshare = 1.0", &format!("[aws]\nshare = {share:?}"));
        std::fs::write(file, shared).unwrap();
    }

    /// Writes a service's file.
    pub fn serve(&self, service: &Service) {
        std::fs::write(
            self.service_file(&service.name),
            service.to_toml(&self.lab.registry()),
        )
        .unwrap();
    }

    /// The path of a service's file.
    pub fn service_file(&self, name: &str) -> PathBuf {
        self.folder().join("services").join(format!("{name}.toml"))
    }

    /// Starts the worker, and waits until it consumes releases and control commands.
    pub async fn worker(&self) -> Worker {
        self.ready(Worker::start(self.folder())).await
    }

    async fn ready(&self, mut worker: Worker) -> Worker {
        let site = SITE.parse().unwrap();
        let queues = [topology::releases_queue(&site), topology::control_queue(&site)];
        // Releases and control commands have a connection each: one may be there before the other.
        let consumes = async {
            for queue in &queues {
                self.broker.consumed(queue).await;
            }
        };
        tokio::select! {
            () = consumes => worker,
            status = ended(&mut worker) => panic!("the worker ended with {status}:\n{}", worker.log()),
        }
    }

    /// The same with additional environment variables.
    pub async fn worker_with(&self, environment: &[(&str, &str)]) -> Worker {
        self.ready(Worker::start_with(self.folder(), "worker", environment))
            .await
    }

    /// Deletes the ledger, as if it were lost with its bastion.
    pub fn lose_ledger(&self) {
        for file in std::fs::read_dir(self.folder()).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("ledger.sqlite") {
                let path = file.path();
                let removed = match path.is_dir() {
                    true => std::fs::remove_dir_all(path),
                    false => std::fs::remove_file(path),
                };
                removed.unwrap();
            }
        }
    }

    /// Starts another worker at the same site, on the ledger of the first worker or on a new one.
    pub fn second_worker(&self, name: &str, ledger: &str) -> Worker {
        let first = std::fs::read_to_string(self.folder().join("worker.toml")).unwrap();
        let second = first
            .replace("worker = \"bastion-lab\"", &format!("worker = \"{name}\""))
            .replace("ledger = \"ledger.sqlite\"", &format!("ledger = \"{ledger}\""));
        std::fs::write(self.folder().join(format!("{name}.toml")), second).unwrap();
        Worker::start_as(self.folder(), name)
    }

    /// The queue of release messages.
    pub fn releases_queue(&self) -> String {
        topology::releases_queue(&SITE.parse().unwrap())
    }

    /// The queue with this site's copies of dead letters.
    pub fn copies_queue(&self) -> String {
        topology::dead_copies_queue(&SITE.parse().unwrap())
    }

    /// Listens to every status event from now on. A worker must have started before, because it creates the
    /// exchange.
    pub async fn events(&self) -> Events {
        Events::listen(self.broker.event_consumer().await)
    }

    /// The same, through a queue that survives failures of the broker.
    pub async fn lasting_events(&self) -> Events {
        Events::through(self.broker.lasting_events().await)
    }

    /// Puts the ledger into that folder of the test, which must exist.
    pub fn keep_ledger_in(&self, folder: &str) {
        let file = self.folder().join("worker.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let there = format!("{folder}/ledger.sqlite");
        let moved = text.replace("ledger = \"ledger.sqlite\"", &format!("ledger = \"{there}\""));
        std::fs::write(file, moved).unwrap();
        // A link for helpers that read the ledger at its usual place.
        std::os::unix::fs::symlink(there, self.folder().join("ledger.sqlite")).unwrap();
    }

    /// The image of a service under a tag.
    pub fn image(&self, service: &str, tag: &str) -> String {
        format!("{}/{service}:{tag}", self.lab.registry())
    }

    /// The image of a service by its digest, as every host runs it.
    pub fn pinned(&self, service: &str, digest: &str) -> String {
        format!("{}/{service}@{digest}", self.lab.registry())
    }

    /// Runs `drawgate-worker` with these arguments and the test's configuration, to its end.
    pub async fn drawgate_worker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("drawgate-worker"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder().join("worker.toml"));
        command.env_remove("DRAWGATE_AMQP_URL").kill_on_drop(true);
        within(
            &format!("drawgate-worker {}", arguments.join(" ")),
            command.output(),
        )
        .await
        .unwrap()
    }

    /// Runs `drawgate-worker plan` for a release of this image to staging.
    pub async fn plan(&self, service: &str, image: &str, more: &[&str]) -> Output {
        let arguments = plan_arguments(service, image);
        self.drawgate_worker(&[&arguments[..], more].concat()).await
    }

    /// Runs `drawgate` with these arguments at the test's broker.
    pub async fn drawgate(&self, arguments: &[&str]) -> Output {
        self.drawgate_as("drawgate", arguments).await
    }

    /// The same with another login at the broker.
    pub async fn drawgate_as(&self, user: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("drawgate"));
        command
            .args(arguments)
            .env("DRAWGATE_AMQP_URL", self.broker.url_of(user))
            .kill_on_drop(true);
        within(&format!("drawgate {}", arguments.join(" ")), command.output())
            .await
            .unwrap()
    }

    /// Publishes a release to staging with `drawgate publish`, which has to succeed; gives its id.
    pub async fn publish(&self, service: &str, tag: &str, more: &[&str]) -> ReleaseId {
        release_id(&self.publish_with(service, tag, more).await)
    }

    /// The same with any image of the lab's registry, named with its tag.
    pub async fn publish_image(&self, service: &str, image: &str) -> ReleaseId {
        let image = format!("{}/{image}", self.lab.registry());
        release_id(&self.publish_of(service, &image, &[]).await)
    }

    /// The same, without checking the exit code.
    pub async fn publish_with(&self, service: &str, tag: &str, more: &[&str]) -> Output {
        self.publish_of(service, &self.image(service, tag), more).await
    }

    async fn publish_of(&self, service: &str, image: &str, more: &[&str]) -> Output {
        let mut arguments = vec![
            "publish",
            "--environment",
            "staging",
            "--service",
            service,
            "--image",
            image,
        ];
        arguments.extend_from_slice(more);
        self.drawgate(&arguments).await
    }

    /// A release as `drawgate show` reads it from the worker's ledger.
    pub async fn show(&self, id: ReleaseId) -> Value {
        let output = self
            .drawgate(&["show", "--logs", "--format", "json", &id.to_string()])
            .await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("drawgate show {id}: {error}"))
    }

    /// The journal of a release, read from the ledger's file.
    pub async fn journal(&self, id: ReleaseId) -> Vec<Value> {
        const READ: &str = "import json, sqlite3, sys\n\
            rows = sqlite3.connect(sys.argv[1]).execute(\
            'SELECT entry FROM journal WHERE release_id = ? ORDER BY n', (sys.argv[2],))\n\
            print(json.dumps([json.loads(row[0]) for row in rows]))";
        let ledger = self.folder().join("ledger.sqlite");
        let output = Command::new("python3")
            .args(["-c", READ])
            .arg(ledger)
            .arg(id.to_string())
            .output()
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Creates a fleet `NAME-staging` on these hosts behind `NAME-8080` on port 8100, without containers. A
    /// person has suspended one process, and one of two alarms was off before.
    pub async fn fleet(&self, name: &str, hosts: &[&str]) -> Fleet {
        self.lab.fleet(fleet_spec(name, hosts, &[(8080, 8100)])).await
    }

    /// The same with version `v1` on every host, in containers that another tool made, and healthy.
    pub async fn fleet_on_v1(&self, name: &str, hosts: &[&str]) -> Fleet {
        self.v1(name, hosts, &["-p", "8080:8080"]).await;
        let fleet = self.fleet(name, hosts).await;
        self.lab.all_targets(&fleet, "healthy").await;
        fleet
    }

    /// Runs version `v1` on these hosts, in containers as another tool makes them: no labels, `always`, by
    /// tag.
    pub async fn v1(&self, name: &str, hosts: &[&str], ports: &[&str]) {
        self.lab.image(name, "v1", "v1", "ok").await;
        let arguments = [ports, &["--restart", "always"]].concat();
        self.lab
            .run_by_hand(hosts, &self.image(name, "v1"), name, &arguments)
            .await;
    }

    /// Judges a release that has ended: it has this outcome, AWS is as before, and events, journal and `show`
    /// agree without a gap.
    pub async fn judge(&self, events: &Events, id: ReleaseId, outcome: Outcome, before: &Look) -> Ended {
        let ended = self.judge_telling(events, id, outcome).await;
        Look::at(&self.lab).await.assert_aws_as(before);
        ended
    }

    /// The same without AWS, for fleets that the release changes.
    pub async fn judge_telling(&self, events: &Events, id: ReleaseId, outcome: Outcome) -> Ended {
        let ended = events.end(id).await;
        let events = events.of(id);
        let story = || serde_json::to_string_pretty(&events).unwrap();
        assert_eq!(ended.outcome, outcome, "{}: {}", ended.summary, story());
        oracle::assert_well_told(&events);
        oracle::assert_journal(&self.journal(id).await);
        let shown = self.show(id).await;
        assert_eq!(
            shown["state"],
            json!({"type": "ended", "outcome": outcome.as_str()})
        );
        assert_eq!(
            shown["events"].as_array().map(Vec::len),
            Some(events.len()),
            "events that show has"
        );
        if let Some(receipt) = &ended.receipt {
            assert_eq!(receipt.leftovers, Vec::new());
            for group in &receipt.groups {
                assert_eq!(group.before, group.after, "processes of {}", group.group);
            }
        }
        ended
    }

    /// Stops the worker and removes everything that the test made; no connection of the worker may be left.
    pub async fn end(self, worker: Worker) {
        worker.stop().await;
        let left: Vec<_> = std::fs::read_dir(self.folder().join("run"))
            .unwrap()
            .flatten()
            .map(|e| e.path())
            // A free lock stays as a file: removing it would let two processes have it.
            .filter(|path| path.extension().is_none_or(|kind| kind != "lock"))
            .collect();
        assert!(left.is_empty(), "sockets left behind: {left:?}");
        self.leave().await;
    }

    /// The same after a worker was killed. Its folder of sockets may stay for a later start to remove; its
    /// processes must be gone.
    pub async fn end_after_kill(self, worker: Worker) {
        worker.stop().await;
        self.leave().await;
    }

    /// The same without a worker.
    pub async fn leave(self) {
        self.no_processes().await;
        self.broker.delete().await;
    }

    /// Waits until no process has the test's folder in its command line.
    async fn no_processes(&self) {
        let folder = self.folder().to_string_lossy().into_owned();
        until("no process left behind", || async {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            let mut lines =
                processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
            (!lines.any(|line| String::from_utf8_lossy(&line).contains(&folder))).then_some(())
        })
        .await;
    }
}

/// The arguments of `drawgate-worker` that plan a release of this image to staging.
pub fn plan_arguments<'a>(service: &'a str, image: &'a str) -> [&'a str; 7] {
    [
        "plan",
        "--environment",
        "staging",
        "--service",
        service,
        "--image",
        image,
    ]
}

/// Adds `[orders]` for every login where it is missing, because without it nobody may give control commands.
fn with_orders(more: &str) -> String {
    if more.contains("[orders]") {
        return more.to_owned();
    }
    const GROUP: &str = "[groups]\neverybody = [\"drawgate\", \"ci\", \"anna\", \"ben\"]\n";
    let grouped = match more.contains("[groups]\n") {
        true => more.replacen("[groups]\n", GROUP, 1),
        false => format!("{more}\n{GROUP}"),
    };
    format!("{grouped}\n[orders]\nfrom = [\"everybody\"]\n")
}

/// The lab's specification of a fleet: target groups by port, each with its listener.
pub fn fleet_spec(name: &str, hosts: &[&str], ports: &[(u16, u16)]) -> Value {
    let target_groups: Vec<Value> = ports
        .iter()
        .map(|(port, listen)| {
            json!({"name": format!("{name}-{port}"), "port": port, "deregistration_delay_s": 1, "listen": listen,
                   "health": {"path": "/health", "interval_s": 0.3, "timeout_s": 1, "healthy_threshold": 2,
                              "unhealthy_threshold": 2}})
        })
        .collect();
    json!({
        "name": format!("{name}-staging"), "hosts": hosts, "target_groups": target_groups,
        "suspended": ["ScheduledActions"], "health_check_type": "ELB",
        "tags": {"stack": name, "deployment": "staging"},
        "alarms": [{"name": format!("{name}-5xx"), "actions_enabled": true},
                   {"name": format!("{name}-latency"), "actions_enabled": false}],
    })
}

/// Waits until a worker ends by itself; gives its status.
async fn ended(worker: &mut Worker) -> std::process::ExitStatus {
    crate::wait::until("the worker's end", || {
        let status = worker.has_ended();
        async move { status }
    })
    .await
}

/// The id that `drawgate publish` puts on stdout.
fn release_id(output: &Output) -> ReleaseId {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "drawgate publish: {} {}",
        said,
        String::from_utf8_lossy(&output.stderr)
    );
    said.trim()
        .parse()
        .unwrap_or_else(|_| panic!("no release id on stdout: {said:?}"))
}
