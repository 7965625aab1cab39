//! Asks a registry for an image's configuration, which has the HEALTHCHECK, so that it is known before a
//! pull. (The Docker engine can ask only for a digest and its platforms.)
//!
//! ```text
//!   GET /v2/NAME/manifests/DIGEST --401--> token (Docker Registry v2 authentication) or Basic, and once more
//!        |  an index: the manifest for the fleet's platform
//!        `-> GET /v2/NAME/blobs/DIGEST    the image's configuration
//! ```
//! Only reads. A failure here is a missing answer, and no reason to refuse a release.

use std::time::Duration;

use bollard::models::HealthConfig;
use drawgate_rollout::ImageHealthcheck;
use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use crate::host::{RegistryCredentials, healthcheck_of};

/// Time-out of all requests together: a registry answers in milliseconds, and `plan` and preflight wait for
/// it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of an answer: a manifest or a configuration is some kilobytes, and registries refuse manifests
/// beyond 4 MiB.
const ANSWER_BYTES: usize = 4 << 20;

/// Media types of manifests and indexes, of Docker and of OCI.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// The platform to ask for while no host has told its own.
const USUAL_PLATFORM: &str = "linux/amd64";

/// Why a registry gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("{0} is no address of a registry")]
    Address(String),
    #[error("the registry could not be asked")]
    Sending(#[source] reqwest::Error),
    #[error("the registry answered with status {0}")]
    Status(StatusCode),
    #[error("the registry's answer is longer than {ANSWER_BYTES} bytes")]
    TooLong,
    #[error("the registry's answer is not understood")]
    Answer(#[source] serde_json::Error),
    #[error("the registry asks for a login that is not known here")]
    Login,
    #[error("the image is not for {0}")]
    Platform(String),
}

/// An image at its registry.
pub(crate) struct AtRegistry<'a> {
    /// The repository as an image reference has it, `registry.example.com/team/api`.
    pub(crate) repository: &'a str,
    pub(crate) digest: &'a str,
    /// The fleet's platform, `linux/arm64`, where it is known.
    pub(crate) platform: Option<&'a str>,
    /// How to log in.
    pub(crate) credentials: Option<&'a RegistryCredentials>,
    /// Whether the fleet's engines reach the registry without TLS.
    pub(crate) plain: bool,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct ImageFile {
    #[serde(default)]
    config: Option<ImageConfig>,
}

#[derive(Deserialize)]
struct ImageConfig {
    #[serde(default, rename = "Healthcheck")]
    healthcheck: Option<HealthConfig>,
}

impl AtRegistry<'_> {
    /// The image's HEALTHCHECK.
    pub(crate) async fn healthcheck(&self) -> Result<ImageHealthcheck, RegistryError> {
        let client = Client::builder().timeout(TIMEOUT).build();
        let mut asking = Asking {
            client: client.map_err(RegistryError::Sending)?,
            base: self.base()?,
            at: self,
            token: None,
        };
        let mut manifest: Manifest = asking.json(&format!("manifests/{}", self.digest)).await?;
        if manifest.config.is_none() {
            let part = self.part_of(&manifest)?;
            manifest = asking.json(&format!("manifests/{part}")).await?;
        }
        let config = manifest
            .config
            .ok_or_else(|| RegistryError::Platform(self.wanted().to_owned()))?;
        let file: ImageFile = asking.json(&format!("blobs/{}", config.digest)).await?;
        let check = file.config.and_then(|config| config.healthcheck);
        Ok(healthcheck_of(check.as_ref()))
    }

    fn wanted(&self) -> &str {
        self.platform.unwrap_or(USUAL_PLATFORM)
    }

    fn part_of(&self, index: &Manifest) -> Result<String, RegistryError> {
        let wanted = self.wanted();
        let part = index.manifests.iter().find(|part| {
            let platform = part.platform.as_ref();
            platform.is_some_and(|platform| format!("{}/{}", platform.os, platform.architecture) == wanted)
        });
        part.map(|part| part.digest.clone())
            .ok_or_else(|| RegistryError::Platform(wanted.to_owned()))
    }

    fn base(&self) -> Result<Url, RegistryError> {
        let (registry, name) = address(self.repository);
        let scheme = if self.plain { "http" } else { "https" };
        let base = format!("{scheme}://{registry}/v2/{name}/");
        Url::parse(&base).map_err(|_| RegistryError::Address(base))
    }
}

