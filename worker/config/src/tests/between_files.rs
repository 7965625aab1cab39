//! What is wrong only when several files are taken together.

use super::{WORKER, read_files};

fn errors(files: &[&str]) -> Vec<String> {
    let names: Vec<String> = (0..files.len()).map(|n| format!("{n}.toml")).collect();
    let files: Vec<_> = names
        .iter()
        .zip(files)
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    match read_files(WORKER.as_bytes(), &files) {
        Ok(_) => Vec::new(),
        Err(report) => report
            .errors
            .iter()
            .map(|error| format!("{}:{}: {}", error.file, error.line, error.message))
            .collect(),
    }
}

fn service(name: &str, environments: &str, fleet: &str, port: u16) -> String {
    format!(
        "service = \"{name}\"\nenvironments = [{environments}]\n{fleet}\npolicy.images = [\"r.example.com/x\"]\n\
         container.ports = [\"{port}:80\"]\n"
    )
}

#[test]
fn one_service_in_two_files() {
    let (one, other) = (
        service("api", "\"staging\"", "auto_scaling_group = \"a\"", 1),
        service("api", "\"live\"", "auto_scaling_group = \"b\"", 2),
    );
    assert_eq!(
        errors(&[&one, &other]),
        ["services/1.toml:1: service \"api\" is defined twice"]
    );
}

#[test]
fn one_port_on_one_fleet() {
    let tags = |tags: &str| format!("fleet.tags = {{ {tags} }}");
    let asg = "auto_scaling_group = \"web-{environment}\"";
    let clash = ["services/1.toml:5: host port 80 is published by service \"api\" on the same fleet too"];
    let cases: [(&str, &str, &str, &str, u16, bool); 8] = [
        ("\"staging\"", asg, "\"staging\"", asg, 80, true),
        ("\"staging\"", asg, "\"staging\"", asg, 81, false),
        ("\"staging\"", asg, "\"live\"", asg, 80, false),
        ("\"personal-*\"", asg, "\"live\", \"personal-ben\"", asg, 80, true),
        ("\"personal-*\"", asg, "\"*-eu\"", asg, 80, true),
        (
            "\"staging\"",
            asg,
            "\"staging\"",
            "auto_scaling_group = \"web-staging\"",
            80,
            true,
        ),
        (
            "\"staging\"",
            asg,
            "\"staging\"",
            "auto_scaling_group = \"{service}\"",
            80,
            false,
        ),
        (
            "\"staging\"",
            &tags("a = \"{environment}\""),
            "\"staging\"",
            &tags("a = \"staging\", b = \"1\""),
            80,
            true,
        ),
    ];
    for (n, (one, fleet, other, other_fleet, port, clashes)) in cases.into_iter().enumerate() {
        let files = [
            service("api", one, fleet, 80),
            service("web", other, other_fleet, port),
        ];
        let expected: &[&str] = if clashes { &clash } else { &[] };
        assert_eq!(errors(&[&files[0], &files[1]]), expected, "case {n}");
    }
}

#[test]
fn one_container_name_on_one_fleet() {
    let named = |service: &str| {
        format!(
            "service = \"{service}\"\nenvironments = [\"staging\"]\nauto_scaling_group = \"web\"\n\
             policy.images = [\"r.example.com/x\"]\ncontainer.name = \"app\"\n"
        )
    };
    let told = errors(&[&named("api"), &named("web")]);
    assert_eq!(
        told,
        ["services/1.toml:5: container \"app\" is service \"api\"'s on the same fleet too"]
    );
}

#[test]
fn one_parameter_for_two_services() {
    let publishing = |service: &str, environment: &str, parameter: &str| {
        format!(
            "service = \"{service}\"\nenvironments = [\"{environment}\"]\nauto_scaling_group = \"{service}\"\n\
             wanted_parameter = \"{parameter}\"\npolicy.images = [\"r.example.com/x\"]\n"
        )
    };
    let (mine, yours) = ("/wanted/{service}", "/wanted/{environment}");
    for (other, environment, parameter, told) in [
        ("web", "staging", mine, false),
        ("web", "live", yours, false),
        ("web", "staging", yours, true),
        ("web", "staging", "/wanted/staging", true),
    ] {
        let first = publishing("api", "staging", if parameter == mine { mine } else { yours });
        let told: &[&str] = if told {
            &["services/1.toml:4: `wanted_parameter` is service \"api\"'s in staging too"]
        } else {
            &[]
        };
        assert_eq!(
            errors(&[&first, &publishing(other, environment, parameter)]),
            told
        );
    }
}

#[test]
fn the_largest_configuration_is_good() {
    let fleet = "auto_scaling_group = \"{service}-{environment}\"";
    let files: Vec<String> = (0..500)
        .map(|n| service(&format!("s{n}"), "\"staging\", \"live\", \"p-*\"", fleet, 8080))
        .collect();
    assert_eq!(
        errors(&files.iter().map(String::as_str).collect::<Vec<_>>()),
        Vec::<String>::new()
    );
}
