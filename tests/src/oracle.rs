//! The rules that hold after every release, whatever was tried. They are apart from the tests, so that each
//! test is judged by the same rules.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::{Event, StatusEvent};
use serde_json::Value;

use crate::lab::{Fleet, Lab, hosts};

/// The state of AWS and of all containers at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    aws: Value,
    containers: BTreeMap<String, Vec<Container>>,
}

/// The properties of a container that are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// The name, without the leading slash.
    pub name: String,
    pub id: String,
    /// The image reference with which the container was created.
    pub image: String,
    pub running: bool,
    pub restart: String,
}

impl Container {
    fn of(inspected: &Value) -> Self {
        let text = |pointer: &str| {
            inspected
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            name: text("/Name").trim_start_matches('/').to_owned(),
            id: text("/Id"),
            image: text("/Config/Image"),
            running: inspected.pointer("/State/Running") == Some(&Value::Bool(true)),
            restart: text("/HostConfig/RestartPolicy/Name"),
        }
    }
}

impl Look {
    pub async fn at(lab: &Lab) -> Self {
        let mut containers = BTreeMap::new();
        for host in hosts() {
            let mut all: Vec<Container> = lab.containers(&host).await.iter().map(Container::of).collect();
            all.sort();
            containers.insert(host, all);
        }
        Self {
            aws: without_reasons(lab.get("state").await),
            containers,
        }
    }

    /// Asserts that groups with their suspended processes and tags, targets, alarms, and instances with their
    /// tags are the same as before.
    pub fn assert_aws_as(&self, before: &Self) {
        let show = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        assert!(
            self.aws == before.aws,
            "AWS is not as before:\n{}",
            difference(&show(&before.aws), &show(&self.aws))
        );
    }

    /// Asserts that the very same containers exist, in the same state.
    pub fn assert_containers_as(&self, before: &Self) {
        assert_eq!(self.containers, before.containers, "containers are not as before");
    }

    /// Asserts that no AWS resource has one of Drawgate's tags.
    pub fn assert_no_tags(&self) {
        assert!(
            !self.aws.to_string().contains("drawgate"),
            "a tag was left: {}",
            self.aws
        );
    }

    /// All containers of a host.
    pub fn containers(&self, host: &str) -> &[Container] {
        self.containers.get(host).map_or(&[], Vec::as_slice)
    }

    /// The one container with that name on a host.
    pub fn container(&self, host: &str, name: &str) -> &Container {
        let found = self
            .containers(host)
            .iter()
            .find(|container| container.name == name);
        found.unwrap_or_else(|| panic!("no container {name} on {host}: {:?}", self.containers(host)))
    }

    /// Asserts that every host of the fleet runs this image under this name, and no second container of the
    /// service.
    pub fn assert_runs(&self, fleet: &Fleet, name: &str, image: &str) {
        for instance in &fleet.instances {
            let all = self.containers(&instance.host).iter();
            let running: Vec<&Container> = all
                .filter(|container| container.running && is_of(&container.name, name))
                .collect();
            let seen: Vec<(&str, &str)> = running
                .iter()
                .map(|container| (container.name.as_str(), container.image.as_str()))
                .collect();
            assert_eq!(seen, [(name, image)], "running on {}", instance.host);
        }
    }
}

/// Whether a container is one of the service's: `search`, `search.before-…`, `search.drawgate-…`.
fn is_of(container: &str, service: &str) -> bool {
    container.split('.').next() == Some(service)
}

/// The state without the descriptions of target health, which change with each probe, and with sorted lists,
/// because their order means nothing.
fn without_reasons(mut state: Value) -> Value {
    for group in state["target_groups"].as_array_mut().into_iter().flatten() {
        for target in group["targets"].as_array_mut().into_iter().flatten() {
            target.as_object_mut().unwrap().remove("reason");
        }
    }
    for (list, inner) in [("groups", "instances"), ("target_groups", "targets")] {
        for group in state[list].as_array_mut().into_iter().flatten() {
            group[inner]
                .as_array_mut()
                .unwrap()
                .sort_by_key(ToString::to_string);
        }
    }
    state
}

/// The lines that differ.
fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (old, new) = (lines(before), lines(after));
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    let come = new.difference(&old).map(|line| format!("+ {line}"));
    gone.chain(come).collect::<Vec<_>>().join("\n") + "\n" + after
}

/// Asserts that the events of one release are numbered 1, 2, 3, … in the order of their arrival, with one
/// end, which is the last.
pub fn assert_well_told(events: &[StatusEvent]) {
    let numbers: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    let kinds = || {
        events
            .iter()
            .map(|event| event.event.kind().name())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers, expected, "numbers of the events {:?}", kinds());
    let ends: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, e)| matches!(e.event, Event::Ended(_)))
        .map(|(n, _)| n)
        .collect();
    assert_eq!(
        ends,
        [events.len() - 1],
        "the end is told once, and last: {:?}",
        kinds()
    );
}

/// Asserts that the journal of one release is numbered without a gap, has intents before outcomes, and one
/// end, which is the last.
pub fn assert_journal(entries: &[Value]) {
    let numbers: Vec<u64> = entries
        .iter()
        .map(|entry| entry["n"].as_u64().unwrap_or_default())
        .collect();
    assert_eq!(
        numbers,
        (1..=entries.len() as u64).collect::<Vec<_>>(),
        "numbers of the journal"
    );
    let record = |entry: &Value| entry["record"]["record"].as_str().unwrap_or_default().to_owned();
    let ends: Vec<usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| record(entry) == "ended")
        .map(|(n, _)| n)
        .collect();
    assert_eq!(
        ends,
        [entries.len() - 1],
        "the journal has one end, and it is the last"
    );
    let mut open: Vec<&Value> = Vec::new();
    for entry in entries {
        let step = &entry["record"]["step"];
        match record(entry).as_str() {
            "intent" => open.push(step),
            "taken_over" => open.clear(),
            "outcome" => {
                let place = open.iter().position(|other| *other == step);
                open.remove(place.unwrap_or_else(|| panic!("an outcome without an intent: {step}")));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "intents without an outcome: {open:?}");
}

/// The most targets of a group that were out of service at one moment after they had been healthy, from the
/// lab's trace.
pub fn most_out(transitions: &Value, group: &str) -> usize {
    let mut served: BTreeSet<String> = BTreeSet::new();
    let mut out: BTreeSet<String> = BTreeSet::new();
    let mut most = 0;
    for each in transitions
        .as_array()
        .into_iter()
        .flatten()
        .filter(|each| each["target_group"] == group)
    {
        let target = format!("{}:{}", each["target"], each["port"]);
        if each["to"] == "healthy" {
            out.remove(&target);
            served.insert(target);
        } else if served.contains(&target) {
            out.insert(target);
        }
        most = most.max(out.len());
    }
    most
}
