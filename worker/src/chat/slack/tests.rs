//! Whole posts, as people read them.

use drawgate_schemas::{
    About, AwaitedApproval, Ended, Event, ForgottenSequence, HostRef, LeftoverKind, Outcome, Receipt,
    Rejection, RejectionCode, Started, StatusEvent,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::super::render::render;
use super::body;

fn event(event: Event) -> StatusEvent {
    StatusEvent {
        about: None,
        id: Uuid::nil(),
        release: Some("01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c".parse().unwrap()),
        sequence: 3,
        at: Timestamp::UNIX_EPOCH,
        environment: Some("staging".parse().unwrap()),
        service: Some("search-api".parse().unwrap()),
        worker: "bastion-1".to_owned(),
        event,
    }
}

fn about() -> About {
    About {
        to: "4f2c91e".to_owned(),
        from: Some("9d11ab0".to_owned()),
        requested_by: Some("ben".to_owned()),
        build: Some("812".to_owned()),
        build_url: None,
    }
}

fn with(about: About, kind: Event) -> StatusEvent {
    StatusEvent {
        about: Some(about),
        ..event(kind)
    }
}

fn started(hosts: usize, expected_s: u64) -> Event {
    let host = |n| HostRef {
        instance: format!("i-{n}"),
        address: format!("10.0.0.{n}"),
    };
    Event::Started(Box::new(Started {
        hosts: (0..hosts).map(host).collect(),
        from: Some("9d11ab0".to_owned()),
        to: "4f2c91e".to_owned(),
        digest: Some(format!("sha256:{}", "a".repeat(64)).parse().unwrap()),
        max_unavailable: 1,
        groups: vec![],
        target_groups: vec![],
        expected_s,
        warnings: vec![],
    }))
}

fn ended(outcome: Outcome, summary: &str, hint: Option<&str>, leftovers: &[&str]) -> Event {
    let receipt = Receipt {
        digest: Some(format!("sha256:{}", "a".repeat(64)).parse().unwrap()),
        tag_moved_to: None,
        desired: None,
        duration_ms: 192_400,
        balancer_wait_ms: 0,
        costs_most: None,
        hosts: vec![],
        groups: vec![],
        alarms: vec![],
        notes: Vec::new(),
        hooks: Vec::new(),
        leftovers: leftovers
            .iter()
            .map(|&text| {
                LeftoverKind::Described {
                    text: text.to_owned(),
                }
                .for_a_person()
            })
            .collect(),
    };
    Event::Ended(Box::new(Ended {
        outcome,
        summary: summary.to_owned(),
        hint: hint.map(str::to_owned),
        receipt: Some(receipt),
    }))
}

/// The post without its last line, which names the release.
fn text(event: &StatusEvent) -> String {
    let text = whole(event);
    match event.release {
        Some(_) => text
            .strip_suffix(NAME)
            .unwrap_or_else(|| panic!("{text}"))
            .to_owned(),
        None => text,
    }
}

const NAME: &str = "\n> release 01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c";

fn whole(event: &StatusEvent) -> String {
    body(&render(event).unwrap())["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_release_from_start_to_end() {
    let say = |kind| text(&with(about(), kind));
    assert_eq!(
        say(started(3, 40)),
        "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: started, 3 hosts"
    );
    assert_eq!(
        say(started(1, 200)),
        "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: started, 1 host, about 4 min"
    );
    assert_eq!(
        say(ended(
            Outcome::Succeeded,
            "3 of 3 on 4f2c91e, scaling and alarms as before",
            None,
            &[]
        )),
        "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: \
         succeeded after 3 min 13 s: 3 of 3 on 4f2c91e, scaling and alarms as before"
    );
    let reason = "verify: GET /health answered 500".to_owned();
    assert_eq!(
        say(Event::RollingBack {
            reason,
            instance: Some("i-2".to_owned())
        }),
        "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: \
         rolled back at i-2: verify: GET /health answered 500"
    );
    assert_eq!(
        say(ended(
            Outcome::RolledBack,
            "service is on what it was before",
            None,
            &[]
        )),
        "search-api 9d11ab0 → 4f2c91e on staging · ben · build 812: \
         rolled back after 3 min 13 s: service is on what it was before"
    );
}

#[test]
fn what_a_person_must_do_stands_below() {
    let kind = ended(
        Outcome::NeedsOperator,
        "2 things are left",
        Some("drawgate-worker doctor"),
        &[
            "group api: Launch is suspended: aws autoscaling resume-processes …",
            "two",
            "three",
        ],
    );
    assert_eq!(
        text(&event(kind)),
        "search-api on staging: needs an operator after 3 min 13 s: 2 things are left\n\
         > drawgate-worker doctor\n\
         > group api: Launch is suspended: aws autoscaling resume-processes …\n\
         > two"
    );
}

#[test]
fn a_message_that_could_not_be_read_has_no_names() {
    let rejection = Rejection::new(RejectionCode::NotJson, "expected value at line 1 column 1");
    let mut rejected = event(Event::Rejected {
        rejection,
        body_sha256: "00".to_owned(),
    });
    rejected.release = None;
    rejected.service = None;
    rejected.environment = None;
    assert_eq!(
        text(&rejected),
        "a message: rejected (not_json): expected value at line 1 column 1"
    );
}

#[test]
fn mark_up_of_others_is_only_text() {
    let about = About {
        requested_by: Some("<!channel> & co".to_owned()),
        build_url: Some("https://ci.example.com/builds/812?a=1&b=2".to_owned()),
        ..about()
    };
    assert_eq!(
        text(&with(about.clone(), started(3, 0))),
        "search-api 9d11ab0 → 4f2c91e on staging · &lt;!channel&gt; &amp; co · \
         <https://ci.example.com/builds/812?a=1&amp;b=2|build 812>: started, 3 hosts"
    );
    for odd in ["https://x|y", "https://x> <!channel", "javascript:alert(1)"] {
        let about = About {
            build_url: Some(odd.to_owned()),
            ..about.clone()
        };
        assert!(
            text(&with(about, started(3, 0))).contains("· build 812:"),
            "{odd}"
        );
    }
}

#[test]
fn a_post_is_one_json_object_of_bounded_text() {
    let failed = ended(Outcome::Failed, &"x".repeat(9000), None, &[]);
    let post = render(&with(about(), failed)).unwrap();
    let body = body(&post);
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
    let text = body["text"].as_str().unwrap();
    assert_eq!(text.chars().count(), 3000);
    assert!(
        text.ends_with(&format!("…{NAME}")),
        "the id is not cut off: {text}"
    );
}

#[test]
fn an_approval_that_is_asked_for_says_what_to_type() {
    let awaited = AwaitedApproval {
        from: vec!["ops".to_owned()],
        count: 2,
        given: vec!["eve".to_owned()],
        publisher: "ci".to_owned(),
        until: Timestamp::UNIX_EPOCH,
    };
    let id = "01936a5e-7c2e-7d10-8a44-5c1f2e9b0d7c";
    assert_eq!(
        whole(&event(Event::AwaitsApproval(awaited))),
        format!(
            "search-api on staging: waits for approval by ops (1 of 2)\n\
             > until 1970-01-01T00:00:00Z; not by ci, who published it\n\
             > drawgate approve {id}, or drawgate reject {id} --reason WHY\n\
             > release {id}"
        )
    );
}

/// The event reports a lane, and no release.
#[test]
fn trap_44_numbers_that_were_forgotten_are_told() {
    let forgotten = ForgottenSequence {
        highest: 812,
        by: "anna".to_owned(),
        reason: "another workflow".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
    };
    let mut told = event(Event::SequenceForgotten(forgotten));
    told.release = None;
    assert_eq!(
        whole(&told),
        "search-api on staging: build numbers up to 812 were forgotten by anna: the next build may have any\n\
         > another workflow"
    );
}

#[test]
fn chat_is_spared_the_steps() {
    for kind in [
        Event::AlarmsSilenced {
            alarms: vec![],
            until: None,
        },
        Event::Warning { text: "w".to_owned() },
        Event::Unknown,
    ] {
        assert_eq!(render(&event(kind)), None);
    }
}
