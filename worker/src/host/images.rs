//! Images: which digest a tag stands for, and how an image gets onto the host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::models::{CreateImageInfo, HealthConfig, OciPlatform};
use bollard::query_parameters::CreateImageOptionsBuilder;
use drawgate_rollout::{Healthcheck, ImageHealthcheck};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::containers::present;
use super::credentials::RegistryCredentials;
use super::error::{Effect, HostError, TookTooLong};
use super::pool::Host;

/// How far a pull is. The totals grow while layers are discovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullProgress {
    pub done_bytes: u64,
    /// Bytes to download, as far as known.
    pub total_bytes: u64,
}

/// The result of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// Whether the image was on the host already: the registry was not asked.
    pub already: bool,
    /// Bytes downloaded, as far as the engine reported them; it reports no number for small layers.
    pub bytes: u64,
}

/// What a registry says of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    /// The digest behind the reference: that of the index, where the image is for several platforms.
    pub digest: String,
    /// Platforms of the image, `linux/amd64`, `linux/arm/v7`; empty where the registry does not say.
    pub platforms: Vec<String>,
}

impl Host {
    /// What the registry says of a reference now, asked by this host's engine.
    pub async fn at_registry(
        &self,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<RegistryImage, HostError> {
        const OPERATION: &str = "asking the registry for a digest";
        let login = credentials.map(|credentials| credentials.for_engine(reference));
        let answer = self
            .ask(OPERATION, Effect::Read, |docker| {
                let (reference, login) = (reference.to_owned(), login.clone());
                async move { docker.inspect_registry_image(&reference, login).await }
            })
            .await?;
        let digest = answer.descriptor.digest.ok_or_else(|| HostError::Refused {
            host: self.label(),
            operation: OPERATION,
            status: None,
            message: format!("the registry gave no digest for {reference}"),
        })?;
        let platforms = answer.platforms.into_iter().filter_map(platform).collect();
        Ok(RegistryImage { digest, platforms })
    }

    /// Whether the image with that digest is on the host, under this repository's name.
    pub async fn has_image(&self, repository: &str, digest: &str) -> Result<bool, HostError> {
        let reference = format!("{repository}@{digest}");
        // Asks by this very digest. The engine may know an image for several platforms by the digest of the
        // index, by that of the host's own platform, or by both.
        self.knows_image(&reference).await
    }

    /// The HEALTHCHECK of that image; `None` where the host does not have it.
    pub async fn image_healthcheck(
        &self,
        repository: &str,
        digest: &str,
    ) -> Result<Option<ImageHealthcheck>, HostError> {
        let reference = format!("{repository}@{digest}");
        let found = self
            .ask("inspecting an image", Effect::Read, |docker| {
                let reference = reference.clone();
                async move { present(docker.inspect_image(&reference).await) }
            })
            .await?;
        Ok(found.map(|image| {
            let config = image.config;
            healthcheck_of(config.and_then(|config| config.healthcheck).as_ref())
        }))
    }

    /// Whether this engine speaks with the registry of a repository without TLS (`insecure-registries`).
    pub async fn speaks_plainly_with(&self, repository: &str) -> Result<bool, HostError> {
        let info = self
            .ask(
                "asking for insecure registries",
                Effect::Read,
                |docker| async move { docker.info().await },
            )
            .await?;
        let registry = repository.split('/').next().unwrap_or(repository);
        let known = info.registry_config.and_then(|config| config.index_configs);
        let index = known.and_then(|mut known| known.remove(registry));
        Ok(index.and_then(|index| index.secure) == Some(false))
    }

    /// Brings the image with that digest to the host. Can be repeated; a pull that is cut off leaves whole
    /// layers.
    ///
    /// A refusal without a status is a pull that failed part-way (registry gone, disk full): the engine
    /// reports that in words only.
    pub async fn pull(
        &self,
        repository: &str,
        digest: &str,
        credentials: Option<&RegistryCredentials>,
        limit: Duration,
        progress: impl FnMut(PullProgress) + Send,
    ) -> Result<Pulled, HostError> {
        const OPERATION: &str = "pulling the image";
        if self.has_image(repository, digest).await? {
            return Ok(Pulled {
                already: true,
                bytes: 0,
            });
        }
        let engine = self.engine(OPERATION).await?;
        let options = CreateImageOptionsBuilder::new()
            .from_image(repository)
            .tag(digest)
            .build();
        let login = credentials.map(|credentials| credentials.for_engine(repository));
        let events = engine.docker.create_image(Some(options), None, login);
        let bytes = match timeout(limit, follow(events, progress)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(self.failed(OPERATION, Effect::Read, error)),
            Err(_) => {
                return Err(self.lost(OPERATION, Effect::Read, Arc::new(TookTooLong(limit))));
            }
        };
        if self.has_image(repository, digest).await? {
            return Ok(Pulled {
                already: false,
                bytes,
            });
        }
        Err(HostError::Refused {
            host: self.label(),
            operation: OPERATION,
            status: None,
            message: format!("the pull ended without an error, but {repository}@{digest} is not there"),
        })
    }
}

/// Reads a HEALTHCHECK as Docker writes it: in nanoseconds, with zero or nothing for its defaults. `NONE`
/// cancels that of a parent image.
pub(crate) fn healthcheck_of(check: Option<&HealthConfig>) -> ImageHealthcheck {
    let test = check.and_then(|check| check.test.as_deref()).unwrap_or_default();
    let (Some(check), Some(kind)) = (check, test.first()) else {
        return ImageHealthcheck::Absent;
    };
    if kind == "NONE" {
        return ImageHealthcheck::Absent;
    }
    let usual = Healthcheck::default();
    let said = |number: Option<i64>| {
        number
            .and_then(|number| u64::try_from(number).ok())
            .filter(|n| *n > 0)
    };
    let ms = |ns: Option<i64>, usual_ms| said(ns).map_or(usual_ms, |ns| ns.div_ceil(1_000_000));
    ImageHealthcheck::Present(Healthcheck {
        start_period_ms: ms(check.start_period, usual.start_period_ms),
        interval_ms: ms(check.interval, usual.interval_ms),
        timeout_ms: ms(check.timeout, usual.timeout_ms),
        retries: said(check.retries).unwrap_or(usual.retries),
    })
}

/// The platform as people write it. An entry that is no program (a signature, a provenance) calls itself
/// `unknown/unknown`, and gives `None`.
fn platform(platform: OciPlatform) -> Option<String> {
    let (os, architecture) = (platform.os?, platform.architecture?);
    let said = |word: &str| !word.is_empty() && word != "unknown";
    if !said(&os) || !said(&architecture) {
        return None;
    }
    Some(match platform.variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    })
}

