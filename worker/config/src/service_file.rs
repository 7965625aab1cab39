//! One file of the folder `services`: how a service is rolled, in each of its environments.

use drawgate_rollout::Supersede;
use drawgate_rollout::definition::{PreflightPolicy, ServiceDefinition, Swap};
use drawgate_schemas::{Environment, Service};

use super::alarms_section::{self, Alarms};
use super::command_checks::Beside;
use super::command_section::{self, Command};
use super::container_section::{self, Container};
use super::environment_section::{self, EnvironmentSection};
use super::error::Problems;
use super::fleet_section::{self, Fleet};
use super::hooks_section::{self, After, Before};
use super::parameter;
use super::pattern::EnvironmentPattern;
use super::placeholders::Template;
use super::policy_section;
use super::preflight_section;
use super::reader::{Field, Located, Table};
use super::roll_section::{self, Roll};
use super::service_checks;
use super::verify_section::{self, Verify};

/// A service file that was read, with the places in its text for later checks.
#[derive(Debug, Clone)]
pub(super) struct ServiceFile {
    pub(super) service: Located<Service>,
    pub(super) environments: Vec<Located<EnvironmentPattern>>,
    pub(super) fleet: Fleet,
    pub(super) target_groups: Option<Vec<Template>>,
    pub(super) roll: Roll,
    pub(super) swap: SwapSection,
    pub(super) verify: Verify,
    pub(super) alarms: Alarms,
    pub(super) preflight: PreflightPolicy,
    pub(super) images: Vec<String>,
    pub(super) supersede: Supersede,
    pub(super) wanted: Option<Located<Template>>,
    pub(super) asked: Vec<EnvironmentSection>,
    pub(super) before: Option<Before>,
    pub(super) after: Option<After>,
}

/// What a swap replaces on a host, before an environment is filled in.
#[derive(Debug, Clone)]
pub(super) enum SwapSection {
    Container(Box<Container>),
    Command(Box<Command>),
}

impl SwapSection {
    fn fill(&self, environment: &Environment, service: &Service) -> Swap {
        match self {
            Self::Container(container) => Swap::Container(container.fill(environment, service)),
            Self::Command(command) => Swap::Command(command.fill(environment, service)),
        }
    }

    /// The container, where the swap has one.
    pub(super) fn container(&self) -> Option<&Container> {
        match self {
            Self::Container(container) => Some(container),
            Self::Command(_) => None,
        }
    }

    fn command(&self) -> Option<&Command> {
        match self {
            Self::Container(_) => None,
            Self::Command(command) => Some(command),
        }
    }
}

impl ServiceFile {
    /// The whole definition for one environment.
    pub(super) fn definition(&self, environment: &Environment) -> ServiceDefinition {
        let service = &self.service.value;
        ServiceDefinition {
            service: service.clone(),
            environment: environment.clone(),
            fleet: self.fleet.fill(environment, service),
            target_groups: self.target_groups.as_ref().map(|groups| {
                let groups = groups.iter();
                groups.map(|group| group.fill(environment, service)).collect()
            }),
            roll: self.roll.policy.clone(),
            swap: self.swap.fill(environment, service),
            verify: self.verify.value.clone(),
            alarms: self.alarms.fill(environment, service),
            preflight: self.preflight.clone(),
            suspend: self.roll.suspend.clone(),
            images: self.images.clone(),
            supersede: self.supersede,
            wanted_parameter: self.wanted_parameter(environment),
            // The worker sets it, not the service's file.
            lease_parameter: None,
            approval: None,
            before: self
                .before
                .as_ref()
                .map(|before| before.fill(environment, service)),
            after: self.after.as_ref().map(|after| after.fill(environment, service)),
        }
    }
}

impl ServiceFile {
    /// The `[environment]` section that applies to an environment.
    pub(super) fn asks(&self, environment: &Environment) -> Option<&EnvironmentSection> {
        let mut sections = self.asked.iter();
        sections.find(|section| section.environments.matches(environment))
    }

    /// The name of the parameter for the desired version in one environment.
    pub(super) fn wanted_parameter(&self, environment: &Environment) -> Option<String> {
        let wanted = self.wanted.as_ref()?;
        Some(wanted.value.fill(environment, &self.service.value))
    }
}

