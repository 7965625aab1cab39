//! One file of the folder `services`: how a service is rolled, in each of its environments.

use std::collections::BTreeMap;
use std::ops::Range;

use drawgate_rollout::Supersede;
use drawgate_rollout::definition::{FleetSelector, ServiceDefinition, Swap};
use drawgate_schemas::{Environment, ImageReference, Service};

use super::alarms_section::{self, Alarms};
use super::beside_command::Beside;
use super::command_section::{self, Command};
use super::container_section::{self, Container};
use super::environment_section::{self, EnvironmentSection};
use super::error::Problems;
use super::hooks_section::{self, After, Before};
use super::limits as at;
use super::parameter;
use super::pattern::EnvironmentPattern;
use super::placeholders::Template;
use super::reader::{Field, Located, Table};
use super::roll_section::{self, Roll};
use super::verify_section::{self, Verify};

/// A service file that was read, with its places in the text for what is checked later.
#[derive(Debug, Clone)]
pub(super) struct ServiceFile {
    pub(super) service: Located<Service>,
    pub(super) environments: Vec<Located<EnvironmentPattern>>,
    pub(super) fleet: Fleet,
    pub(super) roll: Roll,
    pub(super) swap: SwapSection,
    pub(super) verify: Verify,
    pub(super) alarms: Alarms,
    pub(super) images: Vec<String>,
    pub(super) supersede: Supersede,
    pub(super) wanted: Option<Located<Template>>,
    pub(super) asked: Vec<EnvironmentSection>,
    pub(super) before: Option<Before>,
    pub(super) after: Option<After>,
}

/// What is exchanged on a host, before an environment is filled in.
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

    /// The container, where it is one.
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

/// How the fleet is found, before an environment is filled in.
#[derive(Debug, Clone)]
pub(super) enum Fleet {
    BesideWorker,
    Group(Template),
    Tags(BTreeMap<String, Template>),
}

impl Fleet {
    /// The selector for one target.
    pub(super) fn fill(&self, environment: &Environment, service: &Service) -> FleetSelector {
        match self {
            Self::Group(name) => FleetSelector::AutoScalingGroup(name.fill(environment, service)),
            Self::BesideWorker => FleetSelector::BesideWorker,
            Self::Tags(tags) => FleetSelector::Tags(
                tags.iter()
                    .map(|(key, value)| (key.clone(), value.fill(environment, service)))
                    .collect(),
            ),
        }
    }

    fn names_environment(&self) -> bool {
        match self {
            Self::Group(name) => name.names_environment(),
            Self::Tags(tags) => tags.values().any(Template::names_environment),
            // Its programs are told the environment.
            Self::BesideWorker => true,
        }
    }
}

