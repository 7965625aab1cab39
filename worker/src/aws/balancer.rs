//! Target groups and the targets in them.

use aws_sdk_elasticloadbalancingv2::types;
use drawgate_rollout::{HealthThreshold, Write};
use serde::{Deserialize, Serialize};

use super::client::Aws;
use super::error::AwsError;
use super::limiter::Admission;
use super::limits;

/// A target group, without its attributes, which cost a call for each group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    /// `HTTP`, `TCP`, ...
    pub protocol: String,
    /// The port for targets registered without one; a target's own port counts.
    pub port: Option<u16>,
    /// `instance`, `ip`, `lambda`, `alb`.
    pub target_type: String,
    /// The VPC of its targets; `None` for Lambda functions.
    pub vpc: Option<String>,
    /// The load balancers that use the group. Without one its targets stay `unused` for ever.
    pub load_balancers: Vec<String>,
    /// How the load balancer checks the targets.
    pub health_check: HealthCheck,
}

/// A target group's health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether health checks are on.
    pub enabled: bool,
    /// Seconds between two checks.
    pub interval_s: u32,
    /// Seconds one check may take.
    pub timeout_s: u32,
    /// Checks that must pass until a target is healthy.
    pub healthy_threshold: u32,
    /// Checks that must fail until a target is unhealthy.
    pub unhealthy_threshold: u32,
}

/// The facts about a target group that AWS gives only with its attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroupAttributes {
    /// Seconds that a deregistered target is `draining`.
    pub deregistration_delay_s: u32,
    /// Seconds over which a new target's share grows, 0 for the whole share at once.
    pub slow_start_s: u32,
    /// Whether connections that are still open are ended when the deregistration delay is over. Only a
    /// Network Load Balancer can choose, and it keeps them where this is off.
    pub ends_connections: bool,
    /// Cross-zone balancing: `Some` where the group's own attribute decides, `None` where the load balancer
    /// does.
    pub cross_zone: Option<bool>,
    /// Healthy targets below which the load balancer takes a zone out of DNS.
    pub dns_failover: HealthThreshold,
    /// Healthy targets below which the load balancer sends requests to unhealthy targets too.
    pub unhealthy_state_routing: HealthThreshold,
    /// All attributes as AWS gave them.
    pub all: std::collections::BTreeMap<String, String>,
}

/// One address of a target group. The port is always given: AWS reads an address without one as the group's
/// own port, which is another target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    /// Instance id or IP address.
    pub id: String,
    pub port: u16,
    /// Availability zone, where the target was registered with one (`all` for addresses outside the VPC).
    pub zone: Option<String>,
}

/// A target and its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Instance id or IP address.
    pub id: String,
    pub port: u16,
    /// Availability zone, where AWS gives one.
    pub zone: Option<String>,
    pub state: TargetState,
    /// AWS's reason code, `Target.Timeout`, ...
    pub reason: Option<String>,
    /// AWS's own words.
    pub description: Option<String>,
}

impl Target {
    /// The address to register or deregister it by.
    pub fn target_id(&self) -> TargetId {
        TargetId {
            id: self.id.clone(),
            port: self.port,
            zone: self.zone.clone(),
        }
    }
}

/// Health of a target, as `DescribeTargetHealth` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TargetState {
    /// Registered, not yet checked often enough.
    Initial,
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// Fails its checks, and its connections are being drained.
    UnhealthyDraining,
    /// Deregistered; the load balancer waits for its connections.
    Draining,
    /// Registered, and no load balancer sends it anything: its group is in no listener, or its zone not enabled.
    Unused,
    /// Health checks are off.
    Unavailable,
    /// A state that this build does not know.
    Other(String),
}

