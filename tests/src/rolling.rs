//! The beginning that most tests share: a service on a fleet on v1, images to release, a worker, its events,
//! and a look at everything as it was before.

use std::collections::BTreeMap;

use drawgate_schemas::{Ended, Outcome, ReleaseId};
use serde_json::Value;

use crate::events::Events;
use crate::lab::{Fleet, HOSTS};
use crate::load::Load;
use crate::oracle::{self, Look};
use crate::scene::Scene;
use crate::service::Service;
use crate::worker::Worker;

/// Requests a second of [`Rolling::load`].
const LOAD_RATE: u32 = 40;

/// What a test begins with; nothing is done before [`begin`](Beginning::begin).
#[must_use]
pub struct Beginning {
    service: Service,
    instances: Instances,
    configuration: Configuration,
    /// Tags and modes.
    images: Vec<(String, String)>,
}

/// Where the service runs.
enum Instances {
    On(Vec<String>),
    Specified(Value),
}

/// What `worker.toml` gets beyond its usual content.
enum Configuration {
    Usual,
    With(String),
    Exactly(String),
}

impl Beginning {
    /// On these hosts of the lab; without it, on the first three.
    pub fn on(mut self, hosts: &[&str]) -> Self {
        self.instances = Instances::On(hosts.iter().map(|host| (*host).to_owned()).collect());
        self
    }

    /// On a fleet by this specification of the lab. On each of its hosts v1 has the ports of the service.
    pub fn on_fleet(mut self, spec: Value) -> Self {
        self.instances = Instances::Specified(spec);
        self
    }

    /// Changes the service's file before it is written.
    pub fn service(mut self, change: impl FnOnce(&mut Service)) -> Self {
        change(&mut self.service);
        self
    }

    /// With `more` in `worker.toml`, as in [`Scene::configure`].
    pub fn configured(mut self, more: &str) -> Self {
        self.configuration = Configuration::With(more.to_owned());
        self
    }

    /// With `more` in `worker.toml`, as in [`Scene::configure_exactly`].
    pub fn configured_exactly(mut self, more: &str) -> Self {
        self.configuration = Configuration::Exactly(more.to_owned());
        self
    }

    /// With an image that works, of the version and under the tag `tag`.
    pub fn image(self, tag: &str) -> Self {
        self.image_in(tag, "ok")
    }

    /// With several such images.
    pub fn images<const N: usize>(self, tags: [&str; N]) -> Self {
        tags.into_iter().fold(self, Self::image)
    }

    /// With an image in a mode of the lab's program: `exit`, `unhealthy`, …
    pub fn image_in(mut self, tag: &str, mode: &str) -> Self {
        self.images.push((tag.to_owned(), mode.to_owned()));
        self
    }

    /// Begins in a new scene, and waits until the worker consumes messages.
    pub async fn begin(self) -> Rolling {
        self.prepare().await.start().await
    }

    /// Begins in a new scene, and leaves the start of the worker to the test.
    pub async fn prepare(self) -> Prepared {
        self.prepare_in(Scene::begin().await).await
    }

    /// The same as [`begin`](Self::begin) in a scene that the test has begun.
    pub async fn begin_in(self, scene: Scene) -> Rolling {
        self.prepare_in(scene).await.start().await
    }

    /// The same as [`prepare`](Self::prepare) in a scene that the test has begun.
    pub async fn prepare_in(self, scene: Scene) -> Prepared {
        match &self.configuration {
            Configuration::Usual => {}
            Configuration::With(more) => scene.configure(more),
            Configuration::Exactly(more) => scene.configure_exactly(more),
        }
        scene.serve(&self.service);
        let fleet = self.fleet(&scene).await;
        let mut prepared = Prepared::of(scene, &self.service.name, fleet);
        for (tag, mode) in &self.images {
            prepared.image_in(tag, mode).await;
        }
        prepared
    }

    async fn fleet(&self, scene: &Scene) -> Fleet {
        let name = &self.service.name;
        match &self.instances {
            Instances::On(hosts) => {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                scene.fleet_on_v1(name, &hosts).await
            }
            Instances::Specified(spec) => {
                let hosts: Vec<&str> = spec["hosts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|host| host.as_str().unwrap())
                    .collect();
                let ports: Vec<&str> = self.service.ports.iter().flat_map(|port| ["-p", port]).collect();
                scene.v1(name, &hosts, &ports).await;
                let fleet = scene.lab.fleet(spec.clone()).await;
                scene.lab.all_targets(&fleet, "healthy").await;
                fleet
            }
        }
    }
}

/// A fleet and images whose worker has not started, for a test that changes something in between.
pub struct Prepared {
    pub fleet: Fleet,
    /// Of each image by its tag.
    digests: BTreeMap<String, String>,
    service: String,
    pub scene: Scene,
}

impl Prepared {
    /// A scene and a fleet that the test has made by itself.
    pub fn of(scene: Scene, service: &str, fleet: Fleet) -> Self {
        Self {
            fleet,
            digests: BTreeMap::new(),
            service: service.to_owned(),
            scene,
        }
    }

