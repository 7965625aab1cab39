//! A container's log, and commands run in a container.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::error::{Effect, HostError, TookTooLong};
use super::limits;
use super::pool::Host;
use crate::sanitize::{sanitized, sanitized_lines};

/// The result of a command in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecResult {
    /// The exit code; `None` when the command did not end in time (it goes on in the container).
    pub exit_code: Option<i64>,
    /// The end of the command's output, without control characters.
    pub output_tail: String,
}

impl Host {
    /// The last lines of a container's log, standard output and error, bounded and without control
    /// characters.
    pub async fn logs(&self, id: &str, tail: usize) -> Result<Vec<String>, HostError> {
        let tail = tail.clamp(1, limits::LOG_LINES);
        let printed = self
            .ask("reading the container's log", Effect::Read, |docker| {
                let options = LogsOptionsBuilder::new()
                    .stdout(true)
                    .stderr(true)
                    .tail(&tail.to_string())
                    .build();
                let id = id.to_owned();
                async move {
                    // The engine cuts long lines into pieces, so more pieces arrive than lines were asked
                    // for.
                    let lines = docker.logs(&id, Some(options)).take(limits::LOG_PIECES);
                    lines
                        .map_ok(LogOutput::into_bytes)
                        .try_collect::<Vec<Bytes>>()
                        .await
                }
            })
            .await?;
        let text: Vec<u8> = printed.concat();
        Ok(sanitized_lines(&String::from_utf8_lossy(&text), tail))
    }

    /// Runs a command in a container, without a shell.
    pub async fn exec(&self, id: &str, command: &[String], limit: Duration) -> Result<ExecResult, HostError> {
        const OPERATION: &str = "running a command in the container";
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let created = self
            .ask(OPERATION, Effect::Read, |docker| {
                let (id, options) = (id.to_owned(), options.clone());
                async move { docker.create_exec(&id, options).await }
            })
            .await?;
        let engine = self.engine(OPERATION).await?;
        let started = timeout(limit, engine.docker.start_exec(&created.id, None)).await;
        let output = match started {
            Ok(Ok(StartExecResults::Attached { output, .. })) => Some(output),
            Ok(Ok(StartExecResults::Detached)) => None,
            Ok(Err(error)) => return Err(self.failed(OPERATION, Effect::Write, error)),
            Err(_) => {
                return Err(self.lost(OPERATION, Effect::Write, Arc::new(TookTooLong(limit))));
            }
        };
        let mut tail = Vec::new();
        let ended = match output {
            Some(output) => timeout(limit, keep_tail(output, &mut tail)).await.is_ok(),
            None => true,
        };
        let output_tail = sanitized(&String::from_utf8_lossy(&tail));
        if !ended {
            return Ok(ExecResult {
                exit_code: None,
                output_tail,
            });
        }
        let exec = self
            .ask(OPERATION, Effect::Read, |docker| {
                let id = created.id.clone();
                async move { docker.inspect_exec(&id).await }
            })
            .await?;
        Ok(ExecResult {
            exit_code: exec.exit_code,
            output_tail,
        })
    }
}

/// Reads to the end and keeps the last bytes. A stream that breaks counts as ended: the exit code tells the
/// rest.
async fn keep_tail<E>(output: impl Stream<Item = Result<LogOutput, E>>, tail: &mut Vec<u8>) {
    let mut output = std::pin::pin!(output);
    while let Some(Ok(piece)) = output.next().await {
        tail.extend_from_slice(&piece.into_bytes());
        let surplus = tail.len().saturating_sub(limits::EXEC_OUTPUT_BYTES);
        tail.drain(..surplus);
    }
}
