//! Why the Docker engine does not answer through a forward: ssh and the engine both just close the
//! connection, so this module asks the host by other means.

use std::path::Path;

use super::error::Stage;
use super::master::Master;

/// How far the request came, and a hint what to do.
pub(super) async fn diagnose(master: &Master, socket: &Path) -> (Stage, String) {
    let path = socket.to_string_lossy();
    let (shown, path) = (path.clone(), path.as_ref());
    if !succeeds(master, "test", &["-S", path]).await {
        let hint = format!("there is no socket {shown} on the host: is Docker installed and running there?");
        return (Stage::Engine, hint);
    }
    if !succeeds(master, "test", &["-w", path]).await {
        let hint = format!(
            "the SSH user may not write to {shown}: add it to the socket's group, `usermod -aG docker USER`"
        );
        return (Stage::Engine, hint);
    }
    // Asks the engine on the host itself, without a forward.
    match exit_code(
        master,
        "docker",
        &["--host", &format!("unix://{path}"), "version"],
    )
    .await
    {
        Some(0) => {
            let hint = "the engine answers on the host, so sshd forbids the forward: set \
                        `AllowStreamLocalForwarding yes` (and no `DisableForwarding`) for the SSH user";
            (Stage::Forwarding, hint.to_owned())
        }
        Some(127) | None => {
            let hint = format!(
                "either nothing listens on {shown} (`systemctl status docker`), or sshd forbids the forward \
                 (`AllowStreamLocalForwarding yes`)"
            );
            (Stage::Engine, hint)
        }
        Some(_) => {
            let hint = "the engine does not answer on the host either: `systemctl status docker`";
            (Stage::Engine, hint.to_owned())
        }
    }
}

async fn succeeds(master: &Master, program: &str, arguments: &[&str]) -> bool {
    exit_code(master, program, arguments).await == Some(0)
}

async fn exit_code(master: &Master, program: &str, arguments: &[&str]) -> Option<i32> {
    master
        .run(program, arguments)
        .await
        .ok()
        .and_then(|output| output.exit_code)
}
