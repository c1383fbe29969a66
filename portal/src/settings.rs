//! Every setting: a flag and an environment variable each. `portal --help` is the reference.

mod addresses;
mod site;
mod webhooks;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};
use events::{Category, Position, Role, Timestamp};
use orchestrator::RateLimits;
use query_stack::Until;
use uuid::Uuid;

use self::addresses::Addresses;
use self::site::SiteSettings;
use self::webhooks::Webhooks;
use crate::telemetry::Telemetry;
use crate::tls::Tls;

/// An event-sourced news portal. Without a command: everything in one process, on embedded stores.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Task>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, global = true, env = "PORTAL_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,

    /// Where the embedded stores and the signing keys are
    #[arg(long, global = true, env = "PORTAL_DATA_DIR", default_value = "./portal-data")]
    pub(crate) data_dir: PathBuf,

    #[command(flatten)]
    pub(crate) addresses: Addresses,

    #[command(flatten)]
    pub(crate) tls: Tls,

    #[command(flatten)]
    pub(crate) site: SiteSettings,

    #[command(flatten)]
    pub(crate) webhooks: Webhooks,

    /// Connections that are served at the same time; more wait until one ends
    #[arg(
        long,
        global = true,
        env = "PORTAL_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value = "768"
    )]
    pub(crate) max_connections: NonZeroU16,

    /// Time for the head of an HTTP/1 request, and how long a connection may be idle before it
    #[arg(
        long,
        global = true,
        env = "PORTAL_IDLE_TIMEOUT",
        value_name = "DURATION",
        value_parser = webhooks::parse_duration,
        default_value = "20s"
    )]
    pub(crate) idle_timeout: Duration,

    /// Requests a minute of one address that is not signed in; 0: any number
    #[arg(
        long,
        global = true,
        env = "PORTAL_CLIENT_RATE_LIMIT",
        value_name = "NUMBER",
        default_value = "6000"
    )]
    pub(crate) client_rate_limit: u32,

    /// Requests a minute of one user; 0: any number
    #[arg(
        long,
        global = true,
        env = "PORTAL_USER_RATE_LIMIT",
        value_name = "NUMBER",
        default_value = "6000"
    )]
    pub(crate) user_rate_limit: u32,

    /// Proxies before the public door that add to X-Forwarded-For whom they have a request from
    #[arg(long, global = true, env = "PORTAL_PROXIES", value_name = "NUMBER", default_value = "0")]
    pub(crate) proxies: u8,

    /// The categories of news, separated by commas
    #[arg(
        long,
        global = true,
        env = "PORTAL_CATEGORIES",
        value_delimiter = ',',
        default_value = "famous,politics,sports"
    )]
    pub(crate) categories: Vec<Category>,

    /// Where the orchestrator finds the command-stack
    #[arg(long, global = true, env = "PORTAL_COMMAND_URL", value_name = "URL")]
    pub(crate) command_url: Option<String>,

    /// Where the orchestrator finds the query-stacks: category=URL pairs, or one URL for all
    #[arg(
        long,
        global = true,
        env = "PORTAL_QUERY_URLS",
        value_name = "URLS",
        value_delimiter = ','
    )]
    pub(crate) query_urls: Vec<QueryUrl>,

    /// What is logged: a level, or directives such as info,command_stack=debug
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

    /// What no single setting can see to.
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

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// One service: accepts commands and appends to the event log
    CommandStack,
    /// One service: keeps views of --categories and answers queries over gRPC
    QueryStack,
    /// One service: the public door
    Orchestrator,
    /// One service: carries the event log to the bus
    Relay,
    /// Rebuilds views from the log beside the live ones, then switches
    Replay(Replay),
    /// Reads the log
    Events(Events),
    /// Checks that the log is complete and that every view equals its fold; exit 1 if not
    Verify(Verify),
    /// Writes down a hash of the whole log, for `verify --seal`; only what is new is read
    Seal(SealFile),
    /// Sees to streams that views leave out because of an event that they cannot take
    ///
    /// A stream of which an event fails is parked: readers go on to see what was known last, unless
    /// it is taken back. One with an event of a newer version of this program waits, and is taken up
    /// by itself when that version runs.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Takes in articles: JSON, an export of WordPress, RSS or Atom; safe to run again
    ///
    /// What the file is, its content says. What is no article (a page, an attachment) is skipped,
    /// what cannot be taken is refused, each with its reason, and the rest goes in; exit 1 if
    /// anything was refused. docs/import.md has the rules.
    Import(Import),
    /// Creates the tables of the event log, or brings them up to date
    Migrate,
    /// Prints an access token, signed with the key in --data-dir; the first admin begins with one
    Token(Token),
    /// Signs tokens with a new key from now on, and prints its name; services that run notice
    ///
    /// The key is in --data-dir. Tokens that the former keys have signed stay good until they
    /// expire; keys that have signed nothing for a day are deleted.
    RotateSigningKey,
    /// Asks the service at --listen whether it is ready; exit 1 if not
    Health,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Only this view, such as articles_sports or articles; or recommendations, which are made again
    /// from the readings of the last 90 days
    #[arg(long)]
    pub(crate) view: Option<String>,

    /// Only the views of this category
    #[arg(long)]
    pub(crate) category: Option<Category>,

    /// Rebuild the past up to a position or an RFC 3339 time; it stays beside the live view
    #[arg(long, value_parser = parse_until, value_name = "POSITION|TIME")]
    pub(crate) until: Option<Until>,

    /// Write nothing; tell where the live view differs from the log
    #[arg(long, conflicts_with_all = ["until", "rollback"])]
    pub(crate) dry_run: bool,

    /// Go back to the generation before the last switch, after it has caught up
    #[arg(long, conflicts_with = "until")]
    pub(crate) rollback: bool,
}