impl ServiceFile {
    /// Everything for one environment.
    pub(super) fn definition(&self, environment: &Environment) -> ServiceDefinition {
        let service = &self.service.value;
        ServiceDefinition {
            service: service.clone(),
            environment: environment.clone(),
            fleet: self.fleet.fill(environment, service),
            roll: self.roll.policy.clone(),
            swap: self.swap.fill(environment, service),
            verify: self.verify.value.clone(),
            alarms: self.alarms.fill(environment, service),
            suspend: self.roll.suspend.clone(),
            images: self.images.clone(),
            supersede: self.supersede,
            wanted_parameter: self.wanted_parameter(environment),
            // The worker's, and not the service's, to say.
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
    /// What is asked of a release to an environment.
    pub(super) fn asks(&self, environment: &Environment) -> Option<&EnvironmentSection> {
        let mut sections = self.asked.iter();
        sections.find(|section| section.environments.matches(environment))
    }

    /// The name of the parameter in one environment.
    pub(super) fn wanted_parameter(&self, environment: &Environment) -> Option<String> {
        let wanted = self.wanted.as_ref()?;
        Some(wanted.value.fill(environment, &self.service.value))
    }
}

/// Reads a service file. `None` only with an error noted.
pub(super) fn read(mut root: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<ServiceFile> {
    let service = root.require("service", "service = \"search-api\"", problems);
    let service = service.and_then(|field| service_name(&field, problems));
    let environments = root.require(
        "environments",
        "environments = [\"staging\", \"production\"]",
        problems,
    );
    let environments = environments
        .map(|field| read_environments(&field, problems))
        .unwrap_or_default();
    let name = service.as_ref().map_or("", |service| service.value.as_str());
    let commanded = root.has("command");
    let swap = read_swap(&mut root, name, problems);
    let command = swap.as_ref().and_then(SwapSection::command);
    let fleet = match command {
        Some(command) if command.is_beside_worker() => no_fleet(&mut root, problems),
        // Whether there is to be one is not known.
        None if commanded => {
            for key in ["auto_scaling_group", "fleet"] {
                root.take(key);
            }
            None
        }
        _ => read_fleet(&mut root, problems),
    };
    let wanted = root
        .take("wanted_parameter")
        .and_then(|field| parameter::name(&field, "/drawgate/wanted/{environment}/{service}", problems));
    let mut roll_span = None;
    let roll = root
        .section("roll", problems)
        .map_or_else(Roll::default, |table| {
            roll_span = Some(table.span());
            roll_section::read(table, belongs, problems)
        });
    let without = command.map(Command::without);
    let verify = root
        .section("verify", problems)
        .map_or_else(verify_section::absent, |table| {
            verify_section::read(table, without.as_deref(), belongs, problems)
        });
    let alarms = root
        .section("alarms", problems)
        .map(|table| alarms_section::read(table, belongs, problems))
        .unwrap_or_default();
    let (images, supersede) = read_policy(&mut root, problems);
    let before = root
        .section("before", problems)
        .and_then(|table| hooks_section::read_before(table, problems));
    let after = root
        .section("after", problems)
        .and_then(|table| hooks_section::read_after(table, problems));
    let asked = environment_section::read(&mut root, &environments, problems);
    root.finish(belongs, problems);
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
    check_one_fleet(&environments, &fleet, problems);
    check_one_parameter(&environments, wanted.as_ref(), problems);
    check_digests(&swap, &service.value, &verify, &asked, problems);
    if let Some(container) = swap.container() {
        check_probe_port(container, &verify, problems);
    }
    Some(ServiceFile {
        service,
        environments,
        fleet,
        roll,
        swap,
        verify,
        alarms,
        images,
        supersede,
        wanted,
        asked,
        before,
        after,
    })
}

/// The table that a key of a service file belongs in.
fn belongs(key: &str) -> Option<&'static str> {
    match key {
        "service" | "environments" | "auto_scaling_group" | "wanted_parameter" => Some(""),
        "tags" => Some("fleet"),
        "images" | "supersede" => Some("policy"),
        key if alarms_section::KEYS.contains(&key) => Some("alarms"),
        key if roll_section::KEYS.contains(&key) => Some("roll"),
        // A probe and a container both have a command.
        "command" => None,
        key if command_section::KEYS.contains(&key) => Some("command"),
        key if container_section::KEYS.contains(&key) => Some("container"),
        key if verify_section::KEYS.contains(&key) => Some("verify"),
        _ => None,
    }
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
    let example = "environments = [\"staging\", \"personal-*\"]";
    let mut environments: Vec<Located<EnvironmentPattern>> = Vec::new();
    let Some(items) = field.list(at::ENVIRONMENTS, example, problems) else {
        return environments;
    };
    if items.is_empty() {
        field.invalid_hint(
            "is empty: the service could be released nowhere",
            format!("write {example}"),
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

/// What runs on a host: a container, also where nothing is said.
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
        let command = command_section::read(table, belongs, problems)?;
        return Some(SwapSection::Command(Box::new(command)));
    }
    let container = match container.and_then(|field| field.table(problems)) {
        Some(table) => container_section::read(table, name, belongs, problems),
        None => Container::absent(name),
    };
    Some(SwapSection::Container(Box::new(container)))
}

/// Where programs run beside the worker there are no hosts to be found.
fn no_fleet(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Fleet> {
    let mut found = false;
    for key in ["auto_scaling_group", "fleet"] {
        if let Some(field) = root.take(key) {
            let what = format!("`{key}` says where hosts are, and with run_on = \"worker\" none is touched");
            problems
                .error(field.key.clone(), what)
                .hint("remove it, or write run_on = \"host\"");
            found = true;
        }
    }
    (!found).then_some(Fleet::BesideWorker)
}

fn read_fleet(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Fleet> {
    const HINT: &str =
        "write auto_scaling_group = \"search-api-{environment}\" at the top, or [fleet] with tags = { … }";
    let group = root.take("auto_scaling_group");
    let fleet = root.take("fleet");
    match (group, fleet) {
        (Some(group), Some(_)) => {
            problems
                .error(
                    group.key,
                    "`auto_scaling_group` and [fleet] both say where the fleet is",
                )
                .hint("keep one");
            None
        }
        (Some(group), None) => aws_name(&group, problems).map(Fleet::Group),
        (None, Some(fleet)) => fleet
            .table(problems)
            .and_then(|table| read_tags(table, problems))
            .map(Fleet::Tags),
        (None, None) => {
            problems.error(0..0, "nothing says where the fleet is").hint(HINT);
            None
        }
    }
}

/// The name of an Auto Scaling group or an alarm.
pub(super) fn aws_name(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Template> {
    let text = field.text(problems)?;
    if text.chars().count() > at::AWS_NAME_CHARS {
        field.invalid(
            format!("is longer than AWS allows, {} characters", at::AWS_NAME_CHARS),
            problems,
        );
        return None;
    }
    field.template(problems)
}

fn read_tags(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> Option<BTreeMap<String, Template>> {
    let field = table.require(
        "tags",
        "tags = { stack = \"search\", deployment = \"{environment}\" }",
        problems,
    );
    table.finish(belongs, problems);
    let field = field?;
    let tags = field.templates(at::TAGS, problems);
    if tags.is_empty() {
        field.invalid_hint(
            "names no tag, and would mean every instance of the account",
            "name the fleet's tags",
            problems,
        );
        return None;
    }
    for (key, value) in &tags {
        let too_long = key.chars().count() > at::TAG_KEY_CHARS
            || container_section::example(&value.value).chars().count() > at::TAG_VALUE_CHARS;
        if key.is_empty() || too_long {
            problems.error(
                value.span.clone(),
                "a tag's key has 1 to 128 characters, its value at most 256",
            );
        }
        if key.contains('*') || value.value.to_string().contains('*') {
            problems
                .error(
                    value.span.clone(),
                    "tags are compared as they are, `*` stands for itself",
                )
                .hint("name the exact value; {environment} can be a part of it");
        }
    }
    Some(tags.into_iter().map(|(key, value)| (key, value.value)).collect())
}

fn read_policy(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> (Vec<String>, Supersede) {
    const EXAMPLE: &str = "images = [\"registry.example.com/team/api\"]";
    let Some(field) = root.take("policy") else {
        problems
            .error(
                0..0,
                "[policy] is missing: nothing says which images may run here",
            )
            .hint(format!("write [policy] and {EXAMPLE}"));
        return Default::default();
    };
    let Some(mut table) = field.table(problems) else {
        return Default::default();
    };
    let supersede = table
        .take("supersede")
        .and_then(|field| read_supersede(&field, problems));
    let field = table.require("images", EXAMPLE, problems);
    table.finish(belongs, problems);
    let images = field.map_or_else(Vec::new, |field| read_images(&field, EXAMPLE, problems));
    (images, supersede.unwrap_or_default())
}

fn read_supersede(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Supersede> {
    match field.plain_text(problems)? {
        "by_build" => Some(Supersede::ByBuild),
        "by_arrival" => Some(Supersede::ByArrival),
        "never" => Some(Supersede::Never),
        other => {
            let hint = "write \"by_build\", \"by_arrival\" or \"never\"".to_owned();
            field.invalid_hint(format!("{other:?} is none of them"), hint, problems);
            None
        }
    }
}

fn read_images(field: &Field<'_, '_>, example: &str, problems: &mut Problems<'_>) -> Vec<String> {
    let Some(items) = field.list(at::LIST, example, problems) else {
        return Vec::new();
    };
    if items.is_empty() {
        field.invalid_hint(
            "is empty: nothing could be released",
            format!("write {example}"),
            problems,
        );
    }
    items
        .iter()
        .filter_map(|item| repository(item, problems))
        .collect()
}

/// A repository without tag and digest.
fn repository(item: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = item.plain_text(problems)?;
    if let Ok(image) = text.parse::<ImageReference>() {
        let hint = format!(
            "write \"{}\": which version is said by the release",
            image.repository()
        );
        item.invalid_hint(format!("{text:?} names a version"), hint, problems);
        return None;
    }
    if text.contains('*') {
        item.invalid_hint(
            format!("{text:?} is a pattern"),
            "list the repositories one by one",
            problems,
        );
        return None;
    }
    match format!("{text}:tag").parse::<ImageReference>() {
        Ok(image) => Some(image.repository().to_owned()),
        Err(_) => {
            item.invalid_hint(
                format!("{text:?} is no repository"),
                "write it in lower case and without https://, as in \"registry.example.com/team/api\"",
                problems,
            );
            None
        }
    }
}

/// Several environments that want their versions in one parameter overwrite each other's.
fn check_one_parameter(
    environments: &[Located<EnvironmentPattern>],
    wanted: Option<&Located<Template>>,
    problems: &mut Problems<'_>,
) {
    let Some(wanted) = wanted.filter(|wanted| several(environments) && !wanted.value.names_environment())
    else {
        return;
    };
    problems
        .error(
            wanted.span.clone(),
            "several environments, but `wanted_parameter` is the same in each of them",
        )
        .hint("put {environment} into it, or name one environment only");
}

fn several(environments: &[Located<EnvironmentPattern>]) -> bool {
    environments.len() > 1
        || environments
            .iter()
            .any(|one| matches!(one.value, EnvironmentPattern::Pattern { .. }))
}

/// Several environments that are all one fleet roll the same hosts, each undoing the other.
fn check_one_fleet(environments: &[Located<EnvironmentPattern>], fleet: &Fleet, problems: &mut Problems<'_>) {
    let span: Range<usize> = environments.last().map_or(0..0, |last| last.span.clone());
    if several(environments) && !fleet.names_environment() {
        problems
            .error(
                span,
                "several environments, but the fleet is the same in each of them",
            )
            .hint("put {environment} into `auto_scaling_group` or a tag, or name one environment only");
    }
}

/// What has succeeded is known by its digest.
fn check_digests(
    swap: &SwapSection,
    service: &Service,
    verify: &Verify,
    asked: &[EnvironmentSection],
    problems: &mut Problems<'_>,
) {
    let Some(command) = swap.command() else {
        return;
    };
    let unnamed = |required: &&Located<Environment>| {
        !command.fill(&required.value, service).names_digest(&verify.value)
    };
    let required = asked.iter().filter_map(|asked| asked.requires.as_ref());
    for required in required.filter(unnamed) {
        problems
            .error(
                required.span.clone(),
                "`requires` compares digests, and no command asks for one",
            )
            .hint("put {digest} into [command] deploy, so that what is released are these very bytes");
    }
}

/// A probe at a port that nobody publishes fails on every host.
fn check_probe_port(container: &Container, verify: &Verify, problems: &mut Problems<'_>) {
    use drawgate_rollout::definition::{Probe, Protocol};
    let Probe::Http { port, .. } = verify.value.probe else {
        return;
    };
    let published = |mapping: &&drawgate_rollout::definition::PortMapping| mapping.protocol == Protocol::Tcp;
    if container.on_host_network()
        || container
            .ports()
            .iter()
            .filter(published)
            .any(|mapping| mapping.host == port)
    {
        return;
    }
    let inner = container
        .ports()
        .iter()
        .filter(published)
        .find(|mapping| mapping.container == port);
    let hint = match inner {
        Some(mapping) => format!(
            "{port} is the port in the container; on the host it is {}",
            mapping.host
        ),
        None => format!("publish it, as in [container] ports = [\"{port}:{port}\"]"),
    };
    problems
        .warning(
            verify.span.clone(),
            format!("`verify.http` asks port {port}, which is not published"),
        )
        .hint(hint);
}
