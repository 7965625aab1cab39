//! Chat is told, and a chat that is away slows nothing and loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::Outcome;
use drawgate_tests::oracle::Look;
use drawgate_tests::webhook::Webhook;
use drawgate_tests::{Scene, Service};
use serde_json::Value;

#[tokio::test]
async fn chat_away_for_a_whole_roll() {
    let scene = Scene::begin().await;
    let webhook = Webhook::away().await;
    scene.configure(&format!("[chat]\nwebhook = \"{}\"\n", webhook.url()));
    scene.serve(&Service::of("search"));
    scene.fleet_on_v1("search", &["h1", "h2"]).await;
    scene.lab.image("search", "v2", "v2", "ok").await;
    scene.lab.image("search", "v3", "v3", "exit").await;
    let worker = scene.worker().await;
    let events = scene.events().await;
    let before = Look::at(&scene.lab).await;

    let good = scene.publish("search", "v2", &["--requested-by", "ben"]).await;
    scene.judge(&events, good, Outcome::Succeeded, &before).await;
    let bad = scene.publish("search", "v3", &["--requested-by", "ben"]).await;
    scene.judge(&events, bad, Outcome::RolledBack, &before).await;

    let chat = webhook.listen().await;
    let posts: Vec<String> = chat.posts(5).await.iter().map(text).collect();
    let expected = [
        ("v2", "started"),
        ("v2", "succeeded"),
        ("v3", "started"),
        ("v3", "turned back"),
        ("v3", "service is on v2 everywhere"),
    ];
    for (post, (version, words)) in posts.iter().zip(expected) {
        assert!(
            post.contains("search") && post.contains(version) && post.contains("ben"),
            "{version}: {posts:#?}"
        );
        assert!(post.contains(words), "{words}: {posts:#?}");
    }
    let third = scene.publish("search", "v2", &[]).await;
    scene.judge(&events, third, Outcome::Succeeded, &before).await;
    let posts = chat.posts(7).await;
    assert_eq!(posts.len(), 7, "each once: {posts:#?}");
    scene.end(worker).await;
}

fn text(post: &Value) -> String {
    post["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text: {post}"))
        .to_owned()
}