    /// Makes an image that works.
    pub async fn image(&mut self, tag: &str) {
        self.image_in(tag, "ok").await;
    }

    /// Makes an image in a mode of the lab's program.
    pub async fn image_in(&mut self, tag: &str, mode: &str) {
        let digest = self.scene.lab.image(&self.service, tag, tag, mode).await;
        self.digests.insert(tag.to_owned(), digest);
    }

    /// Starts the worker, listens to its events, and looks at everything as it is before the first release.
    pub async fn start(self) -> Rolling {
        let worker = self.scene.worker().await;
        let events = self.scene.events().await;
        let before = Look::at(&self.scene.lab).await;
        Rolling {
            worker,
            events,
            before,
            fleet: self.fleet,
            digests: self.digests,
            service: self.service,
            scene: self.scene,
        }
    }
}

/// A fleet whose worker is ready to roll it. A test that kills the worker uses the fields until the next
/// worker is in its place. The scene is the last field, so that a failed test drops the worker before the
/// lab.
pub struct Rolling {
    pub worker: Worker,
    pub events: Events,
    /// Everything as it was before the first release.
    pub before: Look,
    pub fleet: Fleet,
    digests: BTreeMap<String, String>,
    service: String,
    pub scene: Scene,
}

impl Rolling {
    /// A service of that name, as [`Service::of`] has it, on three hosts.
    pub fn of(service: &str) -> Beginning {
        Self::with(Service::of(service))
    }

    /// This service, on three hosts.
    pub fn with(service: Service) -> Beginning {
        Beginning {
            service,
            instances: Instances::On(HOSTS.map(str::to_owned).to_vec()),
            configuration: Configuration::Usual,
            images: Vec::new(),
        }
    }

    /// Publishes a release to staging, which has to succeed; gives its id.
    pub async fn publish(&self, tag: &str) -> ReleaseId {
        self.publish_with_options(tag, &[]).await
    }

    /// The same with more options of `drawgate publish`.
    pub async fn publish_with_options(&self, tag: &str, options: &[&str]) -> ReleaseId {
        self.scene.publish(&self.service, tag, options).await
    }

    /// Judges a release by [`Scene::judge`]: AWS is as it was before the first release.
    pub async fn judge(&self, id: ReleaseId, outcome: Outcome) -> Ended {
        self.scene.judge(&self.events, id, outcome, &self.before).await
    }

    /// The same without AWS, for fleets that the release changes.
    pub async fn judge_telling(&self, id: ReleaseId, outcome: Outcome) -> Ended {
        self.scene.judge_telling(&self.events, id, outcome).await
    }

    /// Judges the last release of the test, and ends the test.
    pub async fn ends(self, id: ReleaseId, outcome: Outcome) {
        self.judge(id, outcome).await;
        self.end().await;
    }

    /// Everything as it is now.
    pub async fn look(&self) -> Look {
        Look::at(&self.scene.lab).await
    }

    /// Asserts that every host of the fleet runs the image of that tag, and no second container of the
    /// service.
    pub async fn assert_runs(&self, tag: &str) {
        let image = self.pinned(tag);
        self.look().await.assert_runs(&self.fleet, &self.service, &image);
    }

    /// Asserts that the very same containers exist as before the first release, in the same state.
    pub async fn assert_containers_as_before(&self) {
        self.look().await.assert_containers_as(&self.before);
    }

    /// The most hosts of the first target group that were out of service at one moment, by the lab's trace.
    pub async fn most_out(&self) -> usize {
        let transitions = self.scene.lab.get("transitions").await;
        oracle::most_out(&transitions, &self.fleet.target_groups[0].name)
    }

    /// The digest of an image that the test began with.
    pub fn digest(&self, tag: &str) -> &str {
        let digest = self.digests.get(tag);
        digest.unwrap_or_else(|| panic!("the test began without an image {tag}"))
    }

    /// That image by its digest, as every host runs it.
    pub fn pinned(&self, tag: &str) -> String {
        self.scene.pinned(&self.service, self.digest(tag))
    }

    /// Starts constant requests through the load balancer to the first target group.
    pub async fn load(&self) -> Load {
        Load::start(self.scene.folder(), &self.fleet.target_groups[0].url, LOAD_RATE).await
    }

    /// Stops the worker and removes everything that the test made, as [`Scene::end`] does.
    pub async fn end(self) {
        self.scene.end(self.worker).await;
    }

    /// The same after a worker was killed.
    pub async fn end_after_kill(self) {
        self.scene.end_after_kill(self.worker).await;
    }
}
