//! Brokers that refuse, and brokers that are away.

use crate::program::{drawgate, free_port, in_order, publish};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_a_wrong_virtual_host_are_told_apart() {
    let Some(rig) = Rig::new("refused").await else {
        return;
    };
    let wrong = rig.url_with("nobody", "hidden-pa55", &rig.vhost);
    let ended = drawgate(&wrong, &publish(&[])).await;
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &[
            "refused the credentials of user \"nobody\"",
            "ACCESS_REFUSED",
            "hint: ",
        ],
    );
    assert!(!ended.stderr.contains("hidden-pa55"), "{}", ended.stderr);

    let ended = drawgate(&rig.url_in("no-such-vhost"), &publish(&[])).await;
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    in_order(
        &ended.stderr,
        &["has no virtual host \"no-such-vhost\"", "hint: "],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_named() {
    let Some(_rig) = Rig::new("away").await else {
        return;
    };
    let port = free_port().await;
    let url = format!("amqp://ben:hidden-pa55@127.0.0.1:{port}/%2f");
    let ended = drawgate(&url, &publish(&["--connect-timeout", "1s"])).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("error: cannot reach the broker at 127.0.0.1:{port}")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("onnection refused"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hidden-pa55"), "{}", ended.stderr);

    let ended = drawgate(
        "amqp://ben@no-such-host.invalid",
        &publish(&["--connect-timeout", "1s"]),
    )
    .await;
    assert!(
        ended
            .stderr
            .contains("error: cannot find the broker no-such-host.invalid:5672"),
        "{}",
        ended.stderr
    );
}
