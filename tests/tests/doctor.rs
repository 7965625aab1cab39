//! Bastion and ledger are lost in mid-roll. The doctor on a new bastion finds what the release left by its
//! marks alone, and rolls the release back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use drawgate_schemas::{Direction, HostPhase, Outcome, ReleaseId};
use drawgate_tests::oracle::Look;
use drawgate_tests::{Fleet, Load, Rolling, Scene};
use serde_json::{Value, json};

use Direction::{Back, Forward};
use HostPhase::{Registering, Swapping, Verifying};

/// A fleet on v1, and the moment of a roll to v2 at which its bastion is lost.
struct Lost {
    scene: Scene,
    fleet: Fleet,
    before: Look,
    load: Option<Load>,
    release: ReleaseId,
}

impl Lost {
    async fn in_mid_roll(mode: &str, direction: Direction, phase: HostPhase, n: usize) -> Self {
        let roll = Rolling::of("search").image_in("v2", mode).begin().await;
        let load = roll.load().await;
        let release = roll.publish("v2").await;
        roll.events.nth_phase(release, direction, phase, n).await;
        roll.worker.kill().await;
        roll.scene.lose_ledger();
        Self {
            scene: roll.scene,
            fleet: roll.fleet,
            before: roll.before,
            load: Some(load),
            release,
        }
    }

    async fn doctor(&self, more: &[&str]) -> (Option<i32>, String) {
        let output = self.scene.drawgate_worker(&[&["doctor"], more].concat()).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!said.is_empty(), "{error}");
        (output.status.code(), said)
    }

    /// Asserts that the doctor finds the release, that the lease keeps the doctor away, and that it rolls the
    /// release back once an operator says that the lost worker is gone.
    async fn assert_led_back(mut self) {
        let (written, lost) = (self.scene.lab.writes().await, Look::at(&self.scene.lab).await);
        let (code, said) = self.doctor(&[]).await;
        assert_eq!(code, Some(1), "{said}");
        let release = self.release.to_string();
        assert!(
            said.contains(&release) && said.contains("its worker is gone") && said.contains("bastion-lab"),
            "{said}"
        );
        for line in said.lines().filter(|line| !line.starts_with("          ")) {
            assert!(line.chars().count() <= 80, "too wide: {line}");
        }
        assert!(
            !self.scene.folder().join("ledger.sqlite").exists(),
            "a ledger was made"
        );
        let (code, _) = self.doctor(&["--fix"]).await;
        assert_eq!(code, Some(1));
        assert_eq!(self.scene.lab.writes().await, written, "something was touched");
        Look::at(&self.scene.lab).await.assert_containers_as(&lost);

        let fixed = self
            .doctor(&["--fix", "--evict", "bastion-lab", "--format", "json"])
            .await;
        let (code, said) = fixed;
        assert_eq!(code, Some(0), "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        let case = &said[0]["cases"][0];
        assert_eq!(case["release"], json!(release));
        assert_eq!(case["fixed"]["outcome"], json!("rolled_back"), "{case}");
        assert_eq!(case["fixed"]["leftovers"], json!([]));

        self.load.take().unwrap().stop_unharmed().await;
        self.scene.lab.all_targets(&self.fleet, "healthy").await;
        let after = Look::at(&self.scene.lab).await;
        after.assert_aws_as(&self.before);
        after.assert_no_tags();
        after.assert_containers_as(&self.before);
        let (code, said) = self.doctor(&[]).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("nothing is left behind"), "{said}");

        // The recovered release is in the ledger like every other, and the next release has the fleet.
        let worker = self.scene.worker().await;
        let shown = self.scene.show(self.release).await;
        assert_eq!(
            shown["state"],
            json!({"type": "ended", "outcome": Outcome::RolledBack.as_str()})
        );
        let events = self.scene.events().await;
        let v3 = self.scene.lab.image("search", "v3", "v3", "ok").await;
        let id = self.scene.publish("search", "v3", &[]).await;
        self.scene
            .judge(&events, id, Outcome::Succeeded, &self.before)
            .await;
        let after = Look::at(&self.scene.lab).await;
        after.assert_runs(&self.fleet, "search", &self.scene.pinned("search", &v3));
        self.scene.end_after_kill(worker).await;
    }
}

/// One host serves the new version, and another is in the middle of its swap.
#[tokio::test]
async fn lost_while_the_second_host_is_swapped() {
    Lost::in_mid_roll("ok", Forward, Swapping, 2)
        .await
        .assert_led_back()
        .await;
}

#[tokio::test]
async fn lost_while_the_third_host_is_registered() {
    Lost::in_mid_roll("ok", Forward, Registering, 3)
        .await
        .assert_led_back()
        .await;
}

#[tokio::test]
async fn lost_on_the_rollback() {
    Lost::in_mid_roll("unhealthy", Back, Verifying, 1)
        .await
        .assert_led_back()
        .await;
}
