//! The watch over hosts whose turn is over.

use drawgate_rollout::{
    EngineSeen, FailedCheck, Failure, HostSeen, Obstacle, Release, Runs, StepOutcome, Verdict, limits,
};

use crate::world::*;

impl World {
    /// Refuses when a watched host speaks against the version: by its check or by its container's restarts, or, with
    /// `engines_alone`, by the restarts.
    pub(super) fn look_at_hosts(&self, release: &Release, engines_alone: bool) -> StepOutcome {
        let everyone = release.everyone();
        let takes_bystanders = self.mutant == Some(Mutant::TakesBystandersForEvidence);
        let watched: Vec<&str> = match takes_bystanders {
            true => everyone.map(|host| host.instance.as_str()).collect(),
            false => release
                .watched_hosts()
                .map(|host| host.instance.as_str())
                .collect(),
        };
        let hosts = watched
            .iter()
            .filter_map(|instance| Some((*instance, self.hosts.get(*instance)?)));
        for (instance, host) in hosts {
            let mut seen = seen(host, release.restarts_at_turn_end(instance));
            seen.fails = seen.fails.filter(|_| !engines_alone);
            if takes_bystanders {
                seen.engine = up(host);
            }
            if let Verdict::AgainstVersion(what) = seen.verdict() {
                let instance = instance.to_owned();
                let failure = Failure::new(what).with_obstacle(Obstacle::AgainstVersion { instance });
                return StepOutcome::Refused { failure };
            }
        }
        StepOutcome::done()
    }
}

/// A host as the watch sees it at its second look.
fn seen(host: &Host, restarts_before: u64) -> HostSeen {
    let fails = host.sick && !host.is_well() && host.registered() && !host.targetless;
    let engine = match host {
        Host { member: false, .. } => EngineSeen::Gone("terminated in EC2".to_owned()),
        Host { hangs: true, .. } => EngineSeen::Silent("no answer".to_owned()),
        Host {
            named: Some(Which::New),
            ..
        } => up(host),
        _ => EngineSeen::Replaced,
    };
    HostSeen {
        runs: Runs::New,
        fails: fails.then(|| FailedCheck {
            target_group: "web".to_owned(),
            reason: "Request timed out".to_owned(),
            for_ms: limits::SICK_AFTER_MS,
        }),
        engine,
        restarts_before,
    }
}

fn up(host: &Host) -> EngineSeen {
    EngineSeen::Runs {
        restarts: host.restarts.into(),
        started_by_others: false,
    }
}
