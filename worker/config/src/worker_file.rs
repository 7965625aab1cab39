//! `worker.toml`: this worker's name, and the systems that it talks to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use drawgate_schemas::Site;

use super::address;
use super::ecr::{self, EcrRegistry};
use super::error::Problems;
use super::limits;
use super::parameter;
use super::paths::Paths;
use super::people::{self, Operators, People};
use super::placeholders::Template;
use super::reader::{Field, Table};
use super::secrets::{Secret, SecretSource};
use super::ssh_section::{self, SshSettings};

/// The settings from `worker.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The worker's name in events and leases.
    pub name: String,
    /// The site, which names the queue.
    pub site: Site,
    /// The ledger's file, on a local disk.
    pub ledger: PathBuf,
    /// The folder of the service files.
    pub services: PathBuf,
    pub amqp: AmqpSettings,
    /// How the worker reaches hosts.
    pub ssh: SshSettings,
    /// The chat's incoming webhook; no chat where absent.
    pub webhook: Option<SecretSource>,
    /// AWS settings that override the environment's.
    pub aws: AwsSettings,
    /// Logins at registries, by host.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// The name of the parameter with a fleet's lease; `None` where no lease is taken.
    pub(super) fleet_lease: Option<Template>,
    /// Releases that may wait in one lane before the next is refused.
    pub max_waiting_per_lane: u32,
    /// How long the worker keeps a lane without renewing its lease.
    pub lease: Duration,
    /// The broker's users: their groups, and which of them are shared.
    pub people: People,
    /// Groups whose people may give control commands: pause, resume, cancel, freeze, thaw, forget a lane's
    /// numbers; nobody where absent.
    pub orders_from: Option<Vec<String>>,
    /// Groups whose people may let a release pass every gate; nobody where empty.
    pub emergency_from: Vec<String>,
}

impl WorkerSettings {
    /// The people who may let a release pass every gate; shared logins are excluded.
    pub fn emergency_from(&self) -> BTreeSet<String> {
        self.people.of(self.emergency_from.iter().map(String::as_str))
    }

    /// The users who may give control commands.
    pub fn operators(&self) -> Operators {
        let Some(groups) = &self.orders_from else {
            return Operators::Nobody;
        };
        Operators::These(self.people.members(groups.iter()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpSettings {
    /// The broker's address; it may contain the password.
    pub url: Secret,
    /// The password's file, read for every connection, where the address contains no password.
    pub password_file: Option<PathBuf>,
}

/// AWS settings that override the environment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    pub region: Option<String>,
    /// One endpoint for every service, for a lab.
    pub endpoint: Option<String>,
    /// The part of AWS's request rates that the worker may use, in thousandths.
    pub share_thousandths: u16,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            share_thousandths: limits::AWS_SHARE_DEFAULT,
        }
    }
}

/// How to log in at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrySettings {
    /// With a password.
    Password {
        username: String,
        /// Where the password comes from.
        password: SecretSource,
    },
    /// With a token that Amazon ECR gives on request.
    Ecr,
}

/// What the machine contributes, as an argument, so that tests can set it.
pub(super) struct Surroundings<'s> {
    /// The folder that relative paths start from.
    pub(super) folder: &'s Path,
    /// `DRAWGATE_AMQP_URL`.
    pub(super) amqp_url: Option<String>,
    /// The machine's name.
    pub(super) hostname: Option<String>,
}

