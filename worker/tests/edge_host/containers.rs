//! Containers: swapped, stopped, restarted.

use std::collections::BTreeMap;
use std::time::Duration;

use drawgate_lab::lab::Lab;
use drawgate_rollout::definition::RestartPolicy;
use drawgate_worker::host::{HostSettings, Hosts};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::reach::{H1, H2, H3, PATIENCE, hosts, settings};
use crate::service::{PULL, definition, login, pushed, run};

#[tokio::test]
async fn a_container_is_swapped_in_steps_that_can_be_repeated() {
    let Some(lab) = Lab::enter("a_container_is_swapped_in_steps_that_can_be_repeated").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-swap", H1);
    let old = run(&lab, &host, "swap", 8101, "ok").await;
    let (repository, digest) = pushed(&lab, "swap", "v2", "ok").await;
    host.pull(&repository, &digest, Some(&login(&lab)), PULL, |_| {})
        .await
        .unwrap();
    let image = format!("{repository}@{digest}");
    let labels = BTreeMap::from([("drawgate.release".to_owned(), "r2".to_owned())]);

    // The new container is created while the old one runs.
    let new = host
        .create(&definition("swap", 8101), "swap-new", &image, &labels)
        .await
        .unwrap();
    let taken = host
        .create(&definition("swap", 8101), "swap-new", &image, &labels)
        .await
        .unwrap_err();
    assert_eq!((taken.is_refused(), taken.status()), (true, Some(409)));
    let created = host.container("swap-new").await.unwrap().unwrap();
    assert_eq!(
        (created.id.as_str(), created.status.as_str(), created.running),
        (new.as_str(), "created", false)
    );
    assert_eq!(created.image_reference, image);
    // The host may know the same image by the name of another repository too.
    assert!(created.repo_digests.contains(&image), "{created:?}");
    assert_eq!(
        (
            created.labels["drawgate.release"].as_str(),
            created.labels["team"].as_str()
        ),
        ("r2", "web")
    );
    assert_eq!(created.restart_policy, RestartPolicy::No);
    assert_eq!((created.host_ports[0].port, created.started_at), (8101, None));

    // The old container still has the port.
    let in_use = host.ports_in_use().await.unwrap();
    assert!(
        in_use
            .iter()
            .any(|used| used.port == 8101 && used.container == "swap"),
        "{in_use:?}"
    );
    assert!(host.start(&new).await.unwrap_err().is_refused());

    assert!(
        host.set_restart_policy(&old, RestartPolicy::UnlessStopped)
            .await
            .unwrap()
    );
    assert!(
        !host
            .set_restart_policy(&old, RestartPolicy::UnlessStopped)
            .await
            .unwrap()
    );
    assert!(host.set_restart_policy(&old, RestartPolicy::No).await.unwrap());
    let gap = Instant::now();
    assert!(host.stop(&old, 3).await.unwrap());
    let stopped = gap.elapsed();
    assert!(host.start(&new).await.unwrap());
    eprintln!(
        "without a running container for {:?}, {stopped:?} of it for the stop",
        gap.elapsed()
    );
    assert!(!host.stop(&old, 3).await.unwrap());
    assert!(!host.start(&new).await.unwrap());
    assert!(host.rename(&old, "swap-old").await.unwrap());
    assert!(!host.rename(&old, "swap-old").await.unwrap());
    assert_eq!(
        host.rename(&new, "swap-old").await.unwrap_err().status(),
        Some(409)
    );
    assert!(host.rename(&new, "swap").await.unwrap());
    assert!(
        host.set_restart_policy(&new, RestartPolicy::OnFailure { retries: 3 })
            .await
            .unwrap()
    );

    let all = host.containers(true).await.unwrap();
    let named = |name: &str| all.iter().find(|container| container.name == name).unwrap();
    assert_eq!((named("swap").running, named("swap-old").running), (true, false));
    assert_eq!(
        named("swap").restart_policy,
        RestartPolicy::OnFailure { retries: 3 }
    );
    assert!(
        host.containers(false)
            .await
            .unwrap()
            .iter()
            .all(|container| container.running)
    );

    assert!(host.remove(&old, false).await.unwrap());
    assert!(!host.remove(&old, false).await.unwrap());
    assert_eq!(
        host.remove(&new, false).await.unwrap_err().status(),
        Some(409),
        "it runs"
    );
    assert!(host.remove(&new, true).await.unwrap());
    assert_eq!(host.container("swap").await.unwrap(), None);
    assert_eq!(host.stop("swap", 1).await.unwrap_err().status(), Some(404));
    assert_eq!(hosts.connections(), 1);
}

