//! The image: resolves its digest, and pulls it onto every host before anything is touched.

use std::collections::BTreeMap;

use drawgate_rollout::definition::{FleetSelector, Probe};
use drawgate_rollout::{Evidence, Failure, HostPlan, Release, Share, StepOutcome, refused_healthcheck};
use drawgate_schemas::{Digest, ImageReference, ReleaseId, ReleaseRequest};
use futures_util::stream::{self, StreamExt};

use super::connections::Effects;
use super::outcome::{Effect, Sorted, chain, either, not_yet, refused};
use super::task::Task;
use crate::aws::Instance;
use crate::host::{Host, HostError, RegistryImage};

/// How many connections are opened side by side: sshd refuses some beyond 10 that have not logged in
/// (`MaxStartups`), which matters where all go through one jump host.
const CONNECTED_AHEAD: usize = 8;

/// How many hosts are asked for a digest before giving up: any engine of the fleet can tell, and one may be
/// down.
const ASKED: usize = 3;

/// The tag that Auto Scaling puts on the instances of a group, with its name (Amazon EC2 Auto Scaling User Guide,
/// "Tag lifecycle").
const GROUP_NAME_TAG: &str = "aws:autoscaling:groupName";

impl Effects {
    pub(super) async fn resolve(&self, release: &Release) -> StepOutcome {
        either(self.try_resolve(release).await)
    }

    /// Asks the registry through any engine of the fleet: it has the route, the trust and the proxy that the
    /// pull will use.
    async fn try_resolve(&self, release: &Release) -> Effect<StepOutcome> {
        let request = &release.request;
        let definition = self
            .definitions
            .of(&request.environment, &request.service)
            .or_else(refused)?;
        if let Some(command) = definition.command() {
            if !command.names_digest(&definition.verify) {
                return Ok(StepOutcome::done());
            }
            if definition.runs_on_bastion() {
                let failure =
                    Failure::new("which digest the tag stands for is known to a host's engine only")
                        .with_hint(
                            "publish the image by its digest, or leave {digest} out of the service's file",
                        );
                return Err(StepOutcome::Refused { failure });
            }
        }
        let hosts = self.some_hosts(&definition.fleet).await?;
        self.connect_ahead(&hosts);
        let digest = self.digest_from(request.id, &hosts, &request.image).await?;
        Ok(StepOutcome::Done {
            evidence: Evidence::Resolved { digest },
        })
    }

    async fn some_hosts(&self, fleet: &FleetSelector) -> Effect<Vec<Host>> {
        let instances = self.some_instances(fleet).await?;
        // The next lines connect to all of them.
        self.fits(&instances, Share::Count(1))?;
        let running = instances.iter().filter(|instance| instance.state == "running");
        let hosts: Vec<Host> = running
            .filter_map(|instance| Some(self.hosts.host(&instance.id, instance.private_addresses.first()?)))
            .collect();
        if hosts.is_empty() {
            return refused(
                "no running instance was found for this target: check [fleet] in the service's file",
            );
        }
        Ok(hosts)
    }

    /// Instances of the fleet of which any can be asked what does not depend on it: those of an Auto Scaling group by
    /// the tag that it puts on them, which takes one call where the group's own list takes two. A group that no
    /// running instance names is asked itself.
    async fn some_instances(&self, fleet: &FleetSelector) -> Effect<Vec<Instance>> {
        if let FleetSelector::AutoScalingGroup(name) = fleet {
            let tag = BTreeMap::from([(GROUP_NAME_TAG.to_owned(), name.clone())]);
            let tagged = self.aws.instances_by_tags(&tag).await.sorted()?;
            if tagged.iter().any(|instance| instance.state == "running") {
                return Ok(tagged);
            }
        }
        self.fleet_instances(fleet).await
    }

    /// Opens the connections that the inspection needs a moment later, as many as are kept until then. Failures are
    /// ignored: the inspection reports them.
    fn connect_ahead(&self, hosts: &[Host]) {
        let hosts: Vec<Host> = hosts.iter().take(self.hosts.kept()).cloned().collect();
        tokio::spawn(async move {
            let connections: Vec<_> = hosts.iter().map(Host::connect_ahead).collect();
            stream::iter(connections)
                .buffer_unordered(CONNECTED_AHEAD)
                .for_each(|_| async {})
                .await;
        });
    }

