//! Registry credentials, which go into one header and nowhere else.

use std::fmt;

use bollard::auth::DockerCredentials;

/// A login at a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// User name, `AWS` at ECR.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl RegistryCredentials {
    /// The credentials in the engine's form, for the registry of this image reference.
    pub(super) fn for_engine(&self, reference: &str) -> DockerCredentials {
        DockerCredentials {
            username: Some(self.username.clone()),
            password: Some(self.password.clone()),
            serveraddress: reference.split('/').next().map(str::to_owned),
            ..DockerCredentials::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let credentials = RegistryCredentials {
            username: "AWS".into(),
            password: "hush".into(),
        };
        let printed = format!("{credentials:?}");
        assert!(printed.contains("AWS") && !printed.contains("hush"), "{printed}");
    }
}