impl TargetState {
    /// The API's name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::UnhealthyDraining => "unhealthy.draining",
            Self::Draining => "draining",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for TargetState {
    fn from(name: String) -> Self {
        match name.as_str() {
            "initial" => Self::Initial,
            "healthy" => Self::Healthy,
            "unhealthy" => Self::Unhealthy,
            "unhealthy.draining" => Self::UnhealthyDraining,
            "draining" => Self::Draining,
            "unused" => Self::Unused,
            "unavailable" => Self::Unavailable,
            _ => Self::Other(name),
        }
    }
}

impl From<TargetState> for String {
    fn from(state: TargetState) -> Self {
        state.as_str().to_owned()
    }
}

impl std::fmt::Display for TargetState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TargetGroup {
    /// Whether the group belongs to a Network Load Balancer: it passes on connections, an Application Load
    /// Balancer passes on requests.
    pub fn passes_connections(&self) -> bool {
        !matches!(self.protocol.as_str(), "HTTP" | "HTTPS")
    }

    /// Whether each target is registered with a server id, as in QUIC and TCP_QUIC target groups (Elastic Load
    /// Balancing, "Target groups for your Network Load Balancers"). This worker does not keep the ids.
    pub fn has_server_ids(&self) -> bool {
        self.protocol.contains("QUIC")
    }
}

impl Aws {
    /// Every target group of the account and region: up to 400 in one call, without their targets.
    pub async fn target_groups(&self) -> Result<Vec<TargetGroup>, AwsError> {
        const OPERATION: &str = "elasticloadbalancing:DescribeTargetGroups";
        let mut groups = Vec::new();
        let mut marker = None;
        for _ in 0..limits::PAGES {
            let request = self
                .clients
                .elbv2()
                .describe_target_groups()
                .page_size(limits::TARGET_GROUPS_PER_PAGE);
            let answer = self.read(OPERATION, request.set_marker(marker).send()).await?;
            groups.extend(
                answer
                    .target_groups
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(target_group),
            );
            marker = answer.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(groups);
            }
        }
        Err(AwsError::too_long(OPERATION))
    }

    /// A target group's attributes.
    pub async fn attributes(&self, arn: &str) -> Result<TargetGroupAttributes, AwsError> {
        let request = self
            .clients
            .elbv2()
            .describe_target_group_attributes()
            .target_group_arn(arn);
        let answer = self
            .read(
                "elasticloadbalancing:DescribeTargetGroupAttributes",
                request.send(),
            )
            .await?;
        Ok(attributes(answer.attributes.unwrap_or_default()))
    }

    /// Whether a Network Load Balancer spreads over zones, where its target groups leave that to it. By
    /// default it does not. (An Application Load Balancer always does.)
    pub async fn balances_across_zones(&self, arn: &str) -> Result<bool, AwsError> {
        let request = self
            .clients
            .elbv2()
            .describe_load_balancer_attributes()
            .load_balancer_arn(arn);
        let answer = self
            .read(
                "elasticloadbalancing:DescribeLoadBalancerAttributes",
                request.send(),
            )
            .await?;
        let attributes = answer.attributes.unwrap_or_default();
        let says = attributes
            .iter()
            .find(|attribute| attribute.key() == Some("load_balancing.cross_zone.enabled"));
        Ok(says.and_then(|attribute| attribute.value()) == Some("true"))
    }

    /// All targets of a group, draining ones included. A Lambda function is left out, because it is no member
    /// of a fleet.
    pub async fn target_health(&self, arn: &str) -> Result<Vec<Target>, AwsError> {
        let request = self
            .clients
            .elbv2()
            .describe_target_health()
            .target_group_arn(arn);
        let answer = self
            .read("elasticloadbalancing:DescribeTargetHealth", request.send())
            .await?;
        Ok(answer
            .target_health_descriptions
            .unwrap_or_default()
            .into_iter()
            .filter_map(target)
            .collect())
    }

    /// Registers targets. A registered target stays registered.
    pub async fn register(&self, arn: &str, targets: &[TargetId]) -> Result<(), AwsError> {
        self.register_admitted(arn, targets, None).await
    }

