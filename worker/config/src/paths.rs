//! Paths in `worker.toml`, including the files of secrets.

use std::path::{Path, PathBuf};

use super::error::Problems;
use super::reader::{Field, Table};
use super::secrets::SecretSource;

/// Resolves paths from the folder of `worker.toml`, wherever the worker is started.
pub(super) struct Paths<'s> {
    pub(super) folder: &'s Path,
}

impl Paths<'_> {
    pub(super) fn read(&self, field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
        let text = field.plain_text(problems)?;
        if text.starts_with('~') {
            field.invalid_hint(
                "`~` is the shell's and means nothing here",
                "write the whole path",
                problems,
            );
            return None;
        }
        Some(self.folder.join(text))
    }

    /// The path, or the key's default.
    pub(super) fn or(
        &self,
        table: &mut Table<'_, '_>,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> PathBuf {
        self.maybe(table, key, problems)
            .unwrap_or_else(|| self.folder.join(table.default_text(key)))
    }

    pub(super) fn maybe(
        &self,
        table: &mut Table<'_, '_>,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<PathBuf> {
        table.take(key).and_then(|field| self.read(&field, problems))
    }

    /// The path of a secret's file. The secret is read at use, but a file that cannot be read is a mistake
    /// now.
    pub(super) fn secret(&self, field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
        let path = self.read(field, problems)?;
        if let Err(error) = SecretSource::File(path.clone()).read() {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            problems
                .warning(field.span.clone(), format!("`{}`: {error}{cause}", field.path()))
                .hint(
                    "the worker reads it at every use; write the secret there, readable by the worker only",
                );
        } else if readable_by_all(&path) {
            problems
                .warning(
                    field.span.clone(),
                    format!("`{}`: everybody on this machine can read it", field.path()),
                )
                .hint(format!("chmod 640 {}", path.display()));
        }
        Some(path)
    }
}

fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
