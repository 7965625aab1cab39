//! The worker posts to chat; a chat that is away delays no release and loses no post.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::Outcome;
use drawgate_tests::lab::TWO;
use drawgate_tests::webhook::Webhook;
use drawgate_tests::{Rolling, Scene};
use serde_json::Value;

#[tokio::test]
async fn chat_away_for_a_whole_roll() {
    let scene = Scene::begin().await;
    let webhook = Webhook::away().await;
    let roll = Rolling::of("search")
        .on(&TWO)
        .configured(&format!("[chat]\nwebhook = \"{}\"\n", webhook.url()))
        .image("v2")
        .image_in("v3", "exit")
        .begin_in(scene)
        .await;

    let good = roll.publish_with_options("v2", &["--requested-by", "ben"]).await;
    roll.judge(good, Outcome::Succeeded).await;
    let bad = roll.publish_with_options("v3", &["--requested-by", "ben"]).await;
    roll.judge(bad, Outcome::RolledBack).await;

    let chat = webhook.listen().await;
    let posts: Vec<String> = chat.posts(5).await.iter().map(text).collect();
    let expected = [
        ("v2", "started"),
        ("v2", "succeeded"),
        ("v3", "started"),
        ("v3", "rolled back"),
        ("v3", "service is on v2 everywhere"),
    ];
    for (post, (version, words)) in posts.iter().zip(expected) {
        assert!(
            post.contains("search") && post.contains(version) && post.contains("ben"),
            "{version}: {posts:#?}"
        );
        assert!(post.contains(words), "{words}: {posts:#?}");
    }
    let third = roll.publish("v2").await;
    roll.judge(third, Outcome::Succeeded).await;
    let posts = chat.posts(7).await;
    assert_eq!(posts.len(), 7, "each once: {posts:#?}");
    roll.end().await;
}

fn text(post: &Value) -> String {
    post["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text: {post}"))
        .to_owned()
}

/// Chat tells the approvers of a release that awaits approval, with the id and the command to type; later it
/// tells who approved or rejected the release.
#[tokio::test]
async fn an_approval_that_is_awaited_is_told_with_its_release() {
    let scene = Scene::begin().await;
    let webhook = Webhook::away().await;
    let chat = webhook.listen().await;
    let roll = Rolling::of("search")
        .service(|service| service.more = "[environment.staging]\napproval = { from = [\"ops\"] }".to_owned())
        .on(&TWO)
        .configured(&format!(
            "[chat]\nwebhook = \"{}\"\n\n[groups]\nops = [\"anna\"]\n",
            webhook.url()
        ))
        .images(["v2", "v3"])
        .begin_in(scene)
        .await;

    let good = roll.publish("v2").await;
    let asked = text(&chat.posts(1).await[0]);
    assert!(
        asked.contains("waits for approval by ops (0 of 1)")
            && asked.contains(&format!("drawgate approve {good}")),
        "{asked}"
    );
    let answer = roll
        .scene
        .drawgate_as("anna", &["approve", &good.to_string(), "--yes"])
        .await;
    assert_eq!(answer.status.code(), Some(0));
    roll.judge(good, Outcome::Succeeded).await;
    let bad = roll.publish("v3").await;
    roll.events.kind(bad, "awaits_approval").await;
    let answer = roll
        .scene
        .drawgate_as("anna", &["reject", &bad.to_string(), "--reason", "not today"])
        .await;
    assert_eq!(answer.status.code(), Some(0));
    roll.judge(bad, Outcome::Rejected).await;

    let expected = [
        (good, "waits for approval by ops"),
        (good, "approved by anna"),
        (good, "started"),
        (good, "succeeded"),
        (bad, "waits for approval by ops"),
        (bad, "rejected by anna"),
        (bad, "rejected: rejected by anna: not today; nothing was touched"),
    ];
    let posts: Vec<String> = chat.posts(expected.len()).await.iter().map(text).collect();
    for (post, (release, words)) in posts.iter().zip(expected) {
        assert!(
            post.contains(words) && post.ends_with(&format!("release {release}")),
            "{words}: {posts:#?}"
        );
    }
    roll.end().await;
}
