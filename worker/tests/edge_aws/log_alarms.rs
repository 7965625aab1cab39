//! Log alarms, which the lab's CloudWatch does not know. A server of its own reads what is asked, and answers as CloudWatch
//! does, in CBOR.

use tokio::net::TcpListener;

use crate::fixtures::{Reply, asked_once, connect_to};

/// One page with one log alarm, whose actions are on.
fn page() -> Vec<u8> {
    let alarm = map(&[
        ("AlarmName", text("search-errors-logged")),
        (
            "AlarmArn",
            text("arn:aws:cloudwatch:eu-west-1:1:alarm:search-errors-logged"),
        ),
        ("ActionsEnabled", vec![0xf5]),
        ("StateValue", text("ALARM")),
        ("AlarmActions", array(&[text("arn:aws:sns:eu-west-1:1:pager")])),
    ]);
    map(&[("LogAlarms", array(&[alarm]))])
}

/// The head of a text, an array or a map of less than 256 bytes or items (RFC 8949, section 3).
fn head(kind: u8, length: usize) -> Vec<u8> {
    let length = u8::try_from(length).unwrap();
    match length {
        0..24 => vec![(kind << 5) | length],
        _ => vec![(kind << 5) | 24, length],
    }
}

fn text(text: &str) -> Vec<u8> {
    [head(3, text.len()), text.as_bytes().to_vec()].concat()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len()), items.concat()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entry = |(key, value): &(&str, Vec<u8>)| [text(key), value.clone()].concat();
    let entries_in_bytes: Vec<Vec<u8>> = entries.iter().map(entry).collect();
    [head(5, entries.len()), entries_in_bytes.concat()].concat()
}

fn has(asked: &[u8], word: &str) -> bool {
    let word = text(word);
    asked.windows(word.len()).any(|part| part == word)
}

#[tokio::test]
async fn log_alarms_are_asked_for_and_read_as_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let aws = connect_to(&format!("http://{}", listener.local_addr().unwrap())).await;
    let reply = Reply {
        status: "200 OK",
        headers: "content-type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\n",
        body: page(),
    };
    let asked = tokio::spawn(asked_once(listener, reply));
    let alarms = aws.alarms_matching(&["search-*".to_owned()]).await.unwrap();
    let asked = asked.await.unwrap().unwrap();
    for kind in ["MetricAlarm", "CompositeAlarm", "LogAlarm"] {
        assert!(has(&asked, kind), "{kind}");
    }
    assert_eq!(alarms.len(), 1);
    let alarm = &alarms[0];
    assert_eq!(alarm.name, "search-errors-logged");
    assert!(alarm.actions_enabled && !alarm.scaling_policy_only);
    // Such an alarm would be watched, too.
    assert_eq!(alarm.state, "ALARM");
}
