//! `drawgate-worker`: the worker on the bastion.

mod cli;

use std::process::ExitCode;

/// Four times the default, because the futures of AWS calls are large and an overflow would end the worker
/// mid-roll.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    drawgate_worker::descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    match runtime {
        // `cli::main` is spawned, so that it too runs on a thread with this stack.
        Ok(runtime) => {
            runtime.block_on(async { tokio::spawn(cli::main()).await.unwrap_or(ExitCode::FAILURE) })
        }
        Err(error) => cli::no_runtime(&error),
    }
}