/// Reads a service file. `None` only with an error noted.
pub(super) fn read(mut root: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<ServiceFile> {
    let service = root.require("service", problems);
    let service = service.and_then(|field| service_name(&field, problems));
    let environments = root.require("environments", problems);
    let environments = environments
        .map(|field| read_environments(&field, problems))
        .unwrap_or_default();
    let name = service.as_ref().map_or("", |service| service.value.as_str());
    let commanded = root.has("command");
    let swap = read_swap(&mut root, name, problems);
    let command = swap.as_ref().and_then(SwapSection::command);
    let fleet = match command {
        Some(command) if command.runs_on_bastion() => fleet_section::none(&mut root, problems),
        // `[command]` could not be read, so whether the service needs a fleet is not known.
        None if commanded => {
            for key in fleet_section::KEYS {
                root.take(key);
            }
            None
        }
        _ => fleet_section::read(&mut root, problems),
    };
    let target_groups = fleet_section::target_groups(&mut root, problems);
    let wanted = root
        .take("wanted_parameter")
        .and_then(|field| parameter::name(&field, problems));
    let mut roll_span = None;
    let roll = root
        .section("roll", problems)
        .map_or_else(Roll::default, |table| {
            roll_span = Some(table.span());
            roll_section::read(table, problems)
        });
    let without = command.map(Command::without);
    let verify = root
        .section("verify", problems)
        .map_or_else(verify_section::absent, |table| {
            verify_section::read(table, without.as_deref(), problems)
        });
    let alarms = root
        .section("alarms", problems)
        .map(|table| alarms_section::read(table, problems))
        .unwrap_or_default();
    let preflight = root.section("preflight", problems);
    let preflight = preflight_section::read(preflight, alarms.allow_firing.as_ref(), problems);
    let (images, supersede) = policy_section::read(&mut root, problems);
    let before = root
        .section("before", problems)
        .and_then(|table| hooks_section::read_before(table, problems));
    let after = root
        .section("after", problems)
        .and_then(|table| hooks_section::read_after(table, problems));
    let asked = environment_section::read(&mut root, &environments, problems);
    root.finish(problems);
    if let Some(command) = command {
        let sections = Beside {
            roll: roll_span.map(|span| (span, &roll)),
            verify: &verify,
            wanted: wanted.as_ref(),
            before: before.is_some(),
            after: after.as_ref(),
        };
        sections.fit(command, problems);
    }
    let (service, fleet, swap) = (service?, fleet?, swap?);
    service_checks::one_fleet(&environments, &fleet, problems);
    service_checks::one_parameter(&environments, wanted.as_ref(), problems);
    match &swap {
        SwapSection::Container(container) => service_checks::probe_port(container, &verify, problems),
        SwapSection::Command(command) => {
            service_checks::digests(command, &service.value, &verify, &asked, problems);
        }
    }
    Some(ServiceFile {
        service,
        environments,
        fleet,
        target_groups,
        roll,
        swap,
        verify,
        alarms,
        preflight,
        images,
        supersede,
        wanted,
        asked,
        before,
        after,
    })
}

fn service_name(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Located<Service>> {
    let name = field.plain_text(problems)?;
    match Service::try_from(name.to_owned()) {
        Ok(value) => Some(Located {
            value,
            span: field.span.clone(),
        }),
        Err(error) => {
            let fixed = name.to_lowercase().replace(['_', ' ', '.'], "-");
            let hint = Service::try_from(fixed).map_or_else(
                |_| "write it as \"search-api\"".to_owned(),
                |fixed| format!("write \"{fixed}\", here and in the repository's drawgate.toml"),
            );
            problems.error(field.span.clone(), error.to_string()).hint(hint);
            None
        }
    }
}

fn read_environments(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Vec<Located<EnvironmentPattern>> {
    let mut environments: Vec<Located<EnvironmentPattern>> = Vec::new();
    let Some(items) = field.list(problems) else {
        return environments;
    };
    if items.is_empty() {
        field.invalid_hint(
            "is empty: the service could be released nowhere",
            format!("write {}", field.example()),
            problems,
        );
    }
    for item in items {
        let Some(text) = item.plain_text(problems) else {
            continue;
        };
        match EnvironmentPattern::parse(text) {
            Ok(value) => {
                let other = environments
                    .iter()
                    .find(|other| other.value.common(&value).is_some());
                if let Some(other) = other {
                    problems
                        .warning(
                            item.span.clone(),
                            format!("\"{value}\" overlaps with \"{}\"", other.value),
                        )
                        .hint("remove the narrower one: both get the same definition");
                }
                environments.push(Located {
                    value,
                    span: item.span.clone(),
                });
            }
            Err(problem) => {
                let hint = "write a name as \"staging\" or a pattern as \"personal-*\"";
                problems.error(item.span.clone(), problem).hint(hint);
            }
        }
    }
    environments
}

/// Reads what a swap replaces: a container, also where the file has neither section.
fn read_swap(root: &mut Table<'_, '_>, name: &str, problems: &mut Problems<'_>) -> Option<SwapSection> {
    let container = root.take("container");
    let command = root.take("command");
    if let (Some(container), Some(_)) = (&container, &command) {
        problems
            .error(
                container.key.clone(),
                "[container] and [command] both say what a swap is",
            )
            .hint("keep one: with [command] the service's own programs do all of it");
        return None;
    }
    if let Some(command) = command {
        let table = command.table(problems)?;
        let command = command_section::read(table, problems)?;
        return Some(SwapSection::Command(Box::new(command)));
    }
    let container = match container.and_then(|field| field.table(problems)) {
        Some(table) => container_section::read(table, name, problems),
        None => Container::absent(name),
    };
    Some(SwapSection::Container(Box::new(container)))
}
