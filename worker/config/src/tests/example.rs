//! The documented examples in `infra/examples`: they load, and say what they seem to say.

use std::path::PathBuf;

use drawgate_rollout::definition::{FleetSelector, Probe, Process};
use drawgate_schemas::{Environment, Service};

use super::machine;
use crate::load::{Machine, load};
use crate::{Config, NotFound};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra/examples/worker.toml")
}

fn example() -> Config {
    load(&path(), machine()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn environment(name: &str) -> Environment {
    Environment::try_from(name.to_owned()).unwrap()
}

fn service(name: &str) -> Service {
    Service::try_from(name.to_owned()).unwrap()
}

#[test]
fn the_only_warnings_are_the_secrets_that_are_not_there() {
    let warnings = example()
        .warnings()
        .iter()
        .map(|warning| warning.message.clone())
        .collect::<Vec<_>>();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning.contains("cannot read the secret")),
        "{warnings:?}"
    );
}

#[test]
fn a_definition_is_filled_in() {
    let definition = example()
        .definition(&environment("personal-ben"), &service("search-api"))
        .unwrap();
    let FleetSelector::Tags(tags) = &definition.fleet else {
        panic!("{:?}", definition.fleet)
    };
    assert_eq!(tags.get("deployment").map(String::as_str), Some("personal-ben"));
    let container = definition.container().unwrap();
    assert_eq!(
        container.env.get("DEPLOYMENT").map(String::as_str),
        Some("personal-ben")
    );
    assert_eq!(
        container.log_options.get("tag").map(String::as_str),
        Some("search-api/{{.Name}}")
    );
    assert_eq!(
        container.volumes.last().map(String::as_str),
        Some("/etc/search/personal-ben:/etc/search:ro")
    );
    assert_eq!(
        (container.memory_bytes, container.nano_cpus),
        (Some(512 << 20), Some(1_500_000_000))
    );
    let alarms = &definition.alarms;
    assert_eq!(alarms.silence, ["search-api-personal-ben-*"]);
    assert_eq!(alarms.watch, ["search-api-personal-ben-5xx"]);
    assert_eq!(alarms.bake_ms, 300_000);
    assert_eq!(definition.suspend, Process::DEFAULT);
    assert!(
        matches!(&definition.verify.probe, Probe::Http { path, port: 8080, status: 200 } if path == "/health")
    );
}

#[test]
fn the_example_shows_the_defaults() {
    let config = example();
    let full = config
        .definition(&environment("staging"), &service("search-api"))
        .unwrap();
    let least = config
        .definition(&environment("staging"), &service("ingest"))
        .unwrap();
    assert_eq!(full.roll, least.roll);
    assert_eq!(full.suspend, least.suspend);
    assert_eq!(full.alarms.watch_interval_ms, least.alarms.watch_interval_ms);
    assert_eq!(full.alarms.settle_ms, least.alarms.settle_ms);
    assert_eq!(full.preflight, least.preflight);
    assert_eq!(
        full.container().unwrap().restart,
        least.container().unwrap().restart
    );
    let waits = |definition: &drawgate_rollout::definition::ServiceDefinition| {
        let verify = &definition.verify;
        (verify.attempts, verify.interval_ms, verify.timeout_ms)
    };
    assert_eq!(waits(&full), waits(&least));
    assert_eq!(least.container().unwrap().name, "ingest");
    assert_eq!(least.verify.probe, Probe::Running);
}

#[test]
fn unknown_targets_name_the_known_ones() {
    let config = example();
    let missing = config
        .definition(&environment("staging"), &service("search-apj"))
        .unwrap_err();
    assert!(matches!(missing, NotFound::UnknownService { .. }));
    assert_eq!(
        missing.to_string(),
        "no service \"search-apj\" here (did you mean \"search-api\"?); known: ingest, search-api"
    );
    let missing = config
        .definition(&environment("personal"), &service("ingest"))
        .unwrap_err();
    assert_eq!(
        missing.to_string(),
        "service \"ingest\" has no environment \"personal\" here; known: staging, production"
    );
}

#[test]
fn routes_are_what_a_queue_is_bound_to() {
    let routes = example().routes();
    let words = |n: usize| {
        let route = routes.get(n).unwrap();
        (
            route.service.as_str(),
            route
                .environments
                .iter()
                .map(|one| one.topic_word())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(words(0), ("ingest", vec!["staging", "production"]));
    assert_eq!(
        words(1),
        ("search-api", vec!["integration", "staging", "production", "*"])
    );
}

#[test]
fn the_environment_goes_before_the_file() {
    let amqp_url = Some("amqp://ci:hush@localhost".to_owned());
    let config = load(
        &path(),
        Machine {
            amqp_url,
            ..machine()
        },
    )
    .unwrap();
    let amqp = &config.settings().amqp;
    assert_eq!(amqp.url.expose(), "amqp://ci:hush@localhost");
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn the_report_in_json() {
    let mistake = super::read_files(b"site = 5\n[orders]\nfrom = []\n", &[]).unwrap_err();
    let mut json = serde_json::to_value(&mistake).unwrap();
    assert_eq!(
        json["warnings"][0]["message"],
        "has no *.toml: this worker rolls nothing"
    );
    json["warnings"].take();
    assert_eq!(
        json,
        serde_json::json!({
            "file": "worker.toml",
            "errors": [
                {
                    "file": "worker.toml", "line": 1, "column": 1, "message": "the broker's address is missing",
                    "hint": "write [amqp] and url = \"amqps://drawgate@broker.example.com:5671/drawgate\", or set DRAWGATE_AMQP_URL",
                },
                {
                    "file": "worker.toml", "line": 1, "column": 8, "message": "`site` is an integer, and not a string",
                    "hint": "write \"5\"", "source_line": "site = 5",
                },
            ],
            "warnings": null,
        })
    );
}

#[test]
fn a_key_that_is_said_to_belong_in_a_table_is_known_there() {
    const SERVICE_HEAD: &str = "service = \"api\"\nenvironments = [\"staging\"]\n";
    let files = [
        (crate::worker_keys::WORKER, true),
        (crate::service_keys::SERVICE, false),
    ];
    let mut tables = 0;
    for (file, is_worker) in files {
        // A name of the author's is never said to belong in a table.
        let sections = file
            .iter()
            .filter(|section| !section.name.contains('.') && section.name != "groups");
        for section in sections.filter(|section| !section.name.is_empty()) {
            let keys = section.keys.iter();
            let lines: String = keys.map(|key| format!("{} = [[]]\n", key.name)).collect();
            let text = format!("[{}]\n{lines}", section.name);
            let told = if is_worker {
                super::checked(&text, &[])
            } else {
                super::checked(super::WORKER, &[("api.toml", &format!("{SERVICE_HEAD}{text}"))])
            };
            assert!(told.contains("error") && !told.contains("unknown key"), "{told}");
            tables += 1;
        }
    }
    assert!(tables > 15, "{tables}");
}
