//! A message that a person wrote into a file, or sends through a pipe.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use drawgate_schemas::limits::MESSAGE_BYTES;
use jiff::Timestamp;

use crate::ending::Ending;
use crate::exit::Exit;
use crate::request::{self, Message, Unsendable};

/// Why a message from a file is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageFileError {
    #[error("{} cannot be read; nothing was sent", name(file))]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The message in the file cannot be sent.
    #[error("{} cannot be sent: {unsendable}", name(file))]
    Unsendable { file: PathBuf, unsendable: Unsendable },
}

impl Ending for MessageFileError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Unsendable {
                unsendable: Unsendable::Refused(_),
                ..
            } => Some("drawgate publish --dry-run … > message.json writes one that is right".to_owned()),
            Self::Unsendable {
                unsendable: Unsendable::Expired { .. },
                ..
            } => Some(
                "where it is still wanted: put expires_at later, or take it out, and send it again"
                    .to_owned(),
            ),
        }
    }
}

/// The file's name, as texts call it.
fn name(file: &Path) -> String {
    if is_stdin(file) {
        return "what stdin says".to_owned();
    }
    file.display().to_string()
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Reads a message, and checks it before anything is sent.
pub(crate) fn read(file: &Path, now: Timestamp) -> Result<Message, MessageFileError> {
    let body = bytes(file).map_err(|source| MessageFileError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    request::read(body, now).map_err(|unsendable| MessageFileError::Unsendable {
        file: file.to_owned(),
        unsendable,
    })
}

/// Reads at most one byte more than a message may have: enough to see that it has too many.
fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MESSAGE_BYTES as u64 + 1;
    if is_stdin(file) {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn each_mistake_is_named_with_its_file_and_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.json");
        let said = |now| {
            let error = read(&file, now).unwrap_err();
            (error.to_string(), error.hint().unwrap_or_default())
        };
        let now = testing::begin();
        assert!(said(now).0.contains("message.json cannot be read"));

        std::fs::write(&file, "not a message").unwrap();
        let (text, hint) = said(now);
        assert!(
            text.contains("message.json") && text.contains("not_json"),
            "{text}"
        );
        assert!(hint.contains("--dry-run"), "{hint}");

        std::fs::write(&file, " ".repeat(MESSAGE_BYTES * 2)).unwrap();
        assert!(said(now).0.contains("too_large"));

        let message = serde_json::to_vec_pretty(&testing::request()).unwrap();
        std::fs::write(&file, &message).unwrap();
        assert_eq!(read(&file, now).unwrap().body, message);
        let (text, hint) = said(now + jiff::SignedDuration::from_hours(3));
        assert!(
            text.contains("it has expired: its expires_at is 2025-03-04T17:14:58Z"),
            "{text}"
        );
        assert!(hint.contains("expires_at"), "{hint}");
    }
}
