//! What occupies a host besides Docker's containers and may be in a release's way: systemd units that start
//! containers by name, and processes on the service's ports. Docker knows nothing of either.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{HostError, Stage};
use super::limits;
use super::pool::Host;

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Host address; `*`, `0.0.0.0` and `[::]` mean all.
    pub address: String,
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Name and id of the process, where the SSH user may see it: its own processes, or all as root.
    pub process: Option<String>,
}

impl Host {
    /// The systemd unit that starts a container of that name, and is active or started at boot; `None` also
    /// on a host without systemd.
    ///
    /// Neither `docker inspect` nor the container's cgroup has a trace of the unit, because the engine starts
    /// the container. So the units' own command lines are read: `docker run --name NAME`, `docker start
    /// NAME`. A unit that runs a script is not seen through (systemctl(1), "show"; systemd.service(5),
    /// "ExecStart=").
    pub async fn unit_of(&self, container: &str) -> Result<Option<String>, HostError> {
        const ARGUMENTS: [&str; 6] = [
            "show",
            "--no-pager",
            "--property=Id,ActiveState,UnitFileState,ExecStart,ExecStartPre,ExecStartPost",
            "--type=service",
            "--",
            "*.service",
        ];
        const OPERATION: &str = "asking for systemd's services";
        let link = self.link(OPERATION).await?;
        let output = link
            .master
            .run_reading("systemctl", &ARGUMENTS, limits::UNITS_OUTPUT_BYTES)
            .await
            .map_err(|error| self.unreachable(OPERATION, Stage::Command, None, Arc::new(error)))?;
        // Without systemd `systemctl` is absent, or says that systemd does not run: nothing is printed either
        // way.
        Ok(owner(&output.stdout, container))
    }

    /// The sockets that listen on these ports; `None` without `ss`.
    pub async fn listeners(&self, ports: &BTreeSet<u16>) -> Result<Option<Vec<Listener>>, HostError> {
        const OPERATION: &str = "asking who listens";
        if ports.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let filter: Vec<String> = ports.iter().map(|port| format!("sport = :{port}")).collect();
        let filter = format!("( {} )", filter.join(" or "));
        let link = self.link(OPERATION).await?;
        let output = link
            .master
            .run("ss", &["-Hltunp", &filter])
            .await
            .map_err(|error| self.unreachable(OPERATION, Stage::Command, None, Arc::new(error)))?;
        Ok((output.exit_code == Some(0)).then(|| output.stdout.lines().filter_map(listener).collect()))
    }
}

/// The first unit in systemd's answer (blocks of `Property=value`, with an empty line between two) that
/// starts the container.
fn owner(printed: &str, container: &str) -> Option<String> {
    printed.split("\n\n").find_map(|block| {
        let values = |name: &'static str| {
            block
                .lines()
                .filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let id = values("Id").next()?;
        let active =
            values("ActiveState").any(|state| matches!(state, "active" | "activating" | "reloading"));
        let at_boot = values("UnitFileState").any(|state| state.starts_with("enabled"));
        let commands = ["ExecStart", "ExecStartPre", "ExecStartPost"]
            .into_iter()
            .flat_map(values);
        let mut commands = commands.filter_map(arguments);
        ((active || at_boot) && commands.any(|command| starts(command, container))).then(|| id.to_owned())
    })
}

/// The command line in `{ path=/usr/bin/docker ; argv[]=/usr/bin/docker run … ; ignore_errors=no ; … }`.
fn arguments(value: &str) -> Option<&str> {
    let (_, after) = value.split_once("argv[]=")?;
    Some(after.split_once(" ; ").map_or(after, |(command, _)| command))
}

