//! Makes the parts of a worker from the configuration.

use std::path::Path;
use std::sync::Arc;

use drawgate_config::{
    Config, EcrRegistry, EnvironmentPattern, KnownHosts, RegistrySettings, WorkerSettings,
};
use drawgate_rollout::definition::ServiceDefinition;
use drawgate_rollout::{Policies, Supersede};
use drawgate_schemas::{Environment, Service};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::CommandError;
use crate::aws::{self, Aws, RateShare};
use crate::bus::BusSettings;
use crate::chat;
use crate::effects::{Credentials, Definitions, Effects, Login};
use crate::host::{HostKeys, HostSettings, Hosts, RegistryCredentials};
use crate::ledger::limits::LANDING;
use crate::ledger::{Ledger, LedgerError};
use crate::roll::PolicySource;
use crate::service_manager;

/// Loads the configuration, and logs its warnings.
pub(super) fn load(path: &Path) -> Result<Arc<Config>, CommandError> {
    let config = Config::load(path).map_err(CommandError::Config)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(Arc::new(config))
}

/// The effects, with clients for AWS and the hosts. Nothing is sent yet.
pub(super) async fn effects(config: &Arc<Config>) -> Result<Effects, CommandError> {
    let share = RateShare::thousandths(config.settings().aws.share_thousandths);
    let aws = Aws::connect_with(aws_environment(config), share).await;
    let settings = host_settings(config.settings());
    let path = settings.runtime_dir.clone();
    let hosts = Hosts::new(settings).map_err(|source| CommandError::Sockets { path, source })?;
    let files = Arc::new(Files(Arc::clone(config)));
    Ok(Effects::new(aws, hosts, files.clone(), files))
}

fn aws_environment(config: &Config) -> aws_config::ConfigLoader {
    let settings = &config.settings().aws;
    let environment = aws::environment(settings.region.as_deref());
    match &settings.endpoint {
        Some(endpoint) => environment.endpoint_url(endpoint),
        None => environment,
    }
}

fn host_settings(settings: &WorkerSettings) -> HostSettings {
    let ssh = &settings.ssh;
    let usual = HostSettings::default();
    HostSettings {
        user: ssh.user.clone(),
        port: ssh.port,
        keyfile: ssh.key_file.clone(),
        config_file: ssh.config_file.clone(),
        host_keys: match ssh.known_hosts {
            KnownHosts::Strict => HostKeys::Strict,
            KnownHosts::AcceptNew => HostKeys::AcceptNew,
        },
        // Beside the ledger, because a worker under systemd can write nowhere else.
        remembered_keys: Some(settings.ledger.with_file_name("known_hosts")),
        connect_by_instance_id: ssh.connect_by_instance_id,
        connect_timeout: ssh.connect_timeout,
        docker_socket: ssh.docker_socket.clone(),
        runtime_dir: ssh.runtime_dir.clone().unwrap_or(usual.runtime_dir),
        docker_timeout: usual.docker_timeout,
        connections: usual.connections,
    }
}

/// The settings for the broker, with the binding keys of this site's queue.
pub(super) fn bus_settings(config: &Config) -> BusSettings {
    let settings = config.settings();
    let keys = config.routes().into_iter().flat_map(|route| {
        let service = route.service;
        let key = move |environment: EnvironmentPattern| format!("{}.{service}", environment.topic_word());
        route.environments.into_iter().map(key).collect::<Vec<_>>()
    });
    BusSettings {
        url: settings.amqp.url.expose().to_owned(),
        password_file: settings.amqp.password_file.clone(),
        site: settings.site.clone(),
        worker: settings.name.clone(),
        routes: keys.collect(),
        chat_kinds: chat::KINDS.to_vec(),
    }
}

/// The policies of every target.
pub(super) fn policies(config: &Arc<Config>) -> Arc<dyn PolicySource> {
    Arc::new(Files(Arc::clone(config)))
}

/// The ledger that the configuration names.
pub(super) async fn open_ledger(config: &Config) -> Result<Ledger, CommandError> {
    let path = &config.settings().ledger;
    let lease = config.settings().lease;
    Ledger::open_with_lease(path, config.worker(), lease, LANDING)
        .await
        .map_err(|source| ledger_error(config, source))
}

/// The error for a ledger that could not be used.
pub(super) fn ledger_error(config: &Config, source: LedgerError) -> CommandError {
    CommandError::Ledger {
        path: config.settings().ledger.clone(),
        source,
    }
}

/// Becomes true at SIGTERM or SIGINT. A second signal ends the process at once: the worker that takes a
/// release over looks again at the steps that were under way.
pub(super) fn stop_signal() -> Result<(watch::Sender<bool>, watch::Receiver<bool>), CommandError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::Signals)?;
    let (sender, stop) = watch::channel(false);
    let stopper = sender.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        tracing::info!("stopping at the next safe point; a second signal stops at once");
        service_manager::stopping();
        sender.send_replace(true);
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        tracing::warn!("stopped at once");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
    });
    Ok((stopper, stop))
}

/// The worker's own files as the source of definitions, policies and credentials.
struct Files(Arc<Config>);

impl Definitions for Files {
    fn of(&self, environment: &Environment, service: &Service) -> Result<ServiceDefinition, String> {
        self.0
            .definition(environment, service)
            .map_err(|error| error.to_string())
    }
}

impl PolicySource for Files {
    /// A target without a service file has no policy, and no release supersedes another there.
    fn policies(&self, environment: &Environment, service: &Service) -> Policies {
        let definition = self.0.definition(environment, service);
        Policies {
            supersede: definition.map_or(Supersede::Never, |definition| definition.supersede),
            gates: self.0.gates(environment, service),
        }
    }
}

impl Credentials for Files {
    fn of(&self, repository: &str) -> Result<Login, String> {
        let registry = repository.split('/').next().unwrap_or(repository);
        let of_ecr = EcrRegistry::of(registry);
        match self.0.settings().registries.get(registry) {
            None if of_ecr.is_none() => Ok(Login::None),
            None | Some(RegistrySettings::Ecr) => Ok(Login::Ecr {
                region: of_ecr.map(|of_ecr| of_ecr.region.to_owned()),
                account: of_ecr.map(|of_ecr| of_ecr.account.to_owned()),
            }),
            Some(RegistrySettings::Password { username, password }) => {
                let password = password.read().map_err(|error| crate::error_chain(&error))?;
                Ok(Login::With(RegistryCredentials {
                    username: username.clone(),
                    password: password.expose().to_owned(),
                }))
            }
        }
    }
}
