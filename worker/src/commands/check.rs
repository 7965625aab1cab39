//! `drawgate-worker check`: reports every mistake of the configuration, with file, line and fix.

use std::path::Path;
use std::process::ExitCode;

use drawgate_config::{Config, explain};

use super::{CommandError, print};

/// Prints the mistakes, or that there are none.
///
/// # Errors
/// Never; mistakes are part of the report.
pub fn check(path: &Path, json: bool) -> Result<ExitCode, CommandError> {
    let loaded = Config::load(path);
    let report = match &loaded {
        Ok(config) => &config.report(path),
        Err(report) => report,
    };
    if json {
        print::json(report);
    } else {
        print::text(&explain(report));
        if let Ok(config) = &loaded {
            print::text(&routes(config));
        }
    }
    Ok(if loaded.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

fn routes(config: &Config) -> String {
    let mut text = format!("worker {}, site {}\n", config.worker(), config.settings().site);
    for route in config.routes() {
        let environments: Vec<String> = route.environments.iter().map(ToString::to_string).collect();
        text.push_str(&format!("  {}: {}\n", route.service, environments.join(", ")));
    }
    text
}
