//! `drawgate` against a real RabbitMQ, with a scripted worker.
//!
//! Needs `DRAWGATE_AMQP_URL`; says so and passes without it. With `LAB_RABBITMQ_API`
//! (`http://USER:PASSWORD@HOST:PORT`, the management API) every test has its own virtual host. Without it the
//! tests share that of the address, one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod connecting;
mod gaps;
mod program;
mod publishing;
mod questions;
mod readers;
mod rig;
mod story;
mod waiting;
mod worker;
