//! `drawgate-worker`: the worker on the bastion.

mod cli;

use std::process::ExitCode;

/// Four times the usual: the futures of AWS calls are large, and an overflow would end the worker in mid-roll.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    drawgate_worker::descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    match runtime {
        // `main` itself runs on one of those threads too.
        Ok(runtime) => {
            runtime.block_on(async { tokio::spawn(cli::main()).await.unwrap_or(ExitCode::FAILURE) })
        }
        Err(error) => cli::no_runtime(&error),
    }
}
