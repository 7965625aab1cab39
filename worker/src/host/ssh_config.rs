//! What the operator's own `ssh_config` says of a host.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::limits;
use super::settings::{HostKeys, HostSettings};

/// ssh's own files of known hosts (ssh_config(5), "UserKnownHostsFile").
const USUAL_FILES: &str = "~/.ssh/known_hosts ~/.ssh/known_hosts2";

/// What `ssh -G` prints for an instance; `None` where it prints nothing.
pub(super) async fn effective_config(settings: &HostSettings, id: &str) -> Option<String> {
    let mut command = Command::new("ssh");
    command.arg("-G");
    if let Some(config) = &settings.config_file {
        command.arg("-F").arg(config);
    }
    command.args(["-o", &format!("HostKeyAlias={id}"), "--", id]);
    command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(limits::COMMAND_TIMEOUT, command.output())
        .await
        .ok()?
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

/// The value of `UserKnownHostsFile` where the worker remembers keys: its own file, to which ssh writes
/// because it is the first, and the files that ssh would look into by itself, for what they revoke or vouch
/// for. `None` where ssh's own value is good enough.
pub(super) async fn known_hosts_files(settings: &HostSettings, id: &str) -> Option<String> {
    let own = settings.remembered_keys.as_ref()?;
    if settings.host_keys != HostKeys::AcceptNew {
        return None;
    }
    let config = effective_config(settings, id).await;
    Some(with_own_file(own, config.as_deref()))
}

fn with_own_file(own: &Path, config: Option<&str>) -> String {
    let value = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        key.eq_ignore_ascii_case("userknownhostsfile")
            .then(|| value.trim().to_owned())
    };
    let others = config.and_then(|config| config.lines().find_map(value));
    // ssh expands % in names of files, and splits them at spaces outside quotes.
    let own = own
        .to_string_lossy()
        .replace('%', "%%")
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    match others.as_deref().unwrap_or(USUAL_FILES) {
        "none" => format!("\"{own}\""),
        others => format!("\"{own}\" {others}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_to_our_file_and_looked_up_in_all() {
        let own = Path::new("/var/lib/drawgate/known_hosts");
        for (config, expected) in [
            (
                Some("user deploy\nuserknownhostsfile /etc/a /etc/b\nglobalknownhostsfile /etc/c\n"),
                "\"/var/lib/drawgate/known_hosts\" /etc/a /etc/b",
            ),
            (
                Some("userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2"),
                "\"/var/lib/drawgate/known_hosts\" ~/.ssh/known_hosts ~/.ssh/known_hosts2",
            ),
            (
                Some("userknownhostsfile none"),
                "\"/var/lib/drawgate/known_hosts\"",
            ),
            (
                None,
                "\"/var/lib/drawgate/known_hosts\" ~/.ssh/known_hosts ~/.ssh/known_hosts2",
            ),
        ] {
            assert_eq!(with_own_file(own, config), expected);
        }
        assert_eq!(
            with_own_file(Path::new("/my \"50%\" disk/k"), Some("userknownhostsfile none")),
            "\"/my \\\"50%%\\\" disk/k\""
        );
    }
}
