//! Parameters.

use drawgate_lab::lab::Lab;
use drawgate_worker::aws::{Aws, limits};
use serde_json::json;

#[tokio::test]
async fn trap_10_a_parameter_is_written_read_and_deleted() {
    let Some(lab) = Lab::enter("trap_10_a_parameter_is_written_read_and_deleted").await else {
        return;
    };
    let (aws, name) = (Aws::connect().await, "/drawgate/wanted/staging/parameter");
    aws.delete_parameter(name).await.unwrap();
    assert_eq!(aws.parameter(name).await.unwrap(), None);
    // The last value is as long as a parameter's value may be.
    for value in ["one".to_owned(), "two".to_owned(), "x".repeat(8192)] {
        aws.put_parameter(name, &value).await.unwrap();
        let seen = aws.parameter(name).await.unwrap().unwrap();
        assert_eq!((seen.value, seen.secure), (value, false));
        let age = jiff::Timestamp::now().duration_since(seen.modified_at.unwrap());
        assert!(age.as_secs().abs() < 5, "{age:?}");
    }
    lab.fault("ssm:PutParameter", "access_denied", 1).await;
    let denied = aws.put_parameter(name, "three").await.unwrap_err();
    assert!(denied.is_refused(), "{denied}");
    assert_eq!(
        denied.hint().unwrap(),
        "allow `ssm:PutParameter` in the IAM policy of the worker's role"
    );
    lab.fault("ssm:DeleteParameter", "throttle", limits::THROTTLED_ATTEMPTS)
        .await;
    assert!(aws.delete_parameter(name).await.unwrap_err().is_transient());
    aws.delete_parameter(name).await.unwrap();
    assert_eq!(aws.parameter(name).await.unwrap(), None);
}

#[tokio::test]
async fn trap_42_a_parameter_made_anew_too_soon_is_made_later() {
    let Some(lab) = Lab::enter("trap_42_a_parameter_made_anew_too_soon_is_made_later").await else {
        return;
    };
    let (aws, name) = (Aws::connect().await, "/drawgate/lease/staging/anew");
    assert!(aws.create_parameter(name, "one").await.unwrap());
    // However slow the machine, the name still rests at both calls.
    lab.set_world(json!({"parameter_rest_s": 300})).await;
    aws.delete_parameter(name).await.unwrap();
    let created = aws.create_parameter(name, "two").await.unwrap_err();
    let put = aws.put_parameter(name, "two").await.unwrap_err();
    for error in [created, put] {
        assert!(error.is_transient() && !error.is_refused(), "{error:?}");
        assert_eq!(error.code(), Some("TooManyUpdates"));
    }
    assert_eq!(aws.parameter(name).await.unwrap(), None);
    lab.set_world(json!({"parameter_rest_s": 0})).await;
    assert!(aws.create_parameter(name, "two").await.unwrap());
    assert!(!aws.create_parameter(name, "three").await.unwrap());
}
