//! Which images are removed from a host after a success. Nothing is ever pruned: of one repository, the
//! images that nothing uses and that are older than those to be kept are removed by name.

use std::collections::{BTreeSet, HashMap};

use bollard::errors::Error as DockerError;
use bollard::models::ImageSummary;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};

use super::error::{Effect, HostError};
use super::limits;
use super::pool::Host;

/// An image of one repository and of no other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    id: String,
    /// `repository:tag` and `repository@digest`.
    references: Vec<String>,
    created_s: i64,
}

impl Host {
    /// Removes the images of a repository that no container uses, whether that container runs or not; the
    /// newest stay, so that `keep` are left besides the running one. An image that another repository has too
    /// is left alone. Gives the references that were removed.
    ///
    /// # Errors
    /// When the engine is not reached. If it refuses to remove an image (a container uses it by now), the
    /// image stays.
    pub async fn retain_images(
        &self,
        repository: &str,
        running: &str,
        keep: u32,
    ) -> Result<Vec<String>, HostError> {
        let used = self.images_in_use().await?;
        let images = self
            .ask("listing images", Effect::Read, |docker| async move {
                let options = ListImagesOptionsBuilder::new().digests(true).build();
                docker.list_images(Some(options)).await
            })
            .await?;
        let images = images.into_iter().filter_map(|image| only_of(repository, image));
        let mut removed = Vec::new();
        for reference in superfluous(images.collect(), &used, running, keep) {
            if self.remove_image(&reference).await? {
                removed.push(reference);
            }
        }
        Ok(removed)
    }

    /// Ids of the images that containers were made from.
    async fn images_in_use(&self) -> Result<BTreeSet<String>, HostError> {
        let containers = self.list(true, HashMap::new()).await?;
        Ok(containers
            .into_iter()
            .filter_map(|container| container.image_id)
            .collect())
    }

    /// Removes an image without force: an image that a container uses stays. `Ok(false)`: it stays, or was
    /// not there.
    async fn remove_image(&self, reference: &str) -> Result<bool, HostError> {
        self.ask("removing an image", Effect::Write, |docker| {
            let reference = reference.to_owned();
            async move {
                let options = RemoveImageOptionsBuilder::new()
                    .force(false)
                    .noprune(true)
                    .build();
                match docker.remove_image(&reference, Some(options), None).await {
                    Ok(_) => Ok(true),
                    Err(DockerError::DockerResponseServerError {
                        status_code: 404 | 409,
                        ..
                    }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        })
        .await
    }
}

/// The image, if it has names and all of them are of this repository.
fn only_of(repository: &str, image: ImageSummary) -> Option<Kept> {
    let wanted = familiar(repository);
    let named = |reference: &String| !reference.starts_with("<none>");
    let references: Vec<String> = image
        .repo_tags
        .into_iter()
        .chain(image.repo_digests)
        .filter(named)
        .collect();
    let ours = references
        .iter()
        .all(|reference| familiar(repository_of(reference)) == wanted);
    (ours && !references.is_empty()).then_some(Kept {
        id: image.id,
        references,
        created_s: image.created,
    })
}

/// The references to remove: those of the images built earliest.
fn superfluous(mut images: Vec<Kept>, used: &BTreeSet<String>, running: &str, keep: u32) -> Vec<String> {
    let kept_by_use = images
        .iter()
        .filter(|image| image.id != running && used.contains(&image.id))
        .count();
    let still = usize::try_from(keep)
        .unwrap_or(usize::MAX)
        .saturating_sub(kept_by_use);
    images.retain(|image| image.id != running && !used.contains(&image.id));
    images.sort_by(|a, b| (b.created_s, &b.id).cmp(&(a.created_s, &a.id)));
    images
        .into_iter()
        .skip(still)
        .take(limits::IMAGES_REMOVED)
        .flat_map(|image| image.references)
        .collect()
}

/// `registry:5000/team/api` of `registry:5000/team/api:main@sha256:…`.
fn repository_of(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// The repository as the engine shows it: those of Docker Hub have several names.
fn familiar(repository: &str) -> &str {
    let name = repository
        .strip_prefix("docker.io/")
        .or_else(|| repository.strip_prefix("index.docker.io/"))
        .unwrap_or(repository);
    name.strip_prefix("library/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, created_s: i64, names: &[&str]) -> ImageSummary {
        ImageSummary {
            id: id.to_owned(),
            created: created_s,
            repo_digests: names.iter().map(|name| (*name).to_owned()).collect(),
            repo_tags: vec!["<none>:<none>".to_owned()],
            ..ImageSummary::default()
        }
    }

    fn removed(images: &[ImageSummary], used: &[&str], keep: u32) -> Vec<String> {
        let ours = images
            .iter()
            .cloned()
            .filter_map(|image| only_of("r:5000/api", image));
        let used = used.iter().map(|id| (*id).to_owned()).collect();
        superfluous(ours.collect(), &used, "now", keep)
    }

    #[test]
    fn trap_19_a_repositorys_unused_images_go_but_the_last_good() {
        let images = [
            image("now", 50, &["r:5000/api@sha256:5"]),
            image("before", 40, &["r:5000/api@sha256:4"]),
            image("old", 30, &["r:5000/api@sha256:3"]),
            image("older", 20, &["r:5000/api:v2", "r:5000/api@sha256:2"]),
            image("shared", 10, &["r:5000/api@sha256:1", "r:5000/web@sha256:1"]),
            image("other", 10, &["r:5000/api/tools@sha256:0"]),
            image("unnamed", 10, &[]),
        ];
        let used = ["now", "before", "unnamed"];
        assert_eq!(
            removed(&images, &used, 1),
            ["r:5000/api@sha256:3", "r:5000/api:v2", "r:5000/api@sha256:2"]
        );
        assert_eq!(
            removed(&images, &used, 2),
            ["r:5000/api:v2", "r:5000/api@sha256:2"]
        );
        assert_eq!(removed(&images, &used, 3), Vec::<String>::new());
        // The previous container is gone: its image is the newest of the unused ones, and stays.
        assert_eq!(
            removed(&images[..4], &["now"], 1),
            ["r:5000/api@sha256:3", "r:5000/api:v2", "r:5000/api@sha256:2"]
        );
    }

    #[test]
    fn repositories_of_docker_hub_have_several_names() {
        for name in [
            "docker.io/library/nginx",
            "index.docker.io/library/nginx",
            "library/nginx",
            "nginx",
        ] {
            assert_eq!(familiar(name), "nginx");
        }
        assert_eq!(familiar("docker.io/team/api"), "team/api");
        assert_eq!(repository_of("r:5000/team/api"), "r:5000/team/api");
        assert_eq!(repository_of("r:5000/team/api:v1@sha256:00"), "r:5000/team/api");
        assert_eq!(repository_of("nginx@sha256:00"), "nginx");
    }
}