/// Reads a pull to its end; gives the bytes downloaded.
async fn follow(
    events: impl futures_util::Stream<Item = Result<CreateImageInfo, DockerError>>,
    mut progress: impl FnMut(PullProgress),
) -> Result<u64, DockerError> {
    let mut layers = Layers::default();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        if layers.note(&event?) {
            progress(layers.progress());
        }
    }
    Ok(layers.progress().done_bytes)
}

/// Bytes per layer: done, total.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// Notes an event; true when it changed the progress.
    fn note(&mut self, event: &CreateImageInfo) -> bool {
        let Some(layer) = &event.id else { return false };
        let (done, total) = self.0.entry(layer.clone()).or_default();
        let before = (*done, *total);
        let bytes = |number: Option<i64>| {
            number
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or_default()
        };
        match (event.status.as_deref(), &event.progress_detail) {
            // Only downloads count: extracting counts the same bytes a second time.
            (Some("Downloading"), Some(detail)) => {
                *done = bytes(detail.current);
                *total = bytes(detail.total).max(*done);
            }
            (Some("Download complete" | "Pull complete"), _) => *done = *total,
            _ => {}
        }
        before != (*done, *total)
    }

    fn progress(&self) -> PullProgress {
        let sum = |of: fn(&(u64, u64)) -> u64| self.0.values().map(of).sum();
        PullProgress {
            done_bytes: sum(|layer| layer.0),
            total_bytes: sum(|layer| layer.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_healthcheck_is_read_with_dockers_defaults() {
        let read = |check: serde_json::Value| healthcheck_of(Some(&serde_json::from_value(check).unwrap()));
        let usual = Healthcheck::default();
        assert_eq!(
            read(json!({"Test": ["CMD", "/probe"]})),
            ImageHealthcheck::Present(usual)
        );
        let said = json!({"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_i64, "Timeout": 0, "Retries": 2,
                          "StartPeriod": 1_500_000_000_i64});
        let expected = Healthcheck {
            start_period_ms: 1_500,
            interval_ms: 5_000,
            retries: 2,
            ..usual
        };
        assert_eq!(read(said), ImageHealthcheck::Present(expected));
        assert_eq!(read(json!({"Test": ["NONE"]})), ImageHealthcheck::Absent);
        assert_eq!(read(json!({"Test": []})), ImageHealthcheck::Absent);
        assert_eq!(healthcheck_of(None), ImageHealthcheck::Absent);
    }

    #[test]
    fn progress_counts_each_byte_once() {
        let mut layers = Layers::default();
        let mut note = |event: serde_json::Value| {
            let event: CreateImageInfo = serde_json::from_value(event).unwrap();
            let moved = layers.note(&event);
            let progress = layers.progress();
            (moved, progress.done_bytes, progress.total_bytes)
        };
        let at = |current: u64, total: u64| json!({"current": current, "total": total});
        assert_eq!(
            note(json!({"status": "Pulling from api", "id": "main"})),
            (false, 0, 0)
        );
        assert_eq!(
            note(json!({"status": "Downloading", "id": "a", "progressDetail": at(10, 40)})),
            (true, 10, 40)
        );
        assert_eq!(
            note(json!({"status": "Downloading", "id": "b", "progressDetail": at(5, 60)})),
            (true, 15, 100)
        );
        assert_eq!(
            note(json!({"status": "Download complete", "id": "a", "progressDetail": {}})),
            (true, 45, 100)
        );
        assert_eq!(
            note(json!({"status": "Extracting", "id": "a", "progressDetail": at(1, 40)})),
            (false, 45, 100)
        );
        assert_eq!(
            note(json!({"status": "Already exists", "id": "c", "progressDetail": {}})),
            (false, 45, 100)
        );
        assert_eq!(
            note(json!({"status": "Pull complete", "id": "b", "progressDetail": {}})),
            (true, 100, 100)
        );
    }
}
