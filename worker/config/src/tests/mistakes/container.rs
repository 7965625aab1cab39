//! `[container]`.

use crate::tests::checked_service;

#[test]
fn ports_without_quotes() {
    let text = r#"[container]
ports = [8080:8080]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:10: invalid time, expected a two-digit hour (HH)
      7 | ports = [8080:8080]
        |          ^^^^^^^^^
      hint: a port mapping is written in quotes, as in "8080:8080"

    worker.toml: 1 error
    "#);
}

#[test]
fn ports_that_cannot_be_published() {
    let text = r#"[container]
ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:10: `container.ports[0]`: "8080" names one port: the engine would choose the host's, and the load balancer could not know it
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |          ^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:18: `container.ports[1]`: "8000-8010:80" is a range: list the ports one by one
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                  ^^^^^^^^^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:34: `container.ports[2]`: "80:80/sctp" names a protocol that is neither tcp nor udp
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                                  ^^^^^^^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:57: `container.ports[4]`: host port 90 is published twice
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                                                         ^^^^^^^^^^^^^^^^^

    worker.toml: 4 errors
    "#);
}

#[test]
fn secrets() {
    for (reference, says) in [
        ("vault:search", "does not say where the secret is kept"),
        ("hush", "does not say where the secret is kept"),
        ("ssm:", "has no secret's name"),
        ("ssm:a b", "has no secret's name"),
        ("secretsmanager:search#", "names no field"),
        ("secretsmanager:search|hex", "ends with something else"),
        ("secretsmanager:{enviroment}", "did you mean {environment}?"),
    ] {
        let told = checked_service(&format!("[container]\nsecrets = {{ URL = \"{reference}\" }}\n"));
        assert!(
            told.contains(says) && told.contains("worker.toml: 1 error"),
            "{reference}: {told}"
        );
    }
    let twice = checked_service("[container]\nenv = { URL = \"x\" }\nsecrets = { URL = \"ssm:/x\" }\n");
    assert!(twice.contains("is in env too"), "{twice}");
    let misplaced = checked_service("secrets = { A = \"ssm:a\" }\n");
    assert!(misplaced.contains("[container]"), "{misplaced}");
}

#[test]
fn volumes() {
    let text = r#"[container]
volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:12: `container.volumes[0]`: "./data:/data" has a relative source, which means nothing on another host
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |            ^^^^^^^^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:28: `container.volumes[1]`: "/data" has no target: an anonymous volume would be empty after every release
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                            ^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:37: `container.volumes[2]`: "/a:/b:rx" has the option "rx", which the engine does not know
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                                     ^^^^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:58: `container.volumes[4]`: /b is mounted twice
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                                                          ^^^^^^^

    worker.toml: 4 errors
    "#);
}

#[test]
fn labels_and_restart() {
    let text = r#"[container]
image = "registry.example.com/team/api"
restart = "never"
labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
network = "container:db"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:1: `container.image` comes with the release, not from this file
      7 | image = "registry.example.com/team/api"
        | ^^^^^
      hint: name the repository in [policy] images = ["registry.example.com/team/api"]

    error: services/api.toml:8:11: `container.restart`: "never" is no restart policy
      8 | restart = "never"
        |           ^^^^^^^
      hint: write "no", "always", "unless-stopped", "on-failure" or "on-failure:5"

    error: services/api.toml:9:12: labels that begin with `drawgate.` say who owns a container
      9 | labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
        |            ^^^^^^^^^^^^^^^^^^
      hint: choose a name of your own, as in "com.example.team"

    error: services/api.toml:9:38: labels that begin with `com.docker.compose.` say who owns a container
      9 | labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
        |                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: choose a name of your own, as in "com.example.team"

    error: services/api.toml:10:11: `container.network`: the network of container "db" would be gone when that one is replaced
      10 | network = "container:db"
         |           ^^^^^^^^^^^^^^
      hint: write "host", "bridge" or a network's name

    worker.toml: 5 errors
    "#);
}
