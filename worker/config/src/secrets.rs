//! Secrets: never printed, and read from their files at use, so that a rotated secret takes effect at once.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest secret that is read: a password or an address has at most some hundred bytes.
const SECRET_BYTES: u64 = 16 * 1024;

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file's content cannot be a secret.
    #[error("{path} holds no secret: {problem}")]
    Unusable {
        path: PathBuf,
        /// What is wrong with the content.
        problem: &'static str,
    },
}

/// The source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret is in `worker.toml` or in an environment variable.
    Inline(Secret),
    /// The secret is the only line of a file.
    File(PathBuf),
}

impl SecretSource {
    /// The secret's value now.
    ///
    /// # Errors
    /// When the file is unreadable, empty, too large or not a text.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read(path),
        }
    }
}

/// The secret in a file, without the line break at its end.
fn read(path: &Path) -> Result<Secret, SecretError> {
    let unusable = |problem| SecretError::Unusable {
        path: path.to_owned(),
        problem,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| SecretError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > SECRET_BYTES {
        return Err(unusable("it is larger than 16 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text {
        "" => Err(unusable("it is empty")),
        text if text.chars().any(char::is_control) => Err(unusable("it has more than one line")),
        text => Ok(Secret::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_at_use_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let source = SecretSource::File(path.clone());
        assert!(matches!(source.read(), Err(SecretError::Unreadable { .. })));
        for (content, usable) in [
            ("", false),
            ("\n", false),
            ("a\nb", false),
            ("hush\n", true),
            ("hush", true),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(
                source.read().ok().map(|secret| secret.expose().to_owned()),
                usable.then(|| "hush".to_owned())
            );
        }
        assert!(!format!("{:?}", source.read()).contains("hush"));
        assert!(!format!("{:?}", SecretSource::Inline(Secret::new("hush"))).contains("hush"));
    }
}