fn parse_until(text: &str) -> Result<Until, String> {
    let position = || text.parse::<Position>().map(Until::Position).ok();
    let time = || text.parse::<Timestamp>().map(Until::Time).ok();
    position().or_else(time).ok_or_else(|| "a position, or a time in RFC 3339".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Also compare the log with the seals of this file: all of it, or one line that was kept
    /// elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,

    /// One JSON object instead of sentences
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SealFile {
    /// Where the seals are added, one JSON object a line; keep it, or its last line, where whoever
    /// owns the database cannot write
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only this stream, such as article-UUID
    #[arg(long)]
    pub(crate) stream: Option<String>,

    /// Only events after this position
    #[arg(long, default_value = "0", value_name = "POSITION")]
    pub(crate) after: Position,

    /// Go on with new events as they come
    #[arg(long)]
    pub(crate) follow: bool,

    /// One CloudEvents JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Which streams which views leave out, where and why
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// A stream's failure, and its events with what is pending; exit 1 if no view leaves it out
    Show {
        /// Such as article-UUID
        stream: String,
    },
    /// Takes streams up again, in order, from the first event on; exit 1 if one still fails
    Retry(Retry),
    /// Gives a stream up, in this generation of its views
    ///
    /// Its document is hidden and its later events are passed over. The log keeps everything: a
    /// retry of this stream, or a replay of the view, tries again.
    Discard {
        /// Such as article-UUID
        stream: String,

        /// Only in this view, such as articles_sports or articles
        #[arg(long)]
        view: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// Such as article-UUID; also one that was given up
    #[arg(required_unless_present = "all", value_name = "STREAM")]
    pub(crate) streams: Vec<String>,

    /// All that are parked or waiting
    #[arg(long, conflicts_with = "streams")]
    pub(crate) all: bool,

    /// Only in this view, such as articles_sports or articles
    #[arg(long)]
    pub(crate) view: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// JSON objects, one a line, with title, content, category and, so that a second run knows them
    /// again, source_id; or WordPress WXR 1.0 to 1.2, RSS 2.0 or Atom
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What a category of the file is here, such as "Local news=politics"; may be given more than
    /// once
    #[arg(long, value_parser = parse_mapping, value_name = "NAME=CATEGORY")]
    pub(crate) map: Vec<(String, Category)>,

    /// Where articles go of which no category is one of --categories or mapped [default: they are
    /// refused]
    #[arg(long)]
    pub(crate) category: Option<Category>,
}

fn parse_mapping(text: &str) -> Result<(String, Category), String> {
    let (name, category) = text.rsplit_once('=').ok_or("NAME=CATEGORY")?;
    let category = category.parse::<Category>().map_err(|error| error.to_string())?;
    Ok((name.to_owned(), category))
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// What the token lets its holder be: reader, author, editor or admin; give it more than once
    /// for more than one
    #[arg(long = "role", required = true, value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,

    /// Whose token it is [default: a new UUID, somebody whom nobody else is]
    #[arg(long, value_name = "UUID")]
    pub(crate) user: Option<Uuid>,

    /// How long it is good, up to a day (1440); nothing takes it back before
    #[arg(long, default_value = "60", value_parser = value_parser!(u16).range(1..=1440))]
    pub(crate) minutes: u16,
}
