//! Host keys: what vouches for a host.

use std::fs;
use std::path::Path;

use drawgate_lab::lab::Lab;
use drawgate_worker::host::{HostKeys, HostSettings, Hosts, Stage};

use crate::reach::{H1, H2, chain, settings};

#[tokio::test]
async fn trap_25_an_unknown_host_key_is_refused_with_the_way_out() {
    let Some(lab) = Lab::enter("trap_25_an_unknown_host_key_is_refused_with_the_way_out").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (config, known) = (dir.path().join("config"), dir.path().join("known"));
    let lab_config = fs::read_to_string(lab.ssh_config()).unwrap();
    let own = format!("Host *\n UserKnownHostsFile {}\n{lab_config}", known.display());
    fs::write(&config, own).unwrap();
    let strict = HostSettings {
        config_file: Some(config),
        ..settings(&lab)
    };
    let hosts = Hosts::new(strict.clone()).unwrap();
    let error = hosts.host("i-new", H1).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh));
    assert!(error.is_transient());
    let text = chain(&error);
    assert!(text.contains("Host key verification failed"), "{text}");
    assert!(
        error.hint().unwrap().contains("-o HostKeyAlias=i-new"),
        "{:?}",
        error.hint()
    );

    // A key is remembered on first sight, under the instance id and not under the address ...
    let accepting = HostSettings {
        host_keys: HostKeys::AcceptNew,
        ..strict
    };
    let hosts = Hosts::new(accepting).unwrap();
    hosts.host("i-new", H1).probe().await.unwrap();
    let remembered = fs::read_to_string(&known).unwrap();
    assert!(
        remembered.contains("i-new") && !remembered.contains(H1),
        "{remembered}"
    );
    // ... so another machine under that id is refused, and its address can be reused.
    let error = hosts.host("i-new", H2).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh));
    hosts.host("i-newer", H1).probe().await.unwrap();
}

/// As under the unit, which leaves the worker no home that it can write to.
#[tokio::test]
async fn trap_25_an_accepted_key_is_kept_in_the_workers_own_file() {
    let Some(lab) = Lab::enter("trap_25_an_accepted_key_is_kept_in_the_workers_own_file").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (state, given) = (dir.path().join("state of it"), dir.path().join("given"));
    let key =
        |host: &str| fs::read_to_string(lab.folder().join(format!("hosts/{host}/ssh_host_key.pub"))).unwrap();
    fs::write(&given, format!("i-given {}", key("h2"))).unwrap();
    let files = format!(
        "UserKnownHostsFile /proc/nowhere/known {}\nGlobalKnownHostsFile /dev/null",
        given.display()
    );
    let accepting = HostSettings {
        host_keys: HostKeys::AcceptNew,
        remembered_keys: Some(state.join("known_hosts")),
        ..configured(&lab, dir.path(), &files)
    };
    let hosts = Hosts::new(accepting).unwrap();
    let told = hosts.unknown_host_keys().await.unwrap();
    assert!(
        told.contains("remembers no key") && told.contains("state of it"),
        "{told}"
    );
    fs::create_dir(&state).unwrap();
    assert_eq!(hosts.unknown_host_keys().await, None);

    hosts.host("i-new", H1).probe().await.unwrap();
    let remembered = fs::read_to_string(state.join("known_hosts")).unwrap();
    assert!(remembered.contains("i-new"), "{remembered}");
    let error = hosts.host("i-new", H2).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh), "another machine took its place");
    // What the operator's own file says of a host is believed as before.
    let error = hosts.host("i-given", H1).probe().await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Ssh));
    hosts.host("i-given", H2).probe().await.unwrap();
}

/// Settings with an `ssh_config` that has these lines before the lab's own.
fn configured(lab: &Lab, dir: &Path, lines: &str) -> HostSettings {
    let config = dir.join("config");
    let lab_config = fs::read_to_string(lab.ssh_config()).unwrap();
    fs::write(&config, format!("Host *\n{lines}\n{lab_config}")).unwrap();
    HostSettings {
        config_file: Some(config),
        ..settings(lab)
    }
}

#[tokio::test]
async fn trap_25_what_vouches_for_new_hosts_is_told_before_a_launch() {
    let Some(lab) = Lab::enter("trap_25_what_vouches_for_new_hosts_is_told_before_a_launch").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let known = dir.path().join("known");
    let files = format!(
        "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null",
        known.display()
    );
    // Keys of known hosts do not vouch for new ones.
    let key =
        |host: &str| fs::read_to_string(lab.folder().join(format!("hosts/{host}/ssh_host_key.pub"))).unwrap();
    fs::write(&known, format!("i-old {}", key("h1"))).unwrap();
    let strict = configured(&lab, dir.path(), &files);
    let told = Hosts::new(strict.clone())
        .unwrap()
        .unknown_host_keys()
        .await
        .unwrap();
    assert!(
        told.contains("@cert-authority") && told.contains("accept-new"),
        "{told}"
    );
    assert!(
        Hosts::new(strict)
            .unwrap()
            .host("i-new", H1)
            .probe()
            .await
            .is_err()
    );

    // A certificate authority vouches for new hosts. Another machine's key is recorded for the address, and
    // does not matter.
    let authority = fs::read_to_string(lab.folder().join("ca.pub")).unwrap();
    fs::write(
        &known,
        format!("{H1} {}@cert-authority i-* {authority}", key("h2")),
    )
    .unwrap();
    let hosts = Hosts::new(configured(&lab, dir.path(), &format!("{files}\nCheckHostIP yes"))).unwrap();
    assert_eq!(hosts.unknown_host_keys().await, None);
    for instance in ["i-first", "i-second-at-its-address"] {
        hosts.host(instance, H1).probe().await.unwrap();
    }

    // A command that prints the host key which the instance wrote.
    fs::write(&known, "").unwrap();
    let command = dir.path().join("keys");
    fs::write(
        &command,
        format!("#!/bin/sh\nprintf '%s %s' \"$1\" '{}'\n", key("h1")),
    )
    .unwrap();
    fs::set_permissions(&command, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = format!("{files}\nKnownHostsCommand {} %H", command.display());
    let hosts = Hosts::new(configured(&lab, dir.path(), &lines)).unwrap();
    assert_eq!(hosts.unknown_host_keys().await, None);
    hosts.host("i-new", H1).probe().await.unwrap();
    let error = hosts.host("i-new", H2).probe().await.unwrap_err();
    assert_eq!(
        error.stage(),
        Some(Stage::Ssh),
        "another machine's key is not believed"
    );
}
