//! The service that tests and searches roll.

use super::*;

/// What the service's file says.
pub fn definition() -> ServiceDefinition {
    ServiceDefinition {
        service: "api".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        fleet: FleetSelector::AutoScalingGroup(GROUP.to_owned()),
        target_groups: None,
        roll: RollPolicy {
            max_unavailable: 1.into(),
            canary: None,
            zone_by_zone: false,
            max_pause_ms: 3_600_000,
            failure_budget: 0,
            max_roll_ms: 3_600_000,
            sick_wait_ms: 300_000,
            // As watched alarms, watched hosts are there where a fleet asks for them.
            watch_hosts: false,
            allow_missed_actions: false,
            allow_outage: false,
            min_healthy_time_ms: 2_000,
            min_drain_ms: 5_000,
            nlb_min_drain_ms: 180_000,
            nlb_registration_ms: 300_000,
            drain_timeout_ms: 60_000,
            healthy_timeout_ms: 120_000,
            poll_interval_ms: 1_000,
            pull_concurrency: 2,
            pull_timeout_ms: 300_000,
            min_disk_free_bytes: 1 << 30,
        },
        swap: Swap::Container(container_definition()),
        preflight: PreflightPolicy::default(),
        verify: VerifyDefinition {
            probe: Probe::Running,
            attempts: 3,
            interval_ms: 7_000,
            timeout_ms: 5_000,
            start_timeout_ms: START_TIMEOUT_DEFAULT_MS,
        },
        alarms: AlarmDefinition {
            silence: vec!["web-*".to_owned()],
            ..AlarmDefinition::default()
        },
        suspend: Process::DEFAULT.to_vec(),
        wanted_parameter: None,
        lease_parameter: None,
        approval: None,
        supersede: Supersede::default(),
        images: vec![REPOSITORY.to_owned()],
        before: None,
        after: None,
    }
}

fn container_definition() -> ContainerDefinition {
    ContainerDefinition {
        name: NAME.to_owned(),
        ports: vec![PortMapping {
            address: None,
            host: 8080,
            container: 80,
            protocol: Protocol::Tcp,
        }],
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        volumes: Vec::new(),
        network: None,
        restart: RestartPolicy::UnlessStopped,
        memory_bytes: None,
        nano_cpus: None,
        log_driver: None,
        log_options: BTreeMap::new(),
        labels: BTreeMap::new(),
        command: None,
        stop_timeout_s: 10,
        keep_images: 1,
    }
}
