//! The hosts of a release, and where its hooks run.

use super::fold::Release;
use super::steps::lookups;
use crate::definition::placeholders::Values;
use crate::fleet::{HostPlan, LeftOut};

impl Release {
    /// Where `[before]` runs, or ran: on the first host that takes requests, because its image and its
    /// network work; once begun there, nowhere else.
    pub fn before_host(&self) -> Option<&str> {
        self.roster.before.as_deref().or_else(|| self.any_host())
    }

    /// A member that serves, or else any member, for a program that runs on one of them.
    pub fn any_host(&self) -> Option<&str> {
        let members = || self.hosts().filter(|host| !self.gone.contains(&host.instance));
        let serving = members().find(|host| host.was_healthy());
        serving
            .or_else(|| members().next())
            .map(|host| host.instance.as_str())
    }

    /// Every host, in the order of the roll: the plan's, then those that joined.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPlan> {
        self.plan
            .iter()
            .flat_map(|plan| plan.hosts.iter())
            .chain(self.joined.iter())
            .inspect(|_| lookups::count())
    }

    /// What placeholders stand for on a host, as far as the request and the plan say.
    pub fn values_on(&self, host: &HostPlan) -> Option<Values> {
        let plan = self.plan.as_ref()?;
        let values = Values::of(&self.request, self.digest.as_ref(), &plan.definition).on(host);
        Some(values.with("previous", host.version_before()))
    }

    /// Every host of this release: those that are rolled, then those that are up to date and stay untouched.
    pub fn everyone(&self) -> impl Iterator<Item = &HostPlan> {
        self.hosts().chain(self.up_to_date.iter())
    }

    /// How many there are of [`Release::everyone`].
    pub fn head_count(&self) -> usize {
        let planned = self.plan.as_ref().map_or(0, |plan| plan.hosts.len());
        planned + self.joined.len() + self.up_to_date.len()
    }

    /// The hosts that did not answer and are left as they are. One that answers later, when the release looks
    /// for members that joined, is rolled like any other.
    pub fn left_out(&self) -> impl Iterator<Item = &LeftOut> {
        let known = |id: &str| {
            self.joined
                .iter()
                .chain(&self.up_to_date)
                .any(|host| host.instance == id)
        };
        let all = self.plan.iter().flat_map(|plan| &plan.left_out);
        all.filter(move |left_out| !known(&left_out.host.instance))
    }

    /// Whether this instance is left as it is, because it did not answer.
    pub fn is_left_out(&self, instance: &str) -> bool {
        self.left_out().any(|left_out| left_out.host.instance == instance)
    }
}
