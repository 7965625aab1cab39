//! The broker's address and the user's credentials. The password is read here and goes out to the broker
//! only.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};

use crate::ending::Ending;
use crate::env_vars::EnvVars;
use crate::exit::Exit;
use crate::limits;
use crate::options::BrokerArgs;

/// A broker's address. It is shown as `host:port` only.
#[derive(Clone)]
pub(crate) struct Address {
    // The URI is shared, because every error about the connection carries the address.
    uri: Arc<AMQPUri>,
    ca_pem: Option<Arc<str>>,
}

/// Why there is no address. The message never quotes the address, because it has a password, or half of one
/// where it was written wrongly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// Neither the option nor the environment variable is set.
    #[error("no broker: neither {} nor --amqp-url is set", EnvVars::AMQP_URL)]
    Missing,
    /// The address has another scheme, or none.
    #[error("the broker's address begins with neither amqp:// nor amqps://")]
    Scheme,
    /// A reserved character in user name or password ends the address early.
    #[error(
        "the broker's address has an @ behind a /, ? or #: user name or password hold a reserved character"
    )]
    Reserved,
    #[error("the broker's address cannot be read")]
    Unreadable,
    /// The virtual host is too long: AMQP sends it as a short string.
    #[error("the broker's address has a virtual host of more than 255 bytes")]
    TooLong,
    /// The password's file cannot be read.
    #[error("--amqp-password-file: {} cannot be read", file.display())]
    PasswordFile {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The password's file is empty. An empty password would fail as wrong credentials, which is misleading.
    #[error("--amqp-password-file: {} is empty", .0.display())]
    EmptyPassword(PathBuf),
    /// The file with certificates cannot be read.
    #[error("--amqp-ca-file: {} cannot be read", file.display())]
    CaFile {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file has no certificate. Trusting no more than without the file would fail later, and elsewhere.
    #[error("--amqp-ca-file: {} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
}

impl Ending for AddressError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let shape = || {
            Some(format!(
                "{} is written amqp://USER:PASSWORD@HOST:PORT/VHOST (%2f is the default virtual host)",
                EnvVars::AMQP_URL
            ))
        };
        match self {
            Self::Missing | Self::Scheme | Self::Unreadable | Self::TooLong => shape(),
            Self::Reserved => Some(format!(
                "write @ as %40, / as %2F, ? as %3F, # as %23, or put the password in {}",
                EnvVars::AMQP_PASSWORD_FILE
            )),
            Self::NoCertificate(_) => {
                Some("a certificate begins with -----BEGIN CERTIFICATE-----".to_owned())
            }
            Self::PasswordFile { .. } | Self::EmptyPassword(_) | Self::CaFile { .. } => None,
        }
    }
}

impl Address {
    /// Reads the address from the command line and the environment.
    pub(crate) fn from_args(args: &BrokerArgs) -> Result<Self, AddressError> {
        let given = |file: &&PathBuf| !file.as_os_str().is_empty();
        let url = args.amqp_url.as_ref().map_or("", |url| url.reveal().trim());
        if url.is_empty() {
            return Err(AddressError::Missing);
        }
        let mut uri = parse(url)?;
        if let Some(file) = args.amqp_password_file.as_ref().filter(given) {
            uri.authority.userinfo.password = password(file)?;
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(limits::HEARTBEAT_S));
        let ca_pem = args
            .amqp_ca_file
            .as_ref()
            .filter(given)
            .map(|file| certificates(file));
        Ok(Self {
            uri: Arc::new(uri),
            ca_pem: ca_pem.transpose()?.map(Arc::from),
        })
    }

    /// The URI, for the AMQP library.
    pub(crate) fn uri(&self) -> AMQPUri {
        AMQPUri::clone(&self.uri)
    }

