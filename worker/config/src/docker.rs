//! Docker's short syntax for ports, volumes and restart policies, as `docker run` takes it. Forms that a roll
//! cannot use (a random port, an anonymous volume) are refused with the reason.

use std::net::IpAddr;

use drawgate_rollout::definition::{PortMapping, Protocol, RestartPolicy};

/// Why a text is refused, and what to write instead.
pub(super) type Refused = (String, String);

/// `[address:]host:container[/protocol]`.
pub(super) fn port(text: &str) -> Result<PortMapping, Refused> {
    const USAGE: &str =
        "write \"HOST:CONTAINER\", as in \"8080:80\", \"127.0.0.1:8080:80\" or \"514:514/udp\"";
    let refused = |problem: &str| Err((format!("{text:?} {problem}"), USAGE.to_owned()));
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return refused("names a protocol that is neither tcp nor udp"),
    };
    let Some((front, container)) = numbers.rsplit_once(':') else {
        return refused(
            "names one port: the engine would choose the host's, and the load balancer could not know it",
        );
    };
    let (address, host) = match front.rsplit_once(':') {
        Some((address, host)) => (Some(address), host),
        None => (None, front),
    };
    if host.contains('-') || container.contains('-') {
        return refused("is a range: list the ports one by one");
    }
    let number = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|port| *port > 0 && !text.starts_with('+'))
    };
    let (Some(host), Some(container)) = (number(host), number(container)) else {
        return refused("has a port that is no number from 1 to 65535");
    };
    let address = match address.map(|address| address.trim_start_matches('[').trim_end_matches(']')) {
        Some(address) if address.parse::<IpAddr>().is_err() => {
            return refused("binds to something that is no IP address");
        }
        address => address.map(str::to_owned),
    };
    Ok(PortMapping {
        address,
        host,
        container,
        protocol,
    })
}

/// Options of a bind mount or volume that the engine knows.
const VOLUME_OPTIONS: [&str; 14] = [
    "ro",
    "rw",
    "z",
    "Z",
    "nocopy",
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
    "cached",
    "delegated",
    "consistent",
];

/// The path in the container, from `source:target[:options]`, where the source is an absolute path or a
/// volume's name.
pub(super) fn volume_target(text: &str) -> Result<String, Refused> {
    const USAGE: &str =
        "write \"/on/host:/in/container\" or \"volume:/in/container\", with \":ro\" for read only";
    let refused = |problem: String| Err((format!("{text:?} {problem}"), USAGE.to_owned()));
    let mut parts = text.split(':');
    let (source, target, options, more) = (
        parts.next().unwrap_or(""),
        parts.next(),
        parts.next(),
        parts.next(),
    );
    let Some(target) = target else {
        return refused("has no target: an anonymous volume would be empty after every release".to_owned());
    };
    if more.is_some() {
        return refused("has more than three parts".to_owned());
    }
    if source.starts_with(['.', '~']) {
        return refused("has a relative source, which means nothing on another host".to_owned());
    }
    if !source.starts_with('/') && !is_volume_name(source) {
        return refused("has a source that is neither an absolute path nor a volume's name".to_owned());
    }
    let target = target.trim_end_matches('/');
    if !target.starts_with('/') {
        return refused("has a target that is no absolute path below /".to_owned());
    }
    if format!("{source}/{target}").split('/').any(|part| part == "..") {
        return refused("has a \"..\" in it".to_owned());
    }
    let unknown = options
        .into_iter()
        .flat_map(|list| list.split(','))
        .find(|option| !VOLUME_OPTIONS.contains(option));
    match unknown {
        Some(option) => refused(format!(
            "has the option {option:?}, which the engine does not know"
        )),
        None => Ok(target.to_owned()),
    }
}

/// Whether the text is a volume's or container's name by the engine's own pattern:
/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn is_volume_name(name: &str) -> bool {
    name.len() >= 2
        && name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Reads `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:5`.
pub(super) fn restart(text: &str) -> Result<RestartPolicy, Refused> {
    let retries = text
        .strip_prefix("on-failure:")
        .map(|retries| retries.parse::<u32>().ok());
    match (text, retries) {
        ("no", _) => Ok(RestartPolicy::No),
        ("always", _) => Ok(RestartPolicy::Always),
        ("unless-stopped", _) => Ok(RestartPolicy::UnlessStopped),
        ("on-failure", _) => Ok(RestartPolicy::OnFailure { retries: 0 }),
        (_, Some(Some(retries))) => Ok(RestartPolicy::OnFailure { retries }),
        _ => Err((
            format!("{text:?} is no restart policy"),
            "write \"no\", \"always\", \"unless-stopped\", \"on-failure\" or \"on-failure:5\"".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let read = |text: &str| port(text).map(|p| (p.address, p.host, p.container, p.protocol));
        assert_eq!(read("8080:80"), Ok((None, 8080, 80, Protocol::Tcp)));
        assert_eq!(
            read("127.0.0.1:514:514/udp"),
            Ok((Some("127.0.0.1".into()), 514, 514, Protocol::Udp))
        );
        assert_eq!(
            read("[::1]:80:80"),
            Ok((Some("::1".into()), 80, 80, Protocol::Tcp))
        );
        for text in [
            "",
            "8080",
            ":80",
            "8080:",
            "0:80",
            "+1:80",
            "1:70000",
            "80-90:80-90",
            "x:1:1",
            "1:1/sctp",
            "::::",
            "é:é",
        ] {
            assert!(port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn volumes() {
        for text in [
            "/dev/log:/dev/log",
            "data:/var/lib/data",
            "/etc/ssl:/etc/ssl/:ro,z",
        ] {
            assert!(volume_target(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/data",
            "./a:/b",
            "~/a:/b",
            "a b:/c",
            "/a:b",
            "/a:/",
            "/a:/b:rw:z",
            "/a:/b:read",
            "/a/../b:/c",
            "/a:/b:",
        ] {
            assert!(volume_target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn restart_policies() {
        assert_eq!(
            restart("on-failure:3"),
            Ok(RestartPolicy::OnFailure { retries: 3 })
        );
        for text in ["", "yes", "on-failure:", "on-failure:-1", "never"] {
            assert!(restart(text).is_err(), "{text}");
        }
    }
}
