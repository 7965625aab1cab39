//! Reads the files on disk into a [`Config`], or into all the mistakes in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::configuration::Config;
use super::cross::{self, Loaded};
use super::error::{ConfigError, ConfigErrors, FINDINGS_PER_FILE, Problems};
use super::limits;
use super::reader::Table;
use super::service_keys::SERVICE;
use super::source::Source;
use super::worker_file::{self, Surroundings, WorkerSettings};
use super::worker_keys::WORKER;
use super::{env_vars, service_file};

/// What the machine contributes besides the files.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) amqp_url: Option<String>,
    pub(super) hostname: Option<String>,
}

impl Machine {
    /// This process's environment and this machine's name.
    pub(super) fn this() -> Self {
        Self {
            amqp_url: std::env::var(env_vars::DRAWGATE_AMQP_URL).ok(),
            // Linux's own file for it, so that no library and no child process is needed.
            hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").ok(),
        }
    }
}

/// Findings of all files.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<ConfigError>,
}

impl Findings {
    fn add(&mut self, problems: Problems<'_>) {
        let (errors, warnings) = problems.sorted();
        self.errors.extend(errors);
        self.warnings.extend(warnings);
    }
}

impl Config {
    /// Reads `worker.toml` and the service files that belong to it.
    ///
    /// # Errors
    /// All mistakes in the files; [`super::explain`] makes a text of them.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        load(path, Machine::this())
    }
}

pub(super) fn load(path: &Path, machine: Machine) -> Result<Config, ConfigErrors> {
    let mut findings = Findings::default();
    let folder = folder_of(path);
    let worker = read_worker(path, &folder, machine, &mut findings);
    // Without a readable worker.toml the default folder of services is still checked, so that one run shows
    // all mistakes.
    let services = worker
        .as_ref()
        .map_or_else(|| folder.join("services"), |worker| worker.services.clone());
    let files = read_services(&services, &folder, &mut findings);
    findings.errors.extend(cross::check(&files));
    if let Some(worker) = &worker {
        findings.errors.extend(cross::approvals(&files, &worker.people));
    }
    let services = files
        .into_iter()
        .map(|loaded| (loaded.file.service.value.clone(), loaded.file));
    let services: BTreeMap<_, _> = services.collect();
    match worker {
        Some(worker) if findings.errors.is_empty() => Ok(Config {
            worker,
            services,
            warnings: findings.warnings,
        }),
        _ => Err(ConfigErrors {
            file: path.display().to_string(),
            errors: findings.errors,
            warnings: findings.warnings,
        }),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read_worker(
    path: &Path,
    folder: &Path,
    machine: Machine,
    findings: &mut Findings,
) -> Option<WorkerSettings> {
    let name = path.file_name().map_or_else(
        || "worker.toml".into(),
        |name| name.to_string_lossy().into_owned(),
    );
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            let error = match error.kind() {
                io::ErrorKind::NotFound => {
                    ConfigError::of_file(name, format!("{} does not exist", path.display())).with_hint(
                        format!(
                            "write it (infra/examples has one), or set {}",
                            env_vars::DRAWGATE_CONFIG
                        ),
                    )
                }
                _ => ConfigError::of_file(name, format!("cannot be read: {error}")),
            };
            findings.errors.push(error);
            return None;
        }
    };
    let around = Surroundings {
        folder,
        amqp_url: machine.amqp_url,
        hostname: machine.hostname,
    };
    judge_worker(&Source::with_secrets(name, text), &around, findings)
}

/// Reads `worker.toml` from its text.
pub(super) fn judge_worker(
    source: &Source,
    around: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<WorkerSettings> {
    let mut problems = Problems::new(source);
    let root = parse(source, &mut problems);
    let settings = root.and_then(|root| worker_file::read(Table::root(&root, WORKER), around, &mut problems));
    findings.add(problems);
    settings
}

/// The tree of a file without syntax errors. With a syntax error the rest of the tree is a guess, and
/// checking it would only add false errors.
fn parse<'s>(source: &'s Source, problems: &mut Problems<'_>) -> Option<DeTable<'s>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    for error in errors.iter().take(FINDINGS_PER_FILE) {
        let (message, hint) = syntax(error.message());
        let noted = problems.error(error.span().unwrap_or(0..0), message);
        if let Some(hint) = hint {
            noted.hint(hint);
        }
    }
    errors.is_empty().then(|| table.into_inner())
}

/// The parser's message, and a hint where the message does not say the usual cause. If the parser's wording
/// changes, only the hint is lost.
fn syntax(message: &str) -> (&str, Option<&'static str>) {
    match message {
        message if message.starts_with("string values must be quoted") => {
            ("a text must be in quotes", Some("write it as in name = \"api\""))
        }
        message if message.starts_with("invalid time") => (
            message,
            Some("a port mapping is written in quotes, as in \"8080:8080\""),
        ),
        "duplicate key" => (message, Some("it is there already, above; keep one")),
        message => (message, None),
    }
}

fn read_services(services: &Path, folder: &Path, findings: &mut Findings) -> Vec<Loaded> {
    let shown = |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let paths = match service_paths(services) {
        Ok(paths) => paths,
        Err(error) => {
            let error = ConfigError::of_file(
                shown(services),
                format!("the folder of the service files: {error}"),
            )
            .with_hint("make the folder and put one file per service into it, as services/search-api.toml");
            findings.errors.push(error);
            return Vec::new();
        }
    };
    if paths.is_empty() {
        let warning = ConfigError::of_file(shown(services), "has no *.toml: this worker rolls nothing");
        findings
            .warnings
            .push(warning.with_hint("put one file per service into it, as search-api.toml"));
    }
    if paths.len() > limits::SERVICE_FILES {
        let message = format!(
            "has {} files, and may have {}",
            paths.len(),
            limits::SERVICE_FILES
        );
        findings
            .errors
            .push(ConfigError::of_file(shown(services), message));
    }
    let paths = paths.iter().take(limits::SERVICE_FILES);
    paths
        .filter_map(|path| read_service(path, shown(path), findings))
        .collect()
}

/// The `*.toml` of the folder, sorted, without hidden ones: those are an editor's locks and swap files.
fn service_paths(services: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(services)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".toml") && !name.starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_service(path: &Path, name: String, findings: &mut Findings) -> Option<Loaded> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            findings
                .errors
                .push(ConfigError::of_file(name, format!("cannot be read: {error}")));
            return None;
        }
    };
    judge_service(Source::new(name, text), findings)
}

/// Reads a service file from its text.
pub(super) fn judge_service(source: Source, findings: &mut Findings) -> Option<Loaded> {
    let mut problems = Problems::new(&source);
    let root = parse(&source, &mut problems);
    let file = root.and_then(|root| service_file::read(Table::root(&root, SERVICE), &mut problems));
    findings.add(problems);
    Some(Loaded { file: file?, source })
}

/// A file's text; refuses a file beyond the bound.
fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limits::FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::FILE_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {} KiB",
            limits::FILE_BYTES / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8"))
    })
}
