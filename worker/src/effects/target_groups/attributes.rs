//! What the attributes of a target group, and of its load balancers, say about a roll.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rollout::{OtherTarget, TargetGroupSnapshot};

use super::Search;
use crate::aws::{Target, TargetGroup, TargetState};
use crate::effects::outcome::{Effect, Sorted};
use crate::effects::ports::GroupPort;

impl<G: GroupPort, H> Search<'_, G, H> {
    /// The group with its attributes; `None` where it is gone.
    pub(super) async fn snapshot(
        &self,
        group: &TargetGroup,
        targets: &[Target],
    ) -> Effect<Option<TargetGroupSnapshot>> {
        let attributes = match self.groups.attributes(&group.arn).await {
            Err(error) if error.is_not_found() => return Ok(None),
            attributes => attributes.sorted()?,
        };
        let healthy = targets
            .iter()
            .filter(|target| target.state == TargetState::Healthy);
        let registered = targets
            .iter()
            .filter(|target| target.state != TargetState::Draining);
        let zonal = self.is_zonal(group, attributes.cross_zone).await?;
        Ok(Some(TargetGroupSnapshot {
            arn: group.arn.clone(),
            name: group.name.clone(),
            deregistration_delay_s: attributes.deregistration_delay_s.into(),
            health_check_interval_s: group.health_check.interval_s.into(),
            healthy_threshold: group.health_check.healthy_threshold.into(),
            healthy: count(healthy),
            zonal,
            slow_start_s: attributes.slow_start_s.into(),
            keeps_connections: group.passes_connections() && !attributes.ends_connections,
            passes_connections: group.passes_connections(),
            registered: count(registered),
            dns_failover: attributes.dns_failover,
            unhealthy_state_routing: attributes.unhealthy_state_routing,
            has_server_ids: group.has_server_ids(),
            others: match zonal {
                true => self.others(group, targets).await?,
                false => Vec::new(),
            },
        }))
    }

    /// The registered targets of other services, each in its zone. AWS gives the zone of an address; that of an
    /// instance is EC2's. An address from outside the VPC has none.
    async fn others(&self, group: &TargetGroup, targets: &[Target]) -> Effect<Vec<OtherTarget>> {
        let is_other = |target: &&Target| self.known.owner(group, &target.id).is_none();
        let others = targets.iter().filter(is_other);
        let others: Vec<&Target> = others
            .filter(|target| target.state != TargetState::Draining)
            .collect();
        let unknown = others.iter().filter(|target| target.zone.is_none());
        let ids: BTreeSet<String> = unknown.map(|target| target.id.clone()).collect();
        let mut zones = BTreeMap::new();
        if !ids.is_empty() {
            let ids: Vec<String> = ids.into_iter().collect();
            zones = self.groups.zones(&ids).await.sorted()?;
        }
        let in_zone = others.into_iter().filter_map(|target| {
            Some(OtherTarget {
                id: target.id.clone(),
                port: target.port,
                zone: target.zone.as_ref().or_else(|| zones.get(&target.id))?.clone(),
                healthy: target.state == TargetState::Healthy,
            })
        });
        Ok(in_zone.collect())
    }

    /// Whether a zone's targets serve that zone alone: the target group's own setting decides, or else that
    /// of its load balancers (Elastic Load Balancing, "Cross-zone load balancing"). A load balancer that was
    /// deleted since the group was listed balances nothing.
    async fn is_zonal(&self, group: &TargetGroup, cross_zone: Option<bool>) -> Effect<bool> {
        if let Some(across) = cross_zone {
            return Ok(!across);
        }
        let balancers = group.load_balancers.iter().filter(|_| group.passes_connections());
        for balancer in balancers {
            let across = match self.groups.balances_across_zones(balancer).await {
                Err(error) if error.is_not_found() => continue,
                across => across.sorted()?,
            };
            if !across {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn count<'t>(targets: impl Iterator<Item = &'t Target>) -> u32 {
    u32::try_from(targets.count()).unwrap_or(u32::MAX)
}
