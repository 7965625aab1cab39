//! The command lines that mend a leftover, each written once: the receipt, the doctor and chat name the same. Each can be run again.

use drawgate_schemas::{Command, ReleaseId};

use crate::definition::RestartPolicy;
use crate::fleet::{SILENCED_TAG, silenced_tag};

/// Registers a target again.
pub(crate) fn register_target(arn: &str, id: &str, port: u16) -> Command {
    Command::anywhere(format!(
        "aws elbv2 register-targets --target-group-arn {arn} --targets Id={id},Port={port}"
    ))
}

/// Resumes processes of an Auto Scaling group. Never without a list: that would resume what a person has suspended too
/// (Amazon EC2 Auto Scaling API Reference, "ResumeProcesses").
pub(crate) fn resume_processes(group: &str, processes: &[&str]) -> Command {
    let processes = processes.join(" ");
    Command::anywhere(format!(
        "aws autoscaling resume-processes --auto-scaling-group-name {group} --scaling-processes {processes}"
    ))
}

/// Takes the suspension tag off a group.
pub(crate) fn untag_group(group: &str) -> Command {
    Command::anywhere(format!(
        "aws autoscaling delete-tags --tags ResourceId={group},ResourceType=auto-scaling-group,Key=drawgate:suspended"
    ))
}

/// Shows a group.
pub(crate) fn describe_group(group: &str) -> Command {
    Command::anywhere(format!(
        "aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {group}"
    ))
}

/// Marks an instance healthy, so that Auto Scaling does not replace it for what it looked like while it was out.
pub(crate) fn mark_healthy(instance: &str) -> Command {
    Command::anywhere(format!(
        "aws autoscaling set-instance-health --instance-id {instance} --health-status Healthy"
    ))
}

/// Ends an instance; its group launches another one.
pub(crate) fn terminate(instance: &str) -> Command {
    Command::anywhere(format!(
        "aws autoscaling terminate-instance-in-auto-scaling-group --instance-id {instance} \
         --no-should-decrement-desired-capacity"
    ))
}

/// Takes the tag of a target that was taken out off its instance.
pub(crate) fn untag_target(instance: &str, target_group: &str, port: u16) -> Command {
    Command::anywhere(format!(
        "aws ec2 delete-tags --resources {instance} --tags Key=drawgate:target:{target_group}:{port}"
    ))
}

/// Gives a container its restart policy back.
pub(crate) fn set_restart_policy(instance: &str, container: &str, policy: RestartPolicy) -> Command {
    Command::on(instance, format!("docker update --restart={policy} {container}"))
}

/// Switches the actions of an alarm on.
pub(crate) fn enable_alarm_actions(alarm: &str) -> Command {
    Command::anywhere(format!(
        "aws cloudwatch enable-alarm-actions --alarm-names {alarm}"
    ))
}

/// Takes the tag of a release off an alarm, given its ARN; the one of an earlier worker, too.
pub(crate) fn untag_alarm(arn: &str, release: ReleaseId) -> Command {
    let tag = silenced_tag(&release.to_string());
    Command::anywhere(format!(
        "aws cloudwatch untag-resource --resource-arn {arn} --tag-keys {tag} {SILENCED_TAG}"
    ))
}

/// The same where only the alarm's name is known.
pub(crate) fn untag_alarm_by_name(alarm: &str, release: ReleaseId) -> Command {
    let arn = format!(
        "$(aws cloudwatch describe-alarms --alarm-names {alarm} --query MetricAlarms[0].AlarmArn --output text)"
    );
    untag_alarm(&arn, release)
}

/// Deletes a mute rule: its alarms act again.
pub(crate) fn delete_mute_rule(rule: &str) -> Command {
    Command::anywhere(format!(
        "aws cloudwatch delete-alarm-mute-rule --alarm-mute-rule-name {rule}"
    ))
}

/// Shows a parameter.
pub(crate) fn get_parameter(name: &str) -> Command {
    Command::anywhere(format!("aws ssm get-parameter --name {name}"))
}

/// Shows the earlier values of a parameter, one of which is to be put back.
pub(crate) fn parameter_history(name: &str) -> Command {
    Command::anywhere(format!("aws ssm get-parameter-history --name {name}"))
}

/// Deletes a parameter.
pub(crate) fn delete_parameter(name: &str) -> Command {
    Command::anywhere(format!("aws ssm delete-parameter --name {name}"))
}
