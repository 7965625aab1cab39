//! Probes: what a container answers, and who is connected to it or listens in its place.

use std::collections::BTreeSet;
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::host::HostError;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::reach::{H1, H2, PATIENCE, hosts};
use crate::service::run;

#[tokio::test]
async fn a_container_is_probed_by_http_and_command_and_its_log_read() {
    let Some(lab) = Lab::enter("a_container_is_probed_by_http_and_command_and_its_log_read").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-ask", H1);
    let id = run(&lab, &host, "ask", 8102, "unhealthy").await;
    let second = Duration::from_secs(1);
    let answered = async {
        loop {
            match host.http_get(8102, "/", second).await {
                Ok(answer) => return answer,
                Err(error) => assert!(matches!(error, HostError::NoAnswer { .. }), "{error:?}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(
        (answer.status, answer.body_start.starts_with("v1 ")),
        (200, true),
        "{answer:?}"
    );
    let answer = host.http_get(8102, "/health", second).await.unwrap();
    assert_eq!(
        (answer.status, answer.body_start.contains("no such table")),
        (500, true),
        "{answer:?}"
    );
    assert_eq!(host.http_get(8102, "/none", second).await.unwrap().status, 404);
    let slow = host
        .http_get(8102, "/slow?ms=3000", Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(matches!(slow, HostError::NoAnswer { port: 8102, .. }), "{slow:?}");
    let nobody = host.http_get(8199, "/", second).await.unwrap_err();
    assert!(
        matches!(nobody, HostError::NoAnswer { port: 8199, .. }),
        "{nobody:?}"
    );

    let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let result = host
        .exec(
            &id,
            &command(&["/bin/sh", "-c", "echo $GREETING; exit 3"]),
            second,
        )
        .await
        .unwrap();
    assert_eq!(
        (result.exit_code, result.output_tail.as_str()),
        (Some(3), "a \"b\" $c\n")
    );
    let much = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";
    let result = host
        .exec(&id, &command(&["/bin/sh", "-c", much]), PATIENCE)
        .await
        .unwrap();
    assert!(result.output_tail.ends_with("line 2999\n") && result.output_tail.len() <= 4096);
    let result = host
        .exec(
            &id,
            &command(&["/bin/sh", "-c", "echo begun; sleep 5"]),
            second / 2,
        )
        .await
        .unwrap();
    assert_eq!((result.exit_code, result.output_tail.as_str()), (None, "begun\n"));
    let result = host.exec(&id, &command(&["/no/such/program"]), second).await;
    eprintln!("a program that is not there: {result:?}");

    let print =
        r"i=0; while [ $i -lt 80 ]; do printf '\033[31mno %s\033[0m\r\n' $i > /proc/1/fd/1; i=$((i+1)); done";
    host.exec(&id, &command(&["/bin/sh", "-c", print]), PATIENCE)
        .await
        .unwrap();
    let lines = host.logs(&id, 1000).await.unwrap();
    assert_eq!(
        (lines.len(), lines.last().map(String::as_str)),
        (50, Some("no 79")),
        "{lines:?}"
    );
    assert_eq!(host.logs(&id, 2).await.unwrap(), ["no 78", "no 79"]);
    host.remove(&id, true).await.unwrap();
    assert_eq!(host.logs(&id, 2).await.unwrap_err().status(), Some(404));
    assert_eq!(hosts.connections(), 1);
}

#[tokio::test]
async fn open_connections_are_counted_where_docker_hides_them() {
    let Some(lab) = Lab::enter("open_connections_are_counted_where_docker_hides_them").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-open", H2);
    let id = run(&lab, &host, "open", 8103, "ok").await;
    assert_eq!(host.open_connections(8103).await.unwrap(), Some(0));
    let mut open = Vec::new();
    let connected = async {
        while open.len() < 3 {
            match tokio::net::TcpStream::connect((H2, 8103)).await {
                Ok(mut stream) => {
                    stream
                        .write_all(b"GET /slow?ms=20000 HTTP/1.1\r\n\r\n")
                        .await
                        .unwrap();
                    open.push(stream);
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, connected).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(host.open_connections(8103).await.unwrap(), Some(3));
    // A service outside Docker: sshd's own port, with our connection on it.
    assert!(host.open_connections(22).await.unwrap().unwrap() >= 1);
    host.remove(&id, true).await.unwrap();
}

#[tokio::test]
async fn trap_18_units_and_processes_beside_docker_are_seen() {
    let Some(lab) = Lab::enter("trap_18_units_and_processes_beside_docker_are_seen").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-beside", H2);
    let ports = BTreeSet::from([22, 8109, 8110]);
    let id = run(&lab, &host, "beside", 8109, "ok").await;
    let listeners = host.listeners(&ports).await.unwrap().unwrap();
    let on = |port: u16| listeners.iter().filter(move |listener| listener.port == port);
    assert_eq!((on(22).count(), on(8110).count()), (1, 0), "{listeners:?}");
    let sshd = on(22).next().unwrap();
    assert_eq!((sshd.address.as_str(), sshd.protocol.as_str()), (H2, "tcp"));
    // Docker's own proxy listens for the container: the published ports tell it from other listeners.
    assert!(on(8109).all(|listener| listener.protocol == "tcp"));
    let published = host.ports_in_use().await.unwrap();
    assert!(
        published
            .iter()
            .any(|used| used.port == 8109 && used.container == "beside")
    );
    host.remove(&id, true).await.unwrap();

    // The host does not run systemd, although systemctl may be installed there.
    assert_eq!(host.unit_of("api").await.unwrap(), None);
    // A stand-in that answers as systemd 252 does; sshd's shell finds it first.
    let stand_in = "#!/bin/sh\n\
        [ \"$1\" = show ] || exit 1\n\
        echo Id=ssh.service; echo ActiveState=active; echo UnitFileState=enabled\n\
        echo 'ExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; ignore_errors=no ; pid=1 }'\n\
        echo\n\
        echo Id=api.service; echo ActiveState=inactive; echo UnitFileState=enabled\n\
        echo 'ExecStartPre={ path=/usr/bin/docker ; argv[]=/usr/bin/docker rm -f api ; ignore_errors=yes ; pid=0 }'\n\
        echo 'ExecStart={ path=/usr/bin/docker ; argv[]=/usr/bin/docker run --rm --name api x ; ignore_errors=no }'\n";
    lab.on_host_with(
        "h2",
        "mkdir -p bin; cat >bin/systemctl; chmod +x bin/systemctl",
        stand_in,
    )
    .await;
    lab.on_host_with("h2", "cat >.bashrc", "PATH=/home/deploy/bin:$PATH\n")
        .await;
    let found = host.unit_of("api").await;
    let other = host.unit_of("ap").await;
    lab.on_host_with("h2", "rm -r .bashrc bin", "").await;
    assert_eq!(found.unwrap().as_deref(), Some("api.service"));
    assert_eq!(other.unwrap(), None);
}