    /// The same with the admission of its first call.
    pub(super) async fn register_admitted(
        &self,
        arn: &str,
        targets: &[TargetId],
        mut admission: Option<Admission>,
    ) -> Result<(), AwsError> {
        for chunk in targets.chunks(limits::TARGETS_PER_CALL) {
            let request = self.clients.elbv2().register_targets().target_group_arn(arn);
            let request = request.set_targets(Some(chunk.iter().map(target_description).collect()));
            self.write_admitted(Write::Register, admission.take(), request.send())
                .await?;
        }
        Ok(())
    }

    /// Deregisters targets, each with its port: without a port, AWS deregisters every port of that id.
    pub async fn deregister(&self, arn: &str, targets: &[TargetId]) -> Result<(), AwsError> {
        self.deregister_admitted(arn, targets, None).await
    }

    /// The same with the admission of its first call.
    pub(super) async fn deregister_admitted(
        &self,
        arn: &str,
        targets: &[TargetId],
        mut admission: Option<Admission>,
    ) -> Result<(), AwsError> {
        for chunk in targets.chunks(limits::TARGETS_PER_CALL) {
            let request = self.clients.elbv2().deregister_targets().target_group_arn(arn);
            let request = request.set_targets(Some(chunk.iter().map(target_description).collect()));
            self.write_admitted(Write::Deregister, admission.take(), request.send())
                .await?;
        }
        Ok(())
    }
}

fn target_group(group: types::TargetGroup) -> Option<TargetGroup> {
    Some(TargetGroup {
        arn: group.target_group_arn?,
        name: group.target_group_name.unwrap_or_default(),
        protocol: group
            .protocol
            .map(|protocol| protocol.as_str().to_owned())
            .unwrap_or_default(),
        port: group.port.and_then(|port| u16::try_from(port).ok()),
        target_type: group
            .target_type
            .map(|kind| kind.as_str().to_owned())
            .unwrap_or_default(),
        vpc: group.vpc_id,
        load_balancers: group.load_balancer_arns.unwrap_or_default(),
        health_check: HealthCheck {
            enabled: group.health_check_enabled.unwrap_or(true),
            interval_s: number(group.health_check_interval_seconds),
            timeout_s: number(group.health_check_timeout_seconds),
            healthy_threshold: number(group.healthy_threshold_count),
            unhealthy_threshold: number(group.unhealthy_threshold_count),
        },
    })
}

fn attributes(attributes: Vec<types::TargetGroupAttribute>) -> TargetGroupAttributes {
    let all: std::collections::BTreeMap<_, _> = attributes
        .into_iter()
        .filter_map(|attribute| Some((attribute.key?, attribute.value?)))
        .collect();
    let seconds = |key: &str| all.get(key).and_then(|value| value.parse().ok());
    TargetGroupAttributes {
        // AWS's own defaults, for a group without the attribute.
        deregistration_delay_s: seconds("deregistration_delay.timeout_seconds").unwrap_or(300),
        slow_start_s: seconds("slow_start.duration_seconds").unwrap_or(0),
        ends_connections: all
            .get("deregistration_delay.connection_termination.enabled")
            .is_some_and(|value| value == "true"),
        cross_zone: match all.get("load_balancing.cross_zone.enabled").map(String::as_str) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        },
        dns_failover: threshold(&all, "dns_failover"),
        unhealthy_state_routing: threshold(&all, "unhealthy_state_routing"),
        all,
    }
}

/// One of the group's own thresholds. AWS's defaults are one healthy target, and no share (Elastic Load
/// Balancing, "Target group health").
fn threshold(all: &std::collections::BTreeMap<String, String>, action: &str) -> HealthThreshold {
    let number = |kind: &str, default: u32| {
        let key = format!("target_group_health.{action}.minimum_healthy_targets.{kind}");
        match all.get(&key).map(String::as_str) {
            None => default,
            // `off`
            Some(value) => value.parse().unwrap_or(0),
        }
    };
    HealthThreshold {
        count: number("count", 1),
        percentage: number("percentage", 0),
    }
}

