//! Addresses, as far as the configuration must understand them: whether a text is an address, and whether it
//! contains a password. No error here quotes the address itself, because it may contain a password.

/// The facts about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) has_password: bool,
}

/// Checks `scheme://[user[:password]@]host[:port][/path]` with one of the schemes; the error never contains
/// the address.
pub(super) fn check(url: &str, schemes: &[&str]) -> Result<Address, String> {
    let wanted = || format!("must begin with {}://", schemes.join(":// or "));
    let (scheme, rest) = url.split_once("://").ok_or_else(wanted)?;
    if !schemes.contains(&scheme) {
        return Err(wanted());
    }
    if !url.chars().all(|c| c.is_ascii_graphic()) {
        return Err("has a space or a character that must be written as %XX".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (user, host) = split_user(authority);
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => host
            .split_once(':')
            .map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() {
        return Err("names no host".to_owned());
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(
            "has a port that is no number from 1 to 65535 (in a password, write / as %2F, @ as %40)"
                .to_owned(),
        );
    }
    Ok(Address {
        has_password: user.is_some_and(|user| user.contains(':')),
    })
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    authority
        .rsplit_once('@')
        .map_or((None, authority), |(user, host)| (Some(user), host))
}

/// Whether the text is `host[:port]`.
pub(super) fn is_registry(host: &str) -> bool {
    let (name, port) = host
        .split_once(':')
        .map_or((host, None), |(name, port)| (name, Some(port)));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !name.is_empty()
        && name.chars().all(good)
        && (name.contains('.') || name == "localhost" || port.is_some())
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let amqp = |url| check(url, &["amqps", "amqp"]);
        assert_eq!(amqp("amqp://localhost"), Ok(Address { has_password: false }));
        assert_eq!(
            amqp("amqps://a:b@[::1]:5671/%2f?heartbeat=10"),
            Ok(Address { has_password: true })
        );
        for url in [
            "",
            "localhost",
            "http://localhost",
            "amqp://",
            "amqp://a@",
            "amqp://a:p/w@b:5672",
            "amqp://a b",
            "amqp://h:0",
        ] {
            let error = amqp(url).unwrap_err();
            assert!(url.is_empty() || !error.contains(url), "{error}");
        }
    }
}
