//! The alarms of a service as preflight sees them.

use drawgate_rollout::definition::AlarmDefinition;
use drawgate_rollout::{AlarmSnapshot, StepOutcome};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{SIDE_BY_SIDE, holders};
use crate::aws::Alarm;
use crate::effects::outcome::{Effect, Sorted};
use crate::effects::ports::ActionPort;

/// Most alarms that preflight asks for their tags: at half of CloudWatch's rate that takes 20 s. `Silence` asks all
/// of them again anyway, and has a time that grows with their number.
const ASKED: usize = 100;

/// The alarms to silence, and the alarms to watch.
pub(in crate::effects) async fn alarms_seen(
    alarms: &impl ActionPort,
    definition: &AlarmDefinition,
) -> Effect<(Vec<AlarmSnapshot>, Vec<AlarmSnapshot>)> {
    let mut silenced = matching(alarms, &definition.silence).await?;
    let watched = matching(alarms, &definition.watch).await?;
    see_who_silences(alarms, &mut silenced).await?;
    Ok((silenced, watched))
}

async fn matching(alarms: &impl ActionPort, patterns: &[String]) -> Effect<Vec<AlarmSnapshot>> {
    let found = alarms.alarms_matching(patterns).await.sorted()?;
    Ok(found.into_iter().map(snapshot).collect())
}

/// Sees which of the alarms that are off releases have switched off. Alarms that are on are not asked for: a
/// region has thousands of them, and each is a call. Where a release of another service silences as many, none is
/// asked for either.
async fn see_who_silences(port: &impl ActionPort, alarms: &mut [AlarmSnapshot]) -> Effect<()> {
    let off = alarms
        .iter_mut()
        .filter(|alarm| !alarm.actions_enabled && !alarm.scales_only);
    let mut off: Vec<&mut AlarmSnapshot> = off.collect();
    if off.len() > ASKED {
        off.iter_mut().for_each(|alarm| alarm.unasked = true);
        return Ok(());
    }
    let looks: Vec<_> = off
        .into_iter()
        .map(|alarm| async move {
            let tags = Box::pin(port.alarm_tags(&alarm.arn)).await.sorted()?;
            alarm.silenced = !holders(&tags).is_empty();
            Ok::<(), StepOutcome>(())
        })
        .collect();
    stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await
}

fn snapshot(alarm: Alarm) -> AlarmSnapshot {
    AlarmSnapshot {
        name: alarm.name,
        arn: alarm.arn,
        actions_enabled: alarm.actions_enabled,
        silenced: false,
        unasked: false,
        scales_only: alarm.scaling_policy_only,
        state: alarm.state,
        since: alarm.since,
    }
}
