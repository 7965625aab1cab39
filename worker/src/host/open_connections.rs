//! Counts the connections open on a port, which the load balancer does not tell.
//!
//! With Docker's address translation a connection to a published port exists in the container's network only;
//! with host networking or a service outside of Docker it is a socket of the host. Both places are counted. A
//! connection through Docker's user-land proxy (from the host to itself) is in both and counts twice: the
//! count is never too low.

use std::sync::Arc;

use super::error::{HostError, Stage};
use super::master::CommandOutput;
use super::pool::Host;

impl Host {
    /// Established TCP connections to that port of the host; `None` when the host cannot tell.
    pub async fn open_connections(&self, port: u16) -> Result<Option<u64>, HostError> {
        let on_host = self.host_sockets(port).await?;
        let mut inside = 0;
        for (pid, container_port) in self.publishers(port).await? {
            match self.container_sockets(pid, container_port).await? {
                Some(count) => inside += count,
                None => return Ok(None),
            }
        }
        Ok(on_host.map(|count| count + inside))
    }

    /// Sockets of the host itself; `None` without `ss`.
    async fn host_sockets(&self, port: u16) -> Result<Option<u64>, HostError> {
        let filter = format!("( sport = :{port} )");
        let output = self
            .look_with("ss", &["-Htn", "state", "established", &filter])
            .await?;
        let lines = output
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        Ok((output.exit_code == Some(0)).then_some(lines as u64))
    }

    /// The processes in whose networks the connections to a published TCP port are, each with the container's
    /// port.
    async fn publishers(&self, port: u16) -> Result<Vec<(u32, u16)>, HostError> {
        let uses = self.ports_in_use().await?;
        let mut ids: Vec<&str> = uses
            .iter()
            .filter(|used| used.port == port && used.protocol == "tcp")
            .map(|used| used.container_id.as_str())
            .collect();
        ids.dedup();
        let mut publishers = Vec::new();
        for id in ids {
            let Some(container) = self.container_alone(id).await? else {
                continue;
            };
            let published = container.host_ports.iter();
            let inside = published.filter(|known| known.port == port && known.protocol == "tcp");
            let mut ports: Vec<u16> = inside.map(|known| known.container_port).collect();
            ports.sort_unstable();
            ports.dedup();
            publishers.extend(
                container
                    .pid
                    .into_iter()
                    .flat_map(|pid| ports.iter().map(move |port| (pid, *port))),
            );
        }
        Ok(publishers)
    }

    /// Sockets in the network of a process; `None` when its tables cannot be read.
    async fn container_sockets(&self, pid: u32, port: u16) -> Result<Option<u64>, HostError> {
        let tables = [format!("/proc/{pid}/net/tcp"), format!("/proc/{pid}/net/tcp6")];
        let output = self.look_with("cat", &[&tables[0], &tables[1]]).await?;
        // Without IPv6 the second table is missing, and `cat` ends with an error after printing the first.
        Ok((!output.stdout.is_empty()).then(|| established(&output.stdout, port)))
    }

    async fn look_with(&self, program: &str, arguments: &[&str]) -> Result<CommandOutput, HostError> {
        const OPERATION: &str = "counting open connections";
        let link = self.link(OPERATION).await?;
        link.master
            .run(program, arguments)
            .await
            .map_err(|error| self.unreachable(OPERATION, Stage::Command, None, Arc::new(error)))
    }
}

/// Established connections to a local port in the kernel's `/proc/net/tcp` format: `sl local remote state
/// ...`.
fn established(table: &str, port: u16) -> u64 {
    const ESTABLISHED: &str = "01";
    let matching = table.lines().filter(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().and_then(|local| local.rsplit_once(':'));
        let state = columns.nth(1);
        let local_port = local.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        local_port == Some(port) && state == Some(ESTABLISHED)
    });
    matching.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_established_connections_to_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
             0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
             1: 020011AC:1F90 0100004D:C350 01 00000000:00000000 00:00000000 00000000     0\n\
             2: 020011AC:1F90 0100004D:C351 06 00000000:00000000 00:00000000 00000000     0\n\
             3: 020011AC:C352 0100004D:1F90 01 00000000:00000000 00:00000000 00000000     0\n\
             0: 0000000000000000FFFF0000020011AC:1F90 0000000000000000FFFF00000100004D:C353 01 0:0 0:0 0 0\n";
        assert_eq!(established(table, 8080), 2);
    }
}
