//! One connection for each host, replaced when it ends, and gone with its worker.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_worker::host::{HostProgram, HostRan, HostSettings, Hosts};
use tokio::time::{Instant, sleep, timeout};

use crate::processes::{kill_hard, masters};
use crate::reach::{H1, H2, H3, PATIENCE, hosts, settings};
use crate::service::run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_on_a_host_shares_one_connection() {
    let Some(lab) = Lab::enter("everything_on_a_host_shares_one_connection").await else {
        return;
    };
    let hosts = hosts(&lab);
    let cold = Instant::now();
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let host = hosts.host("i-share", H1);
            tokio::spawn(async move { host.probe().await.unwrap() })
        })
        .collect();
    for used in uses {
        let facts = used.await.unwrap();
        assert_eq!(
            (facts.os.as_str(), facts.docker_root_dir.as_str()),
            ("linux", "/var/lib/docker")
        );
        assert!(
            facts.disk_free_bytes.unwrap() > 0 && !facts.live_restore,
            "{facts:?}"
        );
    }
    assert_eq!((hosts.connections(), masters("i-share").len()), (1, 1));
    let facts = hosts.host("i-share", H1).probe().await.unwrap();
    eprintln!("20 cold probes {:?}; then {facts:?}", cold.elapsed());
    assert_eq!(hosts.connections(), 1);
    hosts.close().await;
    assert_eq!(masters("i-share").len(), 0, "closing ends the ssh process");
    hosts.host("i-share", H1).probe().await.unwrap();
    assert_eq!(hosts.connections(), 2, "a later use connects anew");
    drop(hosts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced_on_next_use_by_one() {
    let Some(lab) = Lab::enter("a_killed_master_is_replaced_on_next_use_by_one").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-kill", H1);
    host.containers(true).await.unwrap();
    kill_hard(&masters("i-kill"));
    let uses: Vec<_> = (0..10)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { host.containers(true).await.unwrap() })
        })
        .collect();
    for used in uses {
        used.await.unwrap();
    }
    assert_eq!((hosts.connections(), masters("i-kill").len()), (2, 1));

    // The connection breaks during a stop: the outcome is unknown.
    let id = run(&lab, &host, "kill", 8104, "ignore-term").await;
    sleep(Duration::from_millis(300)).await;
    let stopping = tokio::spawn({
        let (host, id) = (host.clone(), id.clone());
        async move { host.stop(&id, 5).await }
    });
    sleep(Duration::from_millis(500)).await;
    kill_hard(&masters("i-kill"));
    let error = stopping.await.unwrap().unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    host.container(&id).await.unwrap().unwrap();
    assert_eq!(hosts.connections(), 3);
    host.remove(&id, true).await.unwrap();
}

/// The child process of the test below: it connects, and waits to be killed.
async fn be_killed(config: std::ffi::OsString) {
    let settings = HostSettings {
        config_file: Some(config.into()),
        ..HostSettings::default()
    };
    let hosts = Hosts::new(settings).unwrap();
    hosts.host("i-orphan", H1).probe().await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_worker_leaves_no_ssh_behind() {
    if let Some(config) = std::env::var_os("EDGE_HOST_CONFIG") {
        return be_killed(config).await;
    }
    let Some(lab) = Lab::enter("a_killed_worker_leaves_no_ssh_behind").await else {
        return;
    };
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connections::a_killed_worker_leaves_no_ssh_behind"])
        .env("EDGE_HOST_CONFIG", lab.ssh_config())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let appears = async {
        while masters("i-orphan").is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        // The child is logged in and forwarding by then.
        sleep(Duration::from_secs(1)).await;
    };
    timeout(PATIENCE, appears).await.unwrap();
    assert_eq!(masters("i-orphan").len(), 1);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let begun = Instant::now();
    let ends = async {
        while !masters("i-orphan").is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
    eprintln!("the master ended {:?} after its worker", begun.elapsed());
}

/// Two connections for three hosts: whoever is needed next gets the connection of a host that nobody uses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_41_a_host_gets_the_connection_of_an_idle_one() {
    let Some(lab) = Lab::enter("trap_41_a_host_gets_the_connection_of_an_idle_one").await else {
        return;
    };
    let settings = HostSettings {
        connections: 2,
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let use_of = |id: &'static str, address| {
        let host = hosts.host(id, address);
        async move { host.probe().await.unwrap() }
    };
    use_of("i-one", H1).await;
    use_of("i-two", H2).await;
    use_of("i-one", H1).await;
    use_of("i-three", H3).await;
    let open = ["i-one", "i-two", "i-three"].map(|id| masters(id).len());
    assert_eq!((open, hosts.connections()), ([1, 0, 1], 3));

    let one = hosts.host("i-one", H1);
    let (words, nothing) = (["sleep", "3"].map(str::to_owned), BTreeMap::new());
    let busy = one.run_program(HostProgram {
        words: &words,
        env: &nothing,
        directory: None,
        limit: PATIENCE,
        lock: None,
    });
    let others = async {
        sleep(Duration::from_millis(500)).await;
        use_of("i-two", H2).await;
        use_of("i-three", H3).await;
        ["i-one", "i-two", "i-three"].map(|id| masters(id).len())
    };
    let (ended, open) = tokio::join!(busy, others);
    assert!(matches!(ended.unwrap(), HostRan::Ended(_)));
    assert_eq!(open, [1, 0, 1], "the host in use keeps its connection");
    hosts.close().await;
}
