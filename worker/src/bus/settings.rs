//! Where the broker is, and which messages this worker consumes.

use std::fmt;
use std::path::PathBuf;

use drawgate_schemas::{Kind, Site};
use lapin::uri::AMQPUri;

use super::{BusError, limits};

/// Where the broker is, and which messages this worker consumes.
#[derive(Clone)]
pub struct BusSettings {
    /// `amqp://` or `amqps://`. It may contain a password, so it is never shown.
    pub url: String,
    /// A file whose first line is the password, which replaces the URL's. It is read again at each
    /// connection.
    pub password_file: Option<PathBuf>,
    /// The site whose queues this worker consumes.
    pub site: Site,
    /// The worker's name.
    pub worker: String,
    /// Which releases are routed to this site: binding keys such as `staging.*`.
    pub routes: Vec<String>,
    /// The kinds of event that chat gets.
    pub chat_kinds: Vec<Kind>,
}

impl fmt::Debug for BusSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusSettings")
            .field("site", &self.site)
            .field("worker", &self.worker)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl BusSettings {
    /// Checks what can be checked without a broker.
    pub(super) fn check(&self) -> Result<(), BusError> {
        for key in &self.routes {
            if key.is_empty() || key.len() > limits::KEY_BYTES {
                return Err(BusError::Route { key: key.clone() });
            }
        }
        self.uri().map(drop)
    }

    /// The URL, with the password from the file if there is one.
    pub(super) fn uri(&self) -> Result<AMQPUri, BusError> {
        let mut uri: AMQPUri = self.url.parse().map_err(|_| BusError::Url)?;
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(|source| BusError::PasswordFile {
                path: path.clone(),
                source,
            })?;
            uri.authority.userinfo.password = text.lines().next().unwrap_or_default().to_owned();
        }
        uri.query.heartbeat.get_or_insert(limits::HEARTBEAT_S);
        uri.query.frame_max.get_or_insert(limits::FRAME_BYTES);
        uri.query
            .connection_timeout
            .get_or_insert(u64::try_from(limits::CONNECT_TIMEOUT.as_millis()).unwrap_or(u64::MAX));
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> BusSettings {
        BusSettings {
            url: url.to_owned(),
            password_file: None,
            site: "bastion-a".parse().unwrap(),
            worker: "w".to_owned(),
            routes: vec!["staging.*".to_owned()],
            chat_kinds: Vec::new(),
        }
    }

    #[test]
    fn the_password_file_is_read_at_each_connection() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with_file = BusSettings {
            password_file: Some(file.path().to_owned()),
            ..settings("amqp://drawgate:old@broker/%2f")
        };
        std::fs::write(file.path(), "new\n").unwrap();
        assert_eq!(with_file.uri().unwrap().authority.userinfo.password, "new");
        std::fs::write(file.path(), "newer\n").unwrap();
        assert_eq!(with_file.uri().unwrap().authority.userinfo.password, "newer");
        assert_eq!(with_file.uri().unwrap().vhost, "/");
    }

    #[test]
    fn frames_are_small_unless_the_url_says_otherwise() {
        let frame_max = |url| settings(url).uri().unwrap().query.frame_max;
        assert_eq!(frame_max("amqp://broker"), Some(limits::FRAME_BYTES));
        assert_eq!(frame_max("amqp://broker/%2f?frame_max=131072"), Some(131_072));
    }

    #[test]
    fn no_password_is_shown() {
        let settings = settings("amqp://drawgate:hunter2@broker/%2f");
        assert!(!format!("{settings:?}").contains("hunter2"));
        let broken = BusSettings {
            url: "amqp:hunter2".to_owned(),
            ..settings
        };
        let error = broken.uri().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn what_no_binding_key_can_be_is_refused() {
        let settings = BusSettings {
            routes: vec!["x".repeat(256)],
            chat_kinds: Vec::new(),
            ..settings("amqp://broker")
        };
        assert!(matches!(settings.check(), Err(BusError::Route { .. })));
    }
}
