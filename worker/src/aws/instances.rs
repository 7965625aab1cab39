//! EC2 instances: found by id or by tag, with all their private addresses.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types;
use drawgate_rollout::Write;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::{Aws, timestamp};
use super::error::AwsError;
use super::limits;

/// An instance as EC2 knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub id: String,
    /// `pending`, `running`, `stopping`, ...
    pub state: String,
    /// Every private address of every interface: the primary one first, IPv6 addresses last. A target may be
    /// registered under any of them.
    pub private_addresses: Vec<String>,
    pub zone: String,
    /// The VPC that it is in.
    pub vpc: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// When it was last launched.
    pub launched_at: Option<Timestamp>,
}

impl Aws {
    /// The instances with these ids that exist, in any state; terminated ones vanish after about an hour.
    pub async fn instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        let mut instances = Vec::new();
        for chunk in ids.chunks(limits::INSTANCES_PER_QUERY) {
            // Asks by filter and not by `InstanceIds`: with those, one id that EC2 has forgotten would make
            // it refuse them all.
            let filter = types::Filter::builder()
                .name("instance-id")
                .set_values(Some(chunk.to_vec()))
                .build();
            instances.extend(self.instances(vec![filter]).await?);
        }
        Ok(instances)
    }

    /// The pending and running instances that have all of these tags. Refuses an empty list: it would mean
    /// every instance.
    pub async fn instances_by_tags(
        &self,
        tags: &BTreeMap<String, String>,
    ) -> Result<Vec<Instance>, AwsError> {
        if tags.is_empty() {
            let reason = "no tags means every instance of the account";
            return Err(AwsError::Invalid {
                operation: DESCRIBE,
                reason,
            });
        }
        let filter = |name: String| types::Filter::builder().name(name);
        let mut filters: Vec<_> = tags
            .iter()
            .map(|(key, value)| filter(format!("tag:{key}")).values(literal(value)).build())
            .collect();
        let states = filter("instance-state-name".to_owned())
            .values("pending")
            .values("running");
        filters.push(states.build());
        self.instances(filters).await
    }

    /// Sets tags of an instance, each a key and a value. Without any, nothing is sent.
    pub async fn tag_instance(&self, id: &str, tags: &[(String, String)]) -> Result<(), AwsError> {
        if tags.is_empty() {
            return Ok(());
        }
        let tag = |(key, value): &(String, String)| types::Tag::builder().key(key).value(value).build();
        let request = self.clients.ec2().create_tags().resources(id);
        let request = request.set_tags(Some(tags.iter().map(tag).collect()));
        self.write(Write::TagInstance, request.send()).await.map(drop)
    }

    /// Removes the tags of these instances that have these keys, whatever their values. A tag that is not there
    /// is no error. Without any key nothing is sent: AWS would remove every tag.
    pub async fn untag_instances(&self, ids: &[String], keys: &[String]) -> Result<(), AwsError> {
        if ids.is_empty() || keys.is_empty() {
            return Ok(());
        }
        let tag = |key: &String| types::Tag::builder().key(key).build();
        let request = self.clients.ec2().delete_tags().set_resources(Some(ids.to_vec()));
        let request = request.set_tags(Some(keys.iter().map(tag).collect()));
        self.write(Write::UntagInstance, request.send()).await.map(drop)
    }

    /// Asks whether tags of these keys could be set on these instances, or removed. Changes nothing, and ends
    /// in an error in either case ([`AwsError::is_dry_run`] where they could).
    pub async fn try_tagging(&self, write: Write, ids: &[String], tags: &[(String, String)]) -> AwsError {
        let tag = |(key, value): &(String, String)| types::Tag::builder().key(key).value(value).build();
        let key = |(key, _): &(String, String)| types::Tag::builder().key(key).build();
        let answer = match write {
            Write::UntagInstance => {
                let request = self.clients.ec2().delete_tags().dry_run(true);
                let request = request.set_resources(Some(ids.to_vec()));
                let request = request.set_tags(Some(tags.iter().map(key).collect()));
                Box::pin(self.read(write.action(), request.send()))
                    .await
                    .map(drop)
            }
            _ => {
                let request = self.clients.ec2().create_tags().dry_run(true);
                let request = request.set_resources(Some(ids.to_vec()));
                let request = request.set_tags(Some(tags.iter().map(tag).collect()));
                Box::pin(self.read(write.action(), request.send()))
                    .await
                    .map(drop)
            }
        };
        let reason = "a dry run ended as if it had been none";
        answer.err().unwrap_or(AwsError::Invalid {
            operation: write.action(),
            reason,
        })
    }

    async fn instances(&self, filters: Vec<types::Filter>) -> Result<Vec<Instance>, AwsError> {
        let mut instances = Vec::new();
        let mut token = None;
        for _ in 0..limits::PAGES {
            let request = self
                .clients
                .ec2()
                .describe_instances()
                .set_filters(Some(filters.clone()));
            let request = request
                .max_results(limits::INSTANCES_PER_PAGE)
                .set_next_token(token);
            let answer = self.read(DESCRIBE, request.send()).await?;
            let reservations = answer.reservations.unwrap_or_default().into_iter();
            let page = reservations.flat_map(|reservation| reservation.instances.unwrap_or_default());
            instances.extend(page.filter_map(instance));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(instances);
            }
        }
        Err(AwsError::too_long(DESCRIBE))
    }
}

