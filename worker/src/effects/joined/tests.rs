use std::future::pending;

use drawgate_rehearsal::World;
use drawgate_rollout::LeftOut;
use futures_util::future::Either;
use tokio::time::{Duration, Instant};

use super::super::fakes::{release, task};
use super::*;

fn member(id: &str) -> Member {
    let instance = Instance {
        id: id.to_owned(),
        state: "running".to_owned(),
        private_addresses: Vec::new(),
        zone: String::new(),
        vpc: None,
        tags: BTreeMap::new(),
        launched_at: None,
    };
    (instance, None)
}

#[test]
fn hosts_that_were_left_out_are_looked_at_last() {
    let mut release = release(World::new(2, 1));
    let mut plan = release.plan.as_deref().unwrap().clone();
    let host = plan.hosts.pop().unwrap();
    let silent = host.instance.clone();
    let why = "does not answer".to_owned();
    plan.left_out.push(LeftOut { host, why });
    release.plan = Some(plan.into());
    let members = vec![member(&silent), member("i-new"), member("i-newer")];
    let ids = left_out_last(members, &release).map(|members| {
        let ids = members.into_iter().map(|(instance, _)| instance.id);
        ids.collect::<Vec<_>>()
    });
    assert_eq!(
        ids,
        [vec!["i-new".to_owned(), "i-newer".to_owned()], vec![silent]]
    );
}

/// One in ten of 500 hosts is silent: looking at each for 20 s takes longer than the step has.
#[tokio::test(start_paused = true)]
async fn silent_hosts_cost_no_answer_of_the_others() {
    let release = release(World::new(2, 1));
    let mut task = task(&release);
    let begun = Instant::now();
    task.deadline = begun + Duration::from_secs(120);
    let answers = || {
        std::future::ready(HostView::Answered {
            version: None,
            untold: None,
        })
    };
    let looks = (0..60).map(|n| match n < 10 {
        true => Either::Left(answers()),
        false => Either::Right(pending()),
    });
    let views = in_time(task, looks.collect()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(120),
        "{:?}",
        begun.elapsed()
    );
    let silent = |view: &HostView| matches!(view, HostView::Unreachable { .. });
    let silent: Vec<bool> = views.iter().map(silent).collect();
    assert_eq!(silent, [vec![false; 10], vec![true; 50]].concat());
}