/// Reads `worker.toml`. `None` only with an error noted.
pub(super) fn read(
    mut root: Table<'_, '_>,
    around: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<WorkerSettings> {
    let paths = Paths {
        folder: around.folder,
    };
    let name = worker_name(&mut root, around.hostname.as_deref(), problems);
    let site = root
        .require("site", problems)
        .and_then(|field| site(&field, problems));
    let ledger = paths.or(&mut root, "ledger", problems);
    let services = paths.or(&mut root, "services", problems);
    let fleet_lease = fleet_lease(&mut root, problems);
    let amqp = amqp(&mut root, around, problems);
    let ssh = root.section("ssh", problems);
    let ssh = ssh.map_or_else(SshSettings::default, |table| {
        ssh_section::read(table, &paths, problems)
    });
    let webhook = root
        .section("chat", problems)
        .and_then(|table| read_chat(table, &paths, problems));
    let aws = root
        .section("aws", problems)
        .map_or_else(AwsSettings::default, |table| read_aws(table, problems));
    let registries = root.section("registry", problems);
    let registries = registries.map_or_else(BTreeMap::new, |table| read_registries(&table, &paths, problems));
    let (max_waiting_per_lane, lease) = read_limits(&mut root, problems);
    let people = people::people(&mut root, problems);
    let has_orders = root.has("orders");
    let orders_from = people::groups_from("orders", &mut root, &people, problems);
    if !has_orders {
        nobody_may_stop(problems);
    }
    let emergency_from = people::groups_from("emergency", &mut root, &people, problems);
    root.finish(problems);
    let (name, site, amqp) = (name?, site?, amqp?);
    Some(WorkerSettings {
        name,
        site,
        ledger,
        services,
        amqp,
        ssh,
        webhook,
        aws,
        registries,
        fleet_lease,
        max_waiting_per_lane,
        lease,
        people,
        orders_from,
        emergency_from: emergency_from.unwrap_or_default(),
    })
}

/// Warns that `[orders]` is missing: nobody may give control commands then, because every build has a login
/// at the broker, and that alone gives no right to stop releases.
fn nobody_may_stop(problems: &mut Problems<'_>) {
    let message = "there is no [orders]: nobody may pause, resume or cancel a release, freeze, thaw, or have build numbers forgotten";
    let hint = "write [orders] with from = [\"ops\"], and [groups] with ops = [\"ben\"], users of the broker";
    problems.warning(0..0, message).hint(hint);
}

/// The value of `fleet_lease` that turns leases off.
const NO_LEASE: &str = "none";

/// Reads `fleet_lease`. It must contain environment and service: two targets with one lease would shut each
/// other out.
fn fleet_lease(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Template> {
    let Some(field) = root.take("fleet_lease") else {
        return Template::parse(root.default_text("fleet_lease")).ok();
    };
    if field.text(problems)? == NO_LEASE {
        let message = "no lease is taken: a worker with another ledger, on a rebuilt bastion say, may roll the same fleet";
        problems.warning(field.span.clone(), message);
        return None;
    }
    let template = parameter::name(&field, problems)?.value;
    if !template.names_environment() || !template.names_service() {
        let hint = format!("write it as {}, or {NO_LEASE:?}", field.example_value());
        field.invalid_hint("is one lease for several targets", hint, problems);
        return None;
    }
    Some(template)
}

fn worker_name(
    root: &mut Table<'_, '_>,
    hostname: Option<&str>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let is_name = |name: &str| {
        (1..=63).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    match root.take("worker") {
        Some(field) => {
            let name = field.plain_text(problems)?;
            if !is_name(name) {
                field.invalid("must be 1 to 63 letters, digits, `-`, `.` and `_`", problems);
                return None;
            }
            Some(name.to_owned())
        }
        None => {
            let name = hostname.map(str::trim).filter(|name| is_name(name));
            if name.is_none() {
                problems
                    .error(
                        0..0,
                        "`worker` is missing, and this machine has no usable name of its own",
                    )
                    .hint("write worker = \"bastion-a\"");
            }
            name.map(str::to_owned)
        }
    }
}

fn site(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Site> {
    let text = field.plain_text(problems)?;
    match Site::try_from(text.to_owned()) {
        Ok(site) => Some(site),
        Err(error) => {
            problems
                .error(field.span.clone(), error.to_string())
                .hint("write it as \"us-west\"");
            None
        }
    }
}

fn amqp(
    root: &mut Table<'_, '_>,
    around: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<AmqpSettings> {
    let paths = Paths {
        folder: around.folder,
    };
    let from_env = around.amqp_url.as_deref().filter(|url| !url.is_empty());
    let table = root.section("amqp", problems);
    let Some(mut table) = table else {
        if from_env.is_none() {
            let hint = format!(
                "write [amqp] and {}, or set {}",
                root.example_in("amqp", "url"),
                super::env_vars::DRAWGATE_AMQP_URL
            );
            problems.error(0..0, "the broker's address is missing").hint(hint);
        }
        return env_url(from_env?, None, problems);
    };
    let url = match from_env {
        Some(_) => table.take("url"),
        None => table.require("url", problems),
    };
    let password_file = table.take("password_file");
    let password_path = password_file
        .as_ref()
        .and_then(|field| paths.secret(field, problems));
    table.finish(problems);
    let settings = url.and_then(|field| {
        let url = field.plain_text(problems)?;
        let address = address::check(url, &["amqps", "amqp"]);
        let hint = format!("write {}", field.example());
        let address = address.map_err(|problem| field.invalid_hint(problem, hint, problems));
        if address.ok()?.has_password
            && let Some(file) = &password_file
        {
            problems
                .error(
                    file.key.clone(),
                    "`amqp.password_file`, and `amqp.url` holds a password too",
                )
                .hint("take the password out of the url");
        }
        Some(AmqpSettings {
            url: Secret::new(url),
            password_file: password_path.clone(),
        })
    });
    match from_env {
        Some(url) => env_url(url, password_path, problems),
        None => settings,
    }
}

/// Reads the broker's address from the environment. A password in it overrides the file's.
fn env_url(url: &str, password_file: Option<PathBuf>, problems: &mut Problems<'_>) -> Option<AmqpSettings> {
    match address::check(url, &["amqps", "amqp"]) {
        Ok(address) => {
            let password_file = password_file.filter(|_| !address.has_password);
            Some(AmqpSettings {
                url: Secret::new(url),
                password_file,
            })
        }
        Err(problem) => {
            let name = super::env_vars::DRAWGATE_AMQP_URL;
            problems
                .error(0..0, format!("the environment variable {name}: {problem}"))
                .hint("set it as amqps://user:password@broker.example.com:5671/vhost");
            None
        }
    }
}

fn read_chat(
    mut table: Table<'_, '_>,
    paths: &Paths<'_>,
    problems: &mut Problems<'_>,
) -> Option<SecretSource> {
    let inline = table.take("webhook");
    let file = table.take("webhook_file");
    let span = table.span();
    table.finish(problems);
    match (inline, file) {
        (Some(inline), Some(_)) => {
            problems
                .error(
                    inline.key,
                    "`chat.webhook` and `chat.webhook_file` are both there",
                )
                .hint("keep one");
            None
        }
        (None, Some(file)) => paths.secret(&file, problems).map(SecretSource::File),
        (Some(inline), None) => {
            let url = inline.plain_text(problems)?;
            match address::check(url, &["https", "http"]) {
                Ok(_) => Some(SecretSource::Inline(Secret::new(url))),
                Err(problem) => {
                    inline.invalid_hint(problem, "write the address that the chat gave you", problems);
                    None
                }
            }
        }
        (None, None) => {
            problems
                .error(span, "[chat] names no webhook")
                .hint("write webhook_file = \"secrets/webhook\", or remove [chat] for no chat");
            None
        }
    }
}

fn read_aws(mut table: Table<'_, '_>, problems: &mut Problems<'_>) -> AwsSettings {
    let region = table.take("region").and_then(|field| {
        let region = field.plain_text(problems)?;
        let good = region
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !good || !region.contains('-') {
            field.invalid_hint(
                format!("{region:?} is no region"),
                "write it as \"us-west-2\"",
                problems,
            );
            return None;
        }
        Some(region.to_owned())
    });
    let endpoint = table.take("endpoint").and_then(|field| {
        let url = field.plain_text(problems)?;
        if let Err(problem) = address::check(url, &["https", "http"]) {
            field.invalid_hint(
                problem,
                "write it as \"http://127.0.0.1:4566\", or leave it out",
                problems,
            );
            return None;
        }
        Some(url.to_owned())
    });
    let share = table.take("share").and_then(|field| field.thousandths(problems));
    table.finish(problems);
    AwsSettings {
        region,
        endpoint,
        share_thousandths: share.unwrap_or(limits::AWS_SHARE_DEFAULT),
    }
}

fn read_registries(
    table: &Table<'_, '_>,
    paths: &Paths<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, RegistrySettings> {
    let mut registries = BTreeMap::new();
    for (host, field) in table.entries().take(limits::LIST.most) {
        if host.contains('/') || !address::is_registry(host) {
            let shown: String = host.chars().take(60).collect();
            problems
                .error(field.key.clone(), format!("{shown:?} is no registry's host"))
                .hint("write [registry.\"registry.example.com\"], with :PORT if it has one, without https:// and path");
            continue;
        }
        let Some(mut login) = field.table(problems) else {
            continue;
        };
        let by_token = login.take("login");
        let has_password = by_token.is_none();
        let settings = match by_token {
            Some(field) => ecr_login(host, &field, problems),
            None => password_login(&mut login, paths, problems),
        };
        login.finish(problems);
        let hint = match () {
            () if ecr::is_public(host) => Some(PULLED_BY_ALL),
            () if EcrRegistry::of(host).is_some() => {
                Some("leave this table out: at ECR the worker asks for a token itself, for every release")
            }
            () => None,
        };
        if let (true, Some(hint)) = (has_password, hint) {
            let message = format!("{host} is ECR, where passwords live for 12 hours");
            problems.warning(field.key.clone(), message).hint(hint);
        }
        if let Some(settings) = settings {
            registries.insert(host.to_owned(), settings);
        }
    }
    registries
}

const PULLED_BY_ALL: &str = "leave this table out: images there are pulled without a login";

/// Reads `login`. An ECR registry is recognised by its host name; under another name the file must say that
/// it is ECR.
fn ecr_login(host: &str, field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<RegistrySettings> {
    let is_ecr = field.text(problems)? == "ecr";
    if is_ecr && ecr::is_public(host) {
        field.invalid_hint(
            "is for private registries: ECR Public does not take their tokens",
            PULLED_BY_ALL,
            problems,
        );
        return None;
    }
    if is_ecr {
        return Some(RegistrySettings::Ecr);
    }
    let hint = "write login = \"ecr\", or username and password_file";
    field.invalid_hint("names no way to log in", hint, problems);
    None
}

fn password_login(
    login: &mut Table<'_, '_>,
    paths: &Paths<'_>,
    problems: &mut Problems<'_>,
) -> Option<RegistrySettings> {
    let username = login.require("username", problems);
    let username = username.and_then(|field| field.plain_text(problems));
    let password = login.require("password_file", problems);
    let password = password.and_then(|field| paths.secret(&field, problems));
    Some(RegistrySettings::Password {
        username: username?.to_owned(),
        password: SecretSource::File(password?),
    })
}

fn read_limits(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> (u32, Duration) {
    let Some(mut table) = root.section("limits", problems) else {
        return (limits::WAITING_DEFAULT, limits::LEASE_DEFAULT);
    };
    let waiting = table
        .take("max_waiting_per_lane")
        .and_then(|field| field.number(problems))
        .and_then(|waiting| u32::try_from(waiting).ok());
    let lease = table
        .take("lease")
        .and_then(|field| field.duration(problems))
        .map(Duration::from_millis);
    table.finish(problems);
    (
        waiting.unwrap_or(limits::WAITING_DEFAULT),
        lease.unwrap_or(limits::LEASE_DEFAULT),
    )
}