const DESCRIBE: &str = "ec2:DescribeInstances";

/// Escapes a tag's value for a filter, whose values have wildcards.
fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

fn instance(instance: types::Instance) -> Option<Instance> {
    let state = instance.state.as_ref().and_then(|state| state.name.as_ref());
    let tags = instance.tags.iter().flatten();
    Some(Instance {
        private_addresses: private_addresses(&instance),
        state: state.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        zone: instance
            .placement
            .as_ref()
            .and_then(|place| place.availability_zone.clone())
            .unwrap_or_default(),
        vpc: instance.vpc_id.clone(),
        tags: tags
            .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
            .collect(),
        launched_at: instance.launch_time.as_ref().and_then(timestamp),
        id: instance.instance_id?,
    })
}

fn private_addresses(instance: &types::Instance) -> Vec<String> {
    let interfaces = instance.network_interfaces();
    let own = interfaces.iter().flat_map(|interface| {
        let primary = interface.private_ip_address.iter();
        let all = interface
            .private_ip_addresses()
            .iter()
            .filter_map(|address| address.private_ip_address.as_ref());
        primary.chain(all)
    });
    let six = interfaces.iter().flat_map(|interface| interface.ipv6_addresses());
    let six = six.filter_map(|address| address.ipv6_address.as_ref());
    let mut seen = BTreeSet::new();
    let every = instance.private_ip_address.iter().chain(own).chain(six);
    every
        .filter(|address| seen.insert(address.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_11_all_private_addresses_are_known_the_primary_first() {
        let address = |text: &str| {
            types::InstancePrivateIpAddress::builder()
                .private_ip_address(text)
                .build()
        };
        let second = types::InstanceNetworkInterface::builder()
            .private_ip_address("10.0.0.8")
            .private_ip_addresses(address("10.0.0.8"))
            .private_ip_addresses(address("10.0.0.9"))
            .build();
        let first = types::InstanceNetworkInterface::builder()
            .private_ip_address("10.0.0.7")
            .private_ip_addresses(address("10.0.0.7"))
            .ipv6_addresses(
                types::InstanceIpv6Address::builder()
                    .ipv6_address("fd00::7")
                    .build(),
            )
            .build();
        let answer = types::Instance::builder()
            .private_ip_address("10.0.0.7")
            .network_interfaces(second)
            .network_interfaces(first)
            .build();
        assert_eq!(
            private_addresses(&answer),
            ["10.0.0.7", "10.0.0.8", "10.0.0.9", "fd00::7"]
        );
    }

    #[test]
    fn a_tag_value_with_a_star_is_no_pattern() {
        assert_eq!(literal(r"a*b?c\d"), r"a\*b\?c\\d");
    }
}
