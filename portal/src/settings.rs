//! Every setting: a flag and an environment variable each. `portal help settings` is the reference.

mod addresses;
mod command_line;
mod site;
mod tasks;
mod webhooks;

use std::num::{NonZeroU16, NonZeroU32};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser};
use events::Category;
use orchestrator::RateLimits;

pub(crate) use self::addresses::Addresses;
pub(crate) use self::command_line::{complete_command_line, parse};
use self::site::SiteSettings;
pub(crate) use self::tasks::{
    Completions, DeadLetters, Doctor, Events, Import, Man, Replay, Retry, SealFile, ServiceName,
    Task, Token, Verify,
};
use self::webhooks::Webhooks;
use crate::telemetry::Telemetry;
use crate::tls::Tls;

/// The version of the program, and the commit that it is built from.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("PORTAL_BUILD"), ")");

/// An event-sourced news portal. Without a command it runs all services in one process
#[derive(Debug, Parser)]
#[command(version = VERSION)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Task>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// The address to listen on. Port 0 selects a free port, which is printed
    #[arg(long, global = true, env = "PORTAL_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,

    #[command(flatten)]
    pub(crate) addresses: Addresses,

    #[command(flatten)]
    pub(crate) tls: Tls,

    #[command(flatten)]
    pub(crate) site: SiteSettings,

    #[command(flatten)]
    pub(crate) webhooks: Webhooks,

    /// The number of connections that are served at the same time. Further ones wait
    #[arg(
        long,
        global = true,
        env = "PORTAL_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value = "768"
    )]
    pub(crate) max_connections: NonZeroU16,

    /// Timeout for the head of an HTTP/1 request and for an idle HTTP/1 connection
    #[arg(
        long,
        global = true,
        env = "PORTAL_IDLE_TIMEOUT",
        value_name = "DURATION",
        value_parser = webhooks::parse_duration,
        default_value = "20s"
    )]
    pub(crate) idle_timeout: Duration,

    /// Requests per minute from one address without a token. 0 disables the limit
    #[arg(
        long,
        global = true,
        env = "PORTAL_CLIENT_RATE_LIMIT",
        value_name = "NUMBER",
        default_value = "6000"
    )]
    pub(crate) client_rate_limit: u32,

    /// Requests per minute from one user. 0 disables the limit
    #[arg(
        long,
        global = true,
        env = "PORTAL_USER_RATE_LIMIT",
        value_name = "NUMBER",
        default_value = "6000"
    )]
    pub(crate) user_rate_limit: u32,

    /// The number of proxies in front of the orchestrator. Each appends the address of its client to
    /// X-Forwarded-For
    #[arg(long, global = true, env = "PORTAL_PROXIES", value_name = "NUMBER", default_value = "0")]
    pub(crate) proxies: u8,

    /// The news categories, separated by commas
    #[arg(
        long,
        global = true,
        env = "PORTAL_CATEGORIES",
        value_delimiter = ',',
        default_value = "famous,politics,sports"
    )]
    pub(crate) categories: Vec<Category>,

    /// The address of the command-stack, for the orchestrator
    #[arg(long, global = true, env = "PORTAL_COMMAND_URL", value_name = "URL")]
    pub(crate) command_url: Option<String>,

    /// The addresses of the query-stacks, for the orchestrator: pairs category=URL, or one URL for
    /// all categories
    #[arg(
        long,
        global = true,
        env = "PORTAL_QUERY_URLS",
        value_name = "URLS",
        value_delimiter = ','
    )]
    pub(crate) query_urls: Vec<QueryUrl>,

    /// What to log: a level, or directives such as info,command_stack=debug
    #[arg(long, global = true, env = "PORTAL_LOG", default_value = "info")]
    pub(crate) log: String,

    #[command(flatten)]
    pub(crate) telemetry: Telemetry,
}

impl Settings {
    pub(crate) fn rate_limits(&self) -> RateLimits {
        let [client, user] = [self.client_rate_limit, self.user_rate_limit].map(NonZeroU32::new);
        RateLimits { client, user, proxies: self.proxies.into() }
    }

    /// Checks rules that concern the values of a setting together.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let twice = |(at, category): (usize, &Category)| {
            self.categories[..at].contains(category).then(|| category.clone())
        };
        match self.categories.iter().enumerate().find_map(twice) {
            Some(category) => anyhow::bail!("--categories names {category} twice"),
            None => Ok(()),
        }
    }
}

/// One part of `--query-urls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueryUrl {
    All(String),
    Of(Category, String),
}

impl FromStr for QueryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None => Ok(Self::All(text.to_owned())),
            Some((category, url)) => {
                let category = category.parse::<Category>().map_err(|error| error.to_string())?;
                Ok(Self::Of(category, url.to_owned()))
            }
        }
    }
}