/// What the way forward does to the old container, and why: a stopped container with a restart policy comes
/// back with its engine.
#[tokio::test]
async fn trap_17_a_container_without_policy_stays_stopped_on_reboot() {
    let Some(lab) = Lab::enter("trap_17_a_container_without_policy_stays_stopped_on_reboot").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-boot", H3);
    let kept = run(&lab, &host, "kept", 8107, "ok").await;
    let left = run(&lab, &host, "left", 8108, "ok").await;
    for id in [&kept, &left] {
        host.set_restart_policy(id, RestartPolicy::Always).await.unwrap();
    }
    assert!(host.set_restart_policy(&kept, RestartPolicy::No).await.unwrap());
    for id in [&kept, &left] {
        assert!(host.stop(id, 3).await.unwrap());
    }
    reboot(&lab, "h3").await;
    let there = async {
        loop {
            match host.containers(true).await {
                Ok(found) if found.iter().any(|each| each.name == "left" && each.running) => return found,
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let found = timeout(PATIENCE, there).await.unwrap();
    let kept = found.iter().find(|each| each.id == kept).unwrap();
    assert!(!kept.running, "{kept:?}");
    assert_eq!(kept.restart_policy, RestartPolicy::No);
    for each in found {
        host.remove(&each.id, true).await.unwrap();
    }
}

async fn reboot(lab: &Lab, host: &str) {
    lab.post(&format!("hosts/{host}/stop"), json!({})).await;
    lab.post(&format!("hosts/{host}/start"), json!({})).await;
}

#[tokio::test]
async fn trap_20_the_count_of_a_slowly_restarting_container_rises() {
    let Some(lab) = Lab::enter("trap_20_the_count_of_a_slowly_restarting_container_rises").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-rise", H1);
    let id = run(&lab, &host, "rise", 8112, "crash-after:300").await;
    host.set_restart_policy(&id, RestartPolicy::Always).await.unwrap();
    let mut running = 0;
    let rises = async {
        loop {
            let seen = host.container_alone(&id).await.unwrap().unwrap();
            running += u32::from(seen.running);
            if seen.restart_count >= 2 {
                return seen.restart_count;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, rises).await.unwrap();
    assert!(running > 0, "it looks running at most moments");
    // A manual stop and start resets the restart count, and the rollback relies on that.
    host.stop(&id, 1).await.unwrap();
    host.set_restart_policy(&id, RestartPolicy::No).await.unwrap();
    host.start(&id).await.unwrap();
    assert_eq!(host.container_alone(&id).await.unwrap().unwrap().restart_count, 0);
    host.remove(&id, true).await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_the_containers_own_time() {
    let Some(lab) = Lab::enter("a_stop_waits_for_the_containers_own_time").await else {
        return;
    };
    let settings = HostSettings {
        docker_timeout: Duration::from_secs(1),
        ..settings(&lab)
    };
    let hosts = Hosts::new(settings).unwrap();
    let host = hosts.host("i-stop", H2);
    let id = run(&lab, &host, "stop", 8105, "ignore-term").await;
    sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    assert!(host.stop(&id, 2).await.unwrap());
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    let stopped = host.container(&id).await.unwrap().unwrap();
    assert_eq!(
        (stopped.status.as_str(), stopped.exit_code),
        ("exited", Some(137))
    );
    host.remove(&id, true).await.unwrap();
}