/// Registry and name of a repository. A repository without a registry is Docker Hub's, whose own images are
/// in `library` (distribution/reference, "familiar names").
fn address(repository: &str) -> (&str, String) {
    const HUB: &str = "registry-1.docker.io";
    let name_at_hub = |name: &str| match name.contains('/') {
        true => name.to_owned(),
        false => format!("library/{name}"),
    };
    match repository.split_once('/') {
        Some(("docker.io" | "index.docker.io", name)) => (HUB, name_at_hub(name)),
        Some((first, name)) if first.contains(['.', ':']) || first == "localhost" => (first, name.to_owned()),
        _ => (HUB, name_at_hub(repository)),
    }
}

struct Asking<'a> {
    client: Client,
    base: Url,
    at: &'a AtRegistry<'a>,
    token: Option<String>,
}

impl Asking<'_> {
    async fn json<T: for<'d> Deserialize<'d>>(&mut self, path: &str) -> Result<T, RegistryError> {
        let url = self
            .base
            .join(path)
            .map_err(|_| RegistryError::Address(path.to_owned()))?;
        let mut answer = self.get(&url, false).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let basic = self.log_in(&answer).await?;
            answer = self.get(&url, basic).await?;
        }
        parsed(answer).await
    }

    async fn get(&self, url: &Url, basic: bool) -> Result<Response, RegistryError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, MANIFESTS);
        match (&self.token, self.at.credentials) {
            (Some(token), _) => request = request.bearer_auth(token),
            (None, Some(login)) if basic => {
                request = request.basic_auth(&login.username, Some(&login.password));
            }
            _ => {}
        }
        request.send().await.map_err(RegistryError::Sending)
    }

    /// Answers the registry's challenge: fetches a token, or gives `true` where it wants name and password.
    async fn log_in(&mut self, answer: &Response) -> Result<bool, RegistryError> {
        let asked = answer.headers().get(WWW_AUTHENTICATE);
        let asked = asked.and_then(|asked| asked.to_str().ok()).unwrap_or_default();
        let (scheme, parameters) = asked.split_once(' ').unwrap_or((asked, ""));
        if scheme.eq_ignore_ascii_case("basic") && self.at.credentials.is_some() {
            return Ok(true);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(RegistryError::Login);
        }
        let realm = parameter(parameters, "realm").ok_or(RegistryError::Login)?;
        let mut url = Url::parse(realm).map_err(|_| RegistryError::Login)?;
        // The password goes nowhere without TLS, unless the registry itself is used without TLS.
        if url.scheme() != "https" && !self.at.plain {
            return Err(RegistryError::Login);
        }
        for name in ["service", "scope"] {
            if let Some(value) = parameter(parameters, name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let mut request = self.client.get(url);
        if let Some(login) = self.at.credentials {
            request = request.basic_auth(&login.username, Some(&login.password));
        }
        let answer = request.send().await.map_err(RegistryError::Sending)?;
        let token: Token = parsed(answer).await?;
        self.token = token.token.or(token.access_token);
        match self.token {
            Some(_) => Ok(false),
            None => Err(RegistryError::Login),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The value of `name="value"` among the parameters of a challenge; a value may contain a comma.
fn parameter<'t>(parameters: &'t str, name: &str) -> Option<&'t str> {
    let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = parameters.get(start..)?;
    rest.split('"').next()
}

async fn parsed<T: for<'d> Deserialize<'d>>(mut answer: Response) -> Result<T, RegistryError> {
    if !answer.status().is_success() {
        return Err(RegistryError::Status(answer.status()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(RegistryError::Sending)? {
        if text.len() + chunk.len() > ANSWER_BYTES {
            return Err(RegistryError::TooLong);
        }
        text.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&text).map_err(RegistryError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_split_as_docker_does() {
        for (repository, registry, name) in [
            (
                "registry.example.com/team/api",
                "registry.example.com",
                "team/api",
            ),
            ("10.0.0.1:5000/api", "10.0.0.1:5000", "api"),
            ("localhost/api", "localhost", "api"),
            ("nginx", "registry-1.docker.io", "library/nginx"),
            ("team/api", "registry-1.docker.io", "team/api"),
            ("docker.io/nginx", "registry-1.docker.io", "library/nginx"),
        ] {
            assert_eq!(address(repository), (registry, name.to_owned()), "{repository}");
        }
    }

    #[test]
    fn a_challenge_is_read() {
        let asked = "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"";
        assert_eq!(parameter(asked, "realm"), Some("https://auth.docker.io/token"));
        assert_eq!(parameter(asked, "scope"), Some("repository:a/b:pull,push"));
        assert_eq!(parameter(asked, "error"), None);
    }
}
