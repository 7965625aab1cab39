//! Images: resolved, pulled, removed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use drawgate_lab::lab::Lab;
use drawgate_worker::host::RegistryCredentials;

use crate::reach::{H1, H3, hosts};
use crate::service::{PULL, definition, login, pushed};

#[tokio::test]
async fn a_tag_becomes_a_digest_and_the_digest_an_image() {
    let Some(lab) = Lab::enter("a_tag_becomes_a_digest_and_the_digest_an_image").await else {
        return;
    };
    let hosts = hosts(&lab);
    // This host has none of the image's layers: what other tests pulled is removed.
    let host = hosts.host("i-pull", H3);
    lab.on_host("h3", "docker image prune --all --force").await;
    let (repository, digest) = pushed(&lab, "pull/api", "v1", "ok").await;
    let login = login(&lab);
    let tag = format!("{repository}:v1");
    assert_eq!(host.at_registry(&tag, Some(&login)).await.unwrap().digest, digest);

    let wrong = RegistryCredentials {
        password: "wrong".into(),
        ..login.clone()
    };
    for error in [
        host.at_registry(&tag, Some(&wrong)).await.unwrap_err(),
        host.at_registry(&tag, None).await.unwrap_err(),
        host.at_registry(&format!("{repository}:none"), Some(&login))
            .await
            .unwrap_err(),
        host.pull(&repository, &digest, Some(&wrong), PULL, |_| {})
            .await
            .unwrap_err(),
        host.pull(
            &repository,
            &format!("sha256:{}", "0".repeat(64)),
            Some(&login),
            PULL,
            |_| {},
        )
        .await
        .unwrap_err(),
    ] {
        assert!(error.is_refused(), "{error:?}");
        assert!(!format!("{error:?}").contains(&login.password));
        eprintln!("{:?} {error}", error.status());
    }

    assert!(!host.has_image(&repository, &digest).await.unwrap());
    let steps = AtomicU32::new(0);
    let note = |_| {
        steps.fetch_add(1, Ordering::Relaxed);
    };
    let pulled = host
        .pull(&repository, &digest, Some(&login), PULL, note)
        .await
        .unwrap();
    assert!(!pulled.already);
    let steps = steps.into_inner();
    eprintln!("{pulled:?} in {steps} steps");
    assert!(steps > 0 && pulled.bytes > 100_000);
    assert!(host.has_image(&repository, &digest).await.unwrap());
    let again = host.pull(&repository, &digest, None, PULL, |_| {}).await.unwrap();
    assert_eq!((again.already, again.bytes), (true, 0));
}

/// Pushes an image for these architectures; gives its repository and the digest of the list.
async fn pushed_for(lab: &Lab, repository: &str, tag: &str, platforms: &[&str]) -> (String, String) {
    let digest = lab.image_for(repository, tag, platforms).await;
    (format!("{}/{repository}", lab.registry()), digest)
}

#[tokio::test]
async fn one_digest_of_several_platforms_gives_each_host_its_part() {
    let Some(lab) = Lab::enter("one_digest_of_several_platforms_gives_each_host_its_part").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-arch", H3);
    let platform = host.probe().await.unwrap().platform.unwrap();
    let own = platform.strip_prefix("linux/").unwrap().to_owned();
    let foreign = if own == "amd64" { "arm64" } else { "amd64" };
    let login = login(&lab);
    let (repository, digest) = pushed_for(&lab, "arch", "v1", &[&own, foreign]).await;
    let known = host
        .at_registry(&format!("{repository}:v1"), Some(&login))
        .await
        .unwrap();
    assert_eq!(known.digest, digest, "of the list, not of a part");
    assert_eq!(known.platforms, [platform, format!("linux/{foreign}")]);
    host.pull(&repository, &digest, Some(&login), PULL, |_| {})
        .await
        .unwrap();
    let image = format!("{repository}@{digest}");
    let id = host
        .create(&definition("arch", 8106), "arch", &image, &BTreeMap::new())
        .await
        .unwrap();
    let created = host.container(&id).await.unwrap().unwrap();
    assert!(created.repo_digests.contains(&image), "{created:?}");
    assert_ne!(created.image_id, digest);
    assert!(host.start(&id).await.unwrap());
    host.remove(&id, true).await.unwrap();

    let (repository, digest) = pushed_for(&lab, "arch/foreign", "v1", &[foreign]).await;
    let known = host
        .at_registry(&format!("{repository}@{digest}"), Some(&login))
        .await
        .unwrap();
    assert_eq!(known.platforms, [format!("linux/{foreign}")]);
    let error = host
        .pull(&repository, &digest, Some(&login), PULL, |_| {})
        .await
        .unwrap_err();
    eprintln!("{error}");
    assert!(
        error.is_refused() && error.to_string().contains("no matching manifest"),
        "{error}"
    );
}

#[tokio::test]
async fn trap_19_unused_images_of_one_repository_go_and_nothing_else() {
    let Some(lab) = Lab::enter("trap_19_unused_images_of_one_repository_go").await else {
        return;
    };
    let hosts = hosts(&lab);
    let host = hosts.host("i-keep", H1);
    let login = login(&lab);
    let mut images = Vec::new();
    // The images have bytes of their own: an image that another test's repository has too would be left
    // alone.
    for version in ["keep-1", "keep-2", "keep-3"] {
        images.push(pushed(&lab, "keep", version, "ok").await);
    }
    let other = pushed(&lab, "keep/other", "keep-0", "ok").await;
    for (repository, digest) in images.iter().chain([&other]) {
        host.pull(repository, digest, Some(&login), PULL, |_| {})
            .await
            .unwrap();
    }
    let create = |name: &'static str, n: usize| {
        let (repository, digest) = images[n].clone();
        let (host, image) = (host.clone(), format!("{repository}@{digest}"));
        async move {
            let id = host
                .create(&definition(name, 8111), name, &image, &BTreeMap::new())
                .await
                .unwrap();
            host.container(&id).await.unwrap().unwrap()
        }
    };
    let (before, now) = (create("keep.before", 1).await, create("keep", 2).await);
    let repository = &images[0].0;
    let removed = host.retain_images(repository, &now.image_id, 1).await.unwrap();
    assert_eq!(removed, [format!("{repository}@{}", images[0].1)]);
    let has = |n: usize| host.has_image(repository, &images[n].1);
    assert_eq!(
        (
            has(0).await.unwrap(),
            has(1).await.unwrap(),
            has(2).await.unwrap()
        ),
        (false, true, true)
    );
    assert!(host.has_image(&other.0, &other.1).await.unwrap());
    assert!(
        host.retain_images(repository, &now.image_id, 1)
            .await
            .unwrap()
            .is_empty()
    );
    // Without its container, the last good image is the only other one, and stays.
    host.remove(&before.id, false).await.unwrap();
    assert!(
        host.retain_images(repository, &now.image_id, 1)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(has(1).await.unwrap());
    host.remove(&now.id, false).await.unwrap();
    // `create` from a missing image is refused with the status by which the swap knows to pull it again.
    let gone = format!("{repository}@{}", images[0].1);
    let error = host
        .create(&definition("keep", 8111), "keep", &gone, &BTreeMap::new())
        .await
        .unwrap_err();
    assert_eq!((error.is_refused(), error.status()), (true, Some(404)), "{error}");
}
