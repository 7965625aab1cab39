//! Scenarios: which two releases of a target there are.

use std::collections::BTreeSet;

use drawgate_rollout::{Approval, Record, Supersede};

use crate::world::{World, request};

/// How long a release waits for its approval.
const APPROVAL_MS: u64 = 30 * 60_000;

/// What a request says of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The sequence of its build.
    pub sequence: Option<u64>,
    /// Whether the release is an emergency.
    pub emergency: bool,
    /// Whether it needs an approval.
    pub approval: bool,
    /// How many hosts it rolls.
    pub hosts: usize,
}

/// Two releases of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// The scenario's name in reports.
    pub name: &'static str,
    /// The release that is accepted first.
    pub first: Asked,
    /// The other release.
    pub second: Asked,
    /// Whether the other release is accepted at some later moment.
    pub comes_late: bool,
    /// Which newer releases supersede queued ones.
    pub supersede: Supersede,
}

impl Asked {
    /// The fleet that the n-th release of the lane finds, and the first record of its journal.
    pub(super) fn accepted(self, n: usize) -> (World, Record) {
        let mut request = request();
        request.id = format!("0190f6f0-0000-7000-8000-0000000000{:02}", n + 1)
            .parse()
            .unwrap();
        request.sequence = self.sequence;
        request.emergency = self.emergency.then(|| "checkout is down".parse().unwrap());
        let mut world = World::new(self.hosts.max(1), 1).by_people();
        world.request = request.clone();
        let approval = self.approval.then(approval);
        world.definition.approval = approval.clone();
        let record = Record::Accepted {
            request: Box::new(request),
            ahead: u32::try_from(n).unwrap_or(u32::MAX),
            publisher: Some("ci".to_owned()),
            approval: approval.map(Box::new),
        };
        (world, record)
    }
}

fn approval() -> Approval {
    Approval {
        from: vec!["ops".to_owned()],
        people: BTreeSet::from(["anna", "ben"].map(str::to_owned)),
        count: 1,
        within_ms: APPROVAL_MS,
    }
}

/// The scenarios that are searched, each with one host.
pub fn scenarios() -> Vec<Scenario> {
    let asked = |sequence| Asked {
        sequence,
        hosts: 1,
        ..Asked::default()
    };
    let of = |name, first, second| Scenario {
        name,
        first,
        second,
        comes_late: false,
        supersede: Supersede::ByBuild,
    };
    let approved = |asked| Asked {
        approval: true,
        ..asked
    };
    let emergency = |asked| Asked {
        emergency: true,
        ..asked
    };
    let late = |scenario| Scenario {
        comes_late: true,
        ..scenario
    };
    vec![
        of("two without a build", asked(None), asked(None)),
        of("a later build", asked(Some(4)), asked(Some(5))),
        of("an earlier build", asked(Some(5)), asked(Some(4))),
        of("an emergency", asked(Some(4)), emergency(asked(Some(5)))),
        of(
            "an emergency of an earlier build",
            asked(Some(5)),
            emergency(asked(Some(4))),
        ),
        of(
            "the later needs an approval",
            asked(Some(4)),
            approved(asked(Some(5))),
        ),
        of(
            "the earlier needs an approval",
            approved(asked(Some(4))),
            asked(Some(5)),
        ),
        of(
            "both need an approval",
            approved(asked(Some(4))),
            approved(asked(Some(5))),
        ),
        late(of("a later build comes late", asked(Some(4)), asked(Some(5)))),
        late(of("an earlier build comes late", asked(Some(5)), asked(Some(4)))),
        late(of(
            "an emergency comes late",
            asked(Some(4)),
            emergency(asked(Some(5))),
        )),
        Scenario {
            supersede: Supersede::ByArrival,
            ..late(of("another comes late, arrival counts", asked(None), asked(None)))
        },
    ]
}