    /// Additional certificates to trust, in PEM.
    pub(crate) fn ca_pem(&self) -> Option<String> {
        self.ca_pem.as_deref().map(str::to_owned)
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// The host's name or IP address.
    pub(crate) fn host(&self) -> &str {
        &self.uri.authority.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.uri.authority.port
    }

    /// The virtual host.
    pub(crate) fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// The user's name.
    pub(crate) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// The user's name, where the broker takes it from the address. With a certificate (EXTERNAL) the broker
    /// uses another name.
    pub(crate) fn user_id(&self) -> Option<&str> {
        let by_name = matches!(
            self.uri.query.auth_mechanism.unwrap_or_default(),
            SASLMechanism::Plain | SASLMechanism::AMQPlain | SASLMechanism::RabbitCrDemo
        );
        by_name.then(|| self.user())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.uri.authority.host, self.uri.authority.port);
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn parse(url: &str) -> Result<AMQPUri, AddressError> {
    let rest = url
        .strip_prefix("amqp://")
        .or_else(|| url.strip_prefix("amqps://"))
        .ok_or(AddressError::Scheme)?;
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(authority_end);
    if behind.contains('@') {
        return Err(AddressError::Reserved);
    }
    let mut uri: AMQPUri = url.parse().map_err(|_| AddressError::Unreadable)?;
    // The library drops a host in brackets (IPv6), and would connect to localhost.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        uri.authority.host = address.to_owned();
    }
    if uri.vhost.len() > limits::SHORT_STRING_BYTES {
        return Err(AddressError::TooLong);
    }
    Ok(uri)
}

fn password(file: &Path) -> Result<String, AddressError> {
    let text = std::fs::read_to_string(file).map_err(|source| AddressError::PasswordFile {
        file: file.to_owned(),
        source,
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(AddressError::EmptyPassword(file.to_owned()));
    }
    Ok(password.to_owned())
}

fn certificates(file: &Path) -> Result<String, AddressError> {
    let pem = std::fs::read_to_string(file).map_err(|source| AddressError::CaFile {
        file: file.to_owned(),
        source,
    })?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(AddressError::NoCertificate(file.to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn args(url: &str) -> BrokerArgs {
        BrokerArgs {
            amqp_url: Some(url.to_owned().into()),
            amqp_password_file: None,
            amqp_ca_file: None,
            connect_timeout: std::time::Duration::from_secs(1),
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::from_args(&args("amqps://ben:hidden@mq.example.com/releases")).unwrap();
        assert_eq!(address.to_string(), "mq.example.com:5671");
        assert_eq!((address.user(), address.vhost()), ("ben", "releases"));
        assert!(!format!("{address:?}").contains("hidden"));
    }

    #[test]
    fn ipv6_is_not_taken_for_localhost() {
        let address = Address::from_args(&args("amqp://ben:hidden@[fd00::1]:5673/%2f")).unwrap();
        assert_eq!(address.to_string(), "[fd00::1]:5673");
        assert_eq!(address.uri().authority.host, "fd00::1");
    }

    #[test]
    fn no_complaint_holds_a_part_of_the_password() {
        for url in [
            "amqp://ben:hid/den@mq:5672/%2f",
            "amqp://ben:hid#den@mq",
            "amqp://ben:1?den@mq",
            "ben:hidden@mq:5672",
            "https://ben:hidden@mq",
            "amqp://ben:hidden@mq:port/%2f",
            "amqp://ben:hidden@mq/?heartbeat=hidden",
        ] {
            let error = Address::from_args(&args(url)).unwrap_err();
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert!(!text.contains("hid") && !text.contains("den"), "{url}: {text}");
        }
    }

    #[test]
    fn the_password_may_stand_in_a_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "p/a:s@s").unwrap();
        let mut args = args("amqp://ben@mq");
        args.amqp_password_file = Some(file.path().to_owned());
        let address = Address::from_args(&args).unwrap();
        assert_eq!(address.uri().authority.userinfo.password, "p/a:s@s");

        std::fs::write(file.path(), "\n").unwrap();
        assert!(matches!(
            Address::from_args(&args),
            Err(AddressError::EmptyPassword(_))
        ));
    }
}