/// Whether a command line makes or starts a container of that name.
fn starts(command: &str, container: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let program = words.first().and_then(|path| path.rsplit('/').next());
    if !program.is_some_and(|program| matches!(program, "docker" | "podman" | "nerdctl")) {
        return false;
    }
    let named = words.windows(2).any(|pair| pair == ["--name", container])
        || words
            .iter()
            .any(|word| word.strip_prefix("--name=").is_some_and(|name| name == container));
    let makes = words.iter().any(|word| matches!(*word, "run" | "create"));
    let restarts = words.iter().any(|word| matches!(*word, "start" | "restart"));
    (makes && named) || (restarts && words.iter().skip(2).any(|word| *word == container))
}

/// One line of `ss`: `tcp LISTEN 0 4096 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=77,fd=6))`.
fn listener(line: &str) -> Option<Listener> {
    let mut columns = line.split_whitespace();
    let protocol = columns.next()?;
    let (address, port) = columns.nth(3)?.rsplit_once(':')?;
    let users = columns.nth(1).unwrap_or_default();
    let name = users.split('"').nth(1);
    let pid = users.split("pid=").nth(1).and_then(|rest| rest.split(',').next());
    Some(Listener {
        address: address.to_owned(),
        port: port.parse().ok()?,
        protocol: protocol.to_owned(),
        process: name.zip(pid).map(|(name, pid)| format!("{name} (process {pid})")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(id: &str, active: &str, file: &str, command: &str) -> String {
        format!(
            "Id={id}\nActiveState={active}\nUnitFileState={file}\nExecStart={{ path=/usr/bin/docker ; \
             argv[]={command} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; \
             status=0/0 }}\n"
        )
    }

    #[test]
    fn trap_18_a_containers_unit_is_found_by_its_command_line() {
        let run = "/usr/bin/docker run --rm --name api -p 8080:8080 registry/api:main";
        let start = "/usr/bin/docker start -a api";
        let other = unit("ssh.service", "active", "enabled", "/usr/sbin/sshd -D $SSHD_OPTS");
        for (unit_text, found) in [
            (unit("api.service", "active", "disabled", run), true),
            (unit("api.service", "inactive", "enabled", run), true),
            (unit("api.service", "failed", "disabled", run), false),
            (unit("api.service", "active", "static", start), true),
            (
                unit(
                    "api.service",
                    "active",
                    "enabled",
                    "/usr/bin/docker run --name=api x",
                ),
                true,
            ),
            (
                unit(
                    "api.service",
                    "active",
                    "enabled",
                    "/usr/bin/docker run --name api2 x",
                ),
                false,
            ),
            (
                unit("api.service", "active", "enabled", "/usr/bin/docker run x api"),
                false,
            ),
            (
                unit("api.service", "active", "enabled", "/usr/bin/docker stop api"),
                false,
            ),
            (
                unit(
                    "api.service",
                    "active",
                    "enabled",
                    "/usr/bin/dockerd --name api run",
                ),
                false,
            ),
        ] {
            let printed = format!("{other}\n{unit_text}");
            let expected = found.then(|| "api.service".to_owned());
            assert_eq!(owner(&printed, "api"), expected, "{unit_text}");
        }
        assert_eq!(owner("", "api"), None);
        assert_eq!(owner("System has not been booted with systemd", "api"), None);
    }

    #[test]
    fn lines_of_ss() {
        let all = listener("tcp   LISTEN 0      4096         0.0.0.0:8080      0.0.0.0:*").unwrap();
        assert_eq!(
            (all.address.as_str(), all.port, all.protocol.as_str()),
            ("0.0.0.0", 8080, "tcp")
        );
        assert_eq!(all.process, None);
        let six = "udp   UNCONN 0      0      [::]:514      [::]:*    users:((\"syslogd\",pid=77,fd=6))";
        let six = listener(six).unwrap();
        assert_eq!((six.address.as_str(), six.port), ("[::]", 514));
        assert_eq!(six.process.as_deref(), Some("syslogd (process 77)"));
        assert_eq!(listener("").is_none(), listener("tcp LISTEN").is_none());
    }
}