    /// The digest behind an image reference, from the first of these hosts that can tell.
    pub(super) async fn digest_from(
        &self,
        release: ReleaseId,
        hosts: &[Host],
        image: &ImageReference,
    ) -> Effect<Digest> {
        let known = self.at_registry(release, hosts, image).await?;
        let said = &known.digest;
        let digest = said
            .parse()
            .or_else(|_| refused(format!("the registry says digest {said:?}")))?;
        self.platforms.note(&digest, known.platforms);
        Ok(digest)
    }

    /// Platforms of the desired image. Empty where they cannot be had: the pull will tell.
    pub(super) async fn platforms_of(
        &self,
        request: &ReleaseRequest,
        digest: &Digest,
        hosts: &[Host],
    ) -> Vec<String> {
        if let Some(platforms) = self.platforms.of(digest) {
            return platforms;
        }
        let pinned = format!("{}@{digest}", request.image.repository()).parse();
        let Ok(pinned) = pinned else { return Vec::new() };
        let known = self.at_registry(request.id, hosts, &pinned).await;
        known.map(|known| known.platforms).unwrap_or_default()
    }

    /// What the registry says of an image, from the first of these hosts that can tell.
    async fn at_registry(
        &self,
        release: ReleaseId,
        hosts: &[Host],
        image: &ImageReference,
    ) -> Effect<RegistryImage> {
        let credentials = self.credentials_of(release, image.repository()).await?;
        let mut last = refused("no host could be asked");
        for host in hosts.iter().take(ASKED) {
            match host.at_registry(&image.to_string(), credentials.as_ref()).await {
                Ok(known) => return Ok(known),
                Err(error) if registry_is_away(&error) => last = not_yet(chain(&error)),
                // The registry's refusal is the same from every host.
                Err(error) if error.is_refused() => {
                    let failure = Failure::new(format!("{image}: {}", chain(&error))).with_hint(
                        "push the image first, or check the registry's credentials in worker.toml",
                    );
                    return Err(StepOutcome::Refused { failure });
                }
                Err(error) => last = Err(error).sorted(),
            }
        }
        last
    }

    pub(super) async fn stage(&self, task: Task<'_>, host: &HostPlan) -> StepOutcome {
        either(self.try_stage(task, host).await)
    }

    pub(super) async fn try_stage(&self, task: Task<'_>, host: &HostPlan) -> Effect<StepOutcome> {
        let repository = task.plan.image.repository();
        let credentials = self.credentials_of(task.release.request.id, repository).await?;
        let digest = task.digest()?.as_str();
        let limit = task
            .deadline
            .saturating_duration_since(tokio::time::Instant::now());
        let pulled = self
            .host(host)
            .pull(repository, digest, credentials.as_ref(), limit, |_| {})
            .await;
        if pulled.is_ok() {
            self.fits_healthcheck(task, host, digest).await?;
        }
        match pulled {
            Ok(pulled) if pulled.already => Ok(StepOutcome::already()),
            Ok(_) => Ok(StepOutcome::done()),
            // The engine keeps the layers that arrived; the next attempt asks for the rest.
            Err(error) if registry_is_away(&error) => not_yet(chain(&error)),
            Err(error) => Err(error).sorted(),
        }
    }
}

impl Effects {
    /// Checks the HEALTHCHECK again, because preflight may not have been able to read it. The image is on a
    /// host now, and nothing is touched yet.
    async fn fits_healthcheck(&self, task: Task<'_>, host: &HostPlan, digest: &str) -> Effect<()> {
        let definition = &task.plan.definition;
        if definition.verify.probe != Probe::Healthcheck {
            return Ok(());
        }
        let repository = task.plan.image.repository();
        let check = self
            .host(host)
            .image_healthcheck(repository, digest)
            .await
            .sorted()?;
        match check.and_then(|check| refused_healthcheck(definition, check)) {
            Some(failure) => Err(StepOutcome::Refused { failure }),
            None => Ok(()),
        }
    }
}

/// Whether the engine could not reach the registry, or lost it part-way. The engine answers with a 5xx status
/// then, or, in the middle of a pull, with none. A refusal by the registry itself (not there, not allowed)
/// comes as a 4xx.
fn registry_is_away(error: &HostError) -> bool {
    error.is_refused() && error.status().is_none_or(|status| status >= 500)
}
