//! The parts of a broker's address, `amqp://USER:PASSWORD@HOST:PORT/VHOST`.

use reqwest::Url;

/// AMQP's port where an address names none.
const PORT: u16 = 5672;

/// The address with another virtual host.
pub fn in_vhost(url: &str, vhost: &str) -> String {
    let mut url = parsed(url);
    url.set_path(&vhost.replace('/', "%2f"));
    url.to_string()
}

/// The address with another login.
pub fn with_login(url: &str, user: &str, password: &str) -> String {
    let mut url = parsed(url);
    url.set_username(user).expect("an address with a host");
    url.set_password(Some(password)).expect("an address with a host");
    url.to_string()
}

/// The address by way of a port of this machine.
pub fn through(url: &str, port: u16) -> String {
    let mut url = parsed(url);
    url.set_host(Some("127.0.0.1")).expect("a host");
    url.set_port(Some(port)).expect("an address with a host");
    url.to_string()
}

/// Host and port of the broker.
pub fn host_and_port(url: &str) -> String {
    let url = parsed(url);
    let host = url.host_str().expect("an address with a host");
    format!("{host}:{}", url.port().unwrap_or(PORT))
}

/// The user of the address.
pub fn user(url: &str) -> String {
    parsed(url).username().to_owned()
}

fn parsed(url: &str) -> Url {
    url.parse().expect("the broker's address")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = "amqp://drawgate:secret@10.77.0.1:5672/%2f";

    #[test]
    fn each_part_changes_alone() {
        assert_eq!(
            in_vhost(LAB, "test-1"),
            "amqp://drawgate:secret@10.77.0.1:5672/test-1"
        );
        assert_eq!(in_vhost(LAB, "/"), LAB);
        assert_eq!(
            with_login(LAB, "anna", "other"),
            "amqp://anna:other@10.77.0.1:5672/%2f"
        );
        assert_eq!(through(LAB, 7000), "amqp://drawgate:secret@127.0.0.1:7000/%2f");
    }

    #[test]
    fn host_port_and_user_are_read() {
        assert_eq!(
            (host_and_port(LAB), user(LAB)),
            ("10.77.0.1:5672".into(), "drawgate".into())
        );
        assert_eq!(
            host_and_port("amqp://ben@broker.example.com"),
            "broker.example.com:5672"
        );
    }
}
