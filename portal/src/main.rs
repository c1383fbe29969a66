//! The `portal` binary: reads the settings, wires adapters to ports, and runs what was asked for.
//! No business rule lives here.

mod openapi;
mod progress;
mod serve;
mod services;
mod settings;
mod telemetry;
mod tls;
mod tools;
mod wiring;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::{ContextKind, ErrorKind};
use events::ServerUrl;
use tracing_subscriber::EnvFilter;

use crate::settings::{Cli, Settings, Task};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match settings::parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let settings = cli.settings.check();
    match settings.and_then(|()| log_to_stderr(&cli.settings)) {
        Ok(()) => proto::conventions::log_panics(),
        Err(error) => return fail(&error),
    }
    warn_of_passwords_in_ps();
    match run_traced(cli).await {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn warn_of_passwords_in_ps() {
    if std::env::args().any(|argument| ServerUrl::from(argument.as_str()).has_password()) {
        tracing::warn!(
            "a password was given on the command line, where `ps` shows it: give it by environment \
             or file"
        );
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("portal: {error:#}");
    ExitCode::FAILURE
}

/// A wrong value is told without the value, which may hold a password.
fn explain(error: &clap::Error) -> ExitCode {
    let argument = error.get(ContextKind::InvalidArg);
    match (error.kind(), argument, std::error::Error::source(error)) {
        (ErrorKind::ValueValidation, Some(argument), Some(reason)) => {
            eprintln!("portal: {argument}: {reason}");
            ExitCode::from(2)
        }
        // Also --help and --version, which are no failures.
        _ => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Text for a person at a terminal, JSON for whoever collects logs.
fn log_to_stderr(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log).context("--log")?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if io::stderr().is_terminal() {
        subscriber.init();
    } else {
        subscriber.json().init();
    }
    Ok(())
}

/// What a service is called in traces; a tool makes none.
fn service_name(command: Option<&Task>) -> Option<&'static str> {
    match command {
        None => Some("portal"),
        Some(Task::CommandStack) => Some("command-stack"),
        Some(Task::QueryStack) => Some("query-stack"),
        Some(Task::Orchestrator) => Some("orchestrator"),
        Some(Task::Relay) => Some("relay"),
        Some(_) => None,
    }
}

async fn run_traced(cli: Cli) -> Result<ExitCode> {
    let settings = &cli.settings;
    let traces = match service_name(cli.command.as_ref()) {
        Some(name) => telemetry::start(&settings.telemetry, &settings.tls, name)?,
        None => None,
    };
    let ended = run(cli).await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    ended
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let settings = cli.settings;
    let (addresses, categories) = (&settings.addresses, &settings.categories);
    let done = |()| ExitCode::SUCCESS;
    match cli.command {
        None => services::portal(settings).await.map(done),
        Some(Task::CommandStack) => services::command_stack(settings).await.map(done),
        Some(Task::QueryStack) => services::query_stack(settings).await.map(done),
        Some(Task::Orchestrator) => services::orchestrator(settings).await.map(done),
        Some(Task::Relay) => services::relay(settings).await.map(done),
        Some(Task::Doctor(arguments)) => tools::doctor::run(&settings, &arguments).await,
        Some(Task::Replay(arguments)) => tools::replay::run(addresses, categories, arguments).await,
        Some(Task::Events(arguments)) => tools::events::run(addresses, arguments).await.map(done),
        Some(Task::Verify(arguments)) => tools::verify::run(addresses, categories, arguments).await,
        Some(Task::Seal(arguments)) => tools::seal::run(addresses, arguments).await.map(done),
        Some(Task::DeadLetters(task)) => {
            tools::dead_letters::run(addresses, categories, task).await
        }
        Some(Task::Import(arguments)) => tools::import::run(settings, arguments).await,
        Some(Task::Migrate) => wiring::migrate(addresses).await.map(done),
        Some(Task::Token(arguments)) => tools::token::issue(addresses, &arguments).map(done),
        Some(Task::RotateSigningKey) => tools::token::rotate(addresses).map(done),
        Some(Task::Completions(arguments)) => tools::manuals::completions(&arguments).map(done),
        Some(Task::Man(arguments)) => tools::manuals::man(&arguments).map(done),
        Some(Task::Settings) => tools::manuals::common_settings().map(done),
        Some(Task::Health) => services::health(&settings).await,
    }
}