fn target(description: types::TargetHealthDescription) -> Option<Target> {
    let target = description.target?;
    let health = description.target_health;
    let state = health.as_ref().and_then(|health| health.state.as_ref());
    let reason = health.as_ref().and_then(|health| health.reason.as_ref());
    let reason = reason.map(|reason| reason.as_str().to_owned());
    Some(Target {
        id: target.id?,
        port: target.port.and_then(|port| u16::try_from(port).ok())?,
        zone: target.availability_zone,
        state: state_of(state.map_or("", |state| state.as_str()), reason.as_deref()),
        reason,
        description: health.and_then(|health| health.description),
    })
}

/// The API says `unused` of a target without traffic, and of one that cannot have any: a stopped instance, an
/// address that may not be used (Elastic Load Balancing API Reference, `TargetHealth`).
fn state_of(state: &str, reason: Option<&str>) -> TargetState {
    match (TargetState::from(state.to_owned()), reason) {
        (TargetState::Unused, Some(reason)) if reason != "Target.NotInUse" => {
            TargetState::Other(format!("{state} ({reason})"))
        }
        (state, _) => state,
    }
}

fn target_description(target: &TargetId) -> types::TargetDescription {
    types::TargetDescription::builder()
        .id(&target.id)
        .port(i32::from(target.port))
        .set_availability_zone(target.zone.clone())
        .build()
}

fn number(number: Option<i32>) -> u32 {
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_11_the_port_is_always_sent() {
        let target = TargetId {
            id: "i-1".into(),
            port: 8080,
            zone: None,
        };
        let sent = target_description(&target);
        assert_eq!(
            (sent.id(), sent.port(), sent.availability_zone()),
            (Some("i-1"), Some(8080), None)
        );
    }

    #[test]
    fn a_target_that_cannot_have_traffic_is_not_unused() {
        assert_eq!(state_of("unused", Some("Target.NotInUse")), TargetState::Unused);
        assert_eq!(state_of("unused", None), TargetState::Unused);
        let stopped = state_of("unused", Some("Target.InvalidState"));
        assert_eq!(stopped.as_str(), "unused (Target.InvalidState)");
        assert_eq!(state_of("healthy", None), TargetState::Healthy);
    }

    #[test]
    fn states_keep_their_names_even_unknown_ones() {
        for name in ["initial", "healthy", "unhealthy.draining", "unused", "brand-new"] {
            assert_eq!(TargetState::from(name.to_owned()).as_str(), name);
        }
        let json = serde_json::to_string(&TargetState::UnhealthyDraining).unwrap();
        assert_eq!(json, r#""unhealthy.draining""#);
        assert_eq!(
            serde_json::from_str::<TargetState>(&json).unwrap(),
            TargetState::UnhealthyDraining
        );
    }

    #[test]
    fn a_group_that_does_not_say_has_the_defaults_of_aws() {
        let nothing = attributes(Vec::new());
        assert_eq!(
            (
                nothing.deregistration_delay_s,
                nothing.slow_start_s,
                nothing.cross_zone
            ),
            (300, 0, None)
        );
        let one = HealthThreshold {
            count: 1,
            percentage: 0,
        };
        assert_eq!(
            (nothing.dns_failover, nothing.unhealthy_state_routing),
            (one, one)
        );
    }

    #[test]
    fn thresholds_are_numbers_or_off() {
        let of = |action: &str, kind: &str, value: &str| {
            types::TargetGroupAttribute::builder()
                .key(format!(
                    "target_group_health.{action}.minimum_healthy_targets.{kind}"
                ))
                .value(value)
                .build()
        };
        let read = attributes(vec![
            of("dns_failover", "count", "3"),
            of("dns_failover", "percentage", "off"),
            of("unhealthy_state_routing", "count", "off"),
            of("unhealthy_state_routing", "percentage", "75"),
        ]);
        let threshold = |count, percentage| HealthThreshold { count, percentage };
        assert_eq!(
            (read.dns_failover, read.unhealthy_state_routing),
            (threshold(3, 0), threshold(0, 75))
        );
    }
}
