//! The lanes of every worker, page by page.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_schemas::{Answer, Ask, Freeze, LaneView, Reply, StatusView};

use super::args::StatusArgs;
use crate::asking::AskFailed;
use crate::broker::Asker;
use crate::limits;

/// The answers of the workers so far.
#[derive(Default)]
pub(super) struct Seen {
    /// The lanes by name. Workers that share a ledger answer alike, so each lane is kept once.
    pub(super) lanes: BTreeMap<String, LaneView>,
    pub(super) freezes: Vec<Freeze>,
    /// The workers that told of lanes on the last page.
    told: BTreeSet<String>,
    /// The workers that could not answer, and why.
    pub(super) refused: BTreeMap<String, String>,
}

/// Asks every worker for all pages.
pub(super) async fn seen(asker: &Asker<'_>, args: &StatusArgs) -> Result<Seen, AskFailed> {
    let mut seen = Seen::default();
    let mut after: Option<String> = None;
    let mut count = 0;
    for _ in 0..limits::PAGES {
        let ask = Ask::Status {
            environment: args.environment.clone(),
            service: args.service.clone(),
            after: after.take(),
        };
        let answers = asker.ask_as_many(ask, count).await?;
        count = answers.len();
        if answers.is_empty() {
            return Err(AskFailed::Silence);
        }
        after = seen.take_page(answers);
        if after.is_none() {
            break;
        }
    }
    if let (true, Some((worker, reason))) = (seen.told_nothing(), seen.refused.first_key_value()) {
        let (worker, reason) = (worker.clone(), reason.clone());
        return Err(AskFailed::Refused { worker, reason });
    }
    Ok(seen)
}

impl Seen {
    fn told_nothing(&self) -> bool {
        self.lanes.is_empty() && self.told.is_empty()
    }

    /// Takes in one page, and returns where the next one begins: at the lowest end among workers that have
    /// more lanes.
    fn take_page(&mut self, answers: Vec<Answer>) -> Option<String> {
        let mut next: Option<String> = None;
        let before = std::mem::take(&mut self.told);
        for answer in answers {
            match answer.reply {
                Reply::Status(status) => {
                    self.told.insert(answer.worker);
                    next = [next, self.take(*status)].into_iter().flatten().min();
                }
                Reply::Refused { reason } => {
                    self.refused.insert(answer.worker, reason);
                }
                _ => {}
            }
        }
        if self.told.len() < before.len() {
            for worker in before.difference(&self.told) {
                let reason = || "it told of some, and then fell silent".to_owned();
                self.refused.entry(worker.clone()).or_insert_with(reason);
            }
        }
        next
    }

    /// Takes in one worker's page, and returns its last lane if the worker has more.
    fn take(&mut self, status: StatusView) -> Option<String> {
        let name = |lane: &LaneView| format!("{}/{}", lane.environment, lane.service);
        for freeze in status.freezes {
            if !self.freezes.contains(&freeze) {
                self.freezes.push(freeze);
            }
        }
        let end = status.lanes.last().filter(|_| status.more).map(name);
        self.lanes
            .extend(status.lanes.into_iter().map(|lane| (name(&lane), lane)));
        end
    }
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::Version1;
    use uuid::Uuid;

    use super::*;
    use crate::testing;

    fn page(worker: &str, services: &[&str], more: bool) -> Answer {
        let lane = |service: &&str| testing::lane("staging", service);
        let reply = Reply::Status(Box::new(StatusView {
            lanes: services.iter().map(lane).collect(),
            more,
            freezes: Vec::new(),
        }));
        Answer {
            version: Version1,
            question: Uuid::nil(),
            worker: worker.to_owned(),
            reply,
        }
    }

    #[test]
    fn a_next_page_begins_where_the_first_ended_naming_the_silent() {
        let mut seen = Seen::default();
        let pages = vec![page("near", &["a", "c"], true), page("far", &["a", "b"], true)];
        assert_eq!(seen.take_page(pages), Some("staging/b".to_owned()));
        assert!(seen.refused.is_empty());
        assert_eq!(seen.take_page(vec![page("near", &["c", "d"], false)]), None);
        assert_eq!(seen.lanes.len(), 4);
        assert_eq!(seen.refused.keys().collect::<Vec<_>>(), ["far"]);
    }

    /// The standby worker of a site has the same lanes.
    #[test]
    fn another_worker_of_the_site_may_tell_the_next_page() {
        let mut seen = Seen::default();
        seen.take_page(vec![page("one", &["a"], true)]);
        seen.take_page(vec![page("two", &["b"], false)]);
        assert!(seen.refused.is_empty() && !seen.told_nothing());
    }
}
