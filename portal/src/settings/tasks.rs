//! The subcommands and their own options.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use events::{Category, Position, Role, Timestamp};
use query_stack::Until;
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Runs a service: accepts commands and appends events to the log
    #[command(after_help = "Example:
  portal command-stack --listen 0.0.0.0:8081 --event-log-file /run/secrets/event-log")]
    CommandStack,
    /// Runs a service: keeps the views of --categories and answers queries over gRPC
    #[command(after_help = "Example:
  portal query-stack --listen 0.0.0.0:8082 --categories sports --bus-file /run/secrets/bus")]
    QueryStack,
    /// Runs a service: the public API
    #[command(after_help = "Example:
  portal orchestrator --command-url http://commands:8081 --query-urls http://queries:8082")]
    Orchestrator,
    /// Runs a service: publishes the event log to the bus
    #[command(after_help = "Example:
  portal relay --listen 0.0.0.0:8083 --bus-file /run/secrets/bus")]
    Relay,
    /// Checks settings, servers, permissions, clocks and disk space; exit 1 if a check fails
    ///
    /// Prints one line for each check: `ok`, `warning` or `failed`, what was found, and what to do. It
    /// changes nothing.
    #[command(after_help = "Example:
  portal doctor --service relay")]
    Doctor(Doctor),
    /// Rebuilds views from the log beside the live ones, then switches to them
    #[command(after_help = "Example:
  portal replay --view articles --category sports")]
    Replay(Replay),
    /// Prints events of the log
    #[command(after_help = "Example:
  portal events --after 1200 --follow --json")]
    Events(Events),
    /// Checks that the log is complete and that every view equals it; exit 1 if not
    #[command(after_help = "Example:
  portal verify --seal seals.jsonl")]
    Verify(Verify),
    /// Adds a hash of the log to a file, for `verify --seal`; reads only new events
    #[command(after_help = "Example:
  portal seal seals.jsonl")]
    Seal(SealFile),
    /// Lists, retries or discards streams that a view parked because an event failed
    ///
    /// A view parks a stream when it cannot apply one of its events. Readers see the last state before
    /// that event, unless the article was retracted. A stream with an event of a newer version of this
    /// program waits, and continues by itself when that version runs.
    #[command(
        subcommand,
        after_help = "Example:
  portal dead-letters list"
    )]
    DeadLetters(DeadLetters),
    /// Imports articles from JSON, WordPress, RSS or Atom; can be repeated safely
    ///
    /// Detects the format from the content. Skips entries that are no articles (pages, attachments),
    /// refuses invalid ones with a reason, and imports the rest; exit 1 if it refused any.
    /// docs/import.md has the rules.
    #[command(after_help = "Example:
  portal import export.xml --map \"Local news=politics\" --category famous")]
    Import(Import),
    /// Creates the tables of the event log, or updates them
    #[command(after_help = "Example:
  portal migrate --event-log-file /run/secrets/event-log")]
    Migrate,
    /// Prints an access token, signed with the key in --data-dir; how the first admin gets access
    #[command(after_help = "Example:
  portal token --role admin --minutes 10")]
    Token(Token),
    /// Creates a new signing key for tokens and prints its name; running services load it
    ///
    /// The key is in --data-dir. Tokens that earlier keys have signed stay valid until they expire.
    /// Keys that have signed nothing for a day are deleted.
    #[command(after_help = "Example:
  portal rotate-signing-key --data-dir /data")]
    RotateSigningKey,
    /// Asks the service at --listen whether it is ready; exit 1 if not
    #[command(after_help = "Example:
  portal health --listen 127.0.0.1:8080")]
    Health,
    /// Prints a completion script for a shell
    #[command(after_help = "Example:
  portal completions bash > /etc/bash_completion.d/portal")]
    Completions(Completions),
    /// Prints the manual page of the program, or of one command
    #[command(after_help = "Example:
  portal man > /usr/local/share/man/man1/portal.1")]
    Man(Man),
    /// The common settings: flags, environment variables and defaults
    #[command(hide = true)]
    Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The service whose rights the database role must have [default: any of them]
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
}

/// A service that connects to the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceName {
    CommandStack,
    Relay,
    QueryStack,
}

impl ServiceName {
    pub(crate) const ALL: [Self; 3] = [Self::CommandStack, Self::Relay, Self::QueryStack];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CommandStack => "command-stack",
            Self::Relay => "relay",
            Self::QueryStack => "query-stack",
        }
    }

    /// The role of PostgreSQL that has the rights of this service.
    pub(crate) const fn role(self) -> &'static str {
        match self {
            Self::CommandStack => "portal_commands",
            Self::Relay => "portal_relay",
            Self::QueryStack => "portal_query",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Only this view, such as articles_sports, or articles for those of all categories.
    /// recommendations rebuilds the readers' profiles from the readings of the last 90 days
    #[arg(long)]
    pub(crate) view: Option<String>,

    /// Only the views of this category
    #[arg(long)]
    pub(crate) category: Option<Category>,

    /// Rebuild the views as they were at a position or an RFC 3339 time. They do not go live
    #[arg(long, value_parser = parse_until, value_name = "POSITION|TIME")]
    pub(crate) until: Option<Until>,

    /// Write nothing; print where the live views differ from the log
    #[arg(long, conflicts_with_all = ["until", "rollback"])]
    pub(crate) dry_run: bool,

    /// Switch back to the generation before the last switch, after it has caught up
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
    /// Also compare the log with the seals of this file. One line of a file of `portal seal` suffices
    #[arg(long, value_name = "FILE")]
    pub(crate) seal: Option<PathBuf>,

    /// Print one JSON object instead of sentences
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SealFile {
    /// The file to append to, one JSON object per line. Keep it, or its last line, where the owner of
    /// the database cannot write
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

    /// Continue with new events as they are appended
    #[arg(long)]
    pub(crate) follow: bool,

    /// Print one CloudEvents JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Lists the parked streams of each view, with position and reason
    #[command(after_help = "Example:
  portal dead-letters list --json")]
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Prints why a stream is parked, and its events; exit 1 if it is not parked
    #[command(after_help = "Example:
  portal dead-letters show article-01890a5d-ac96-774b-bcce-b302099a8057")]
    Show {
        /// The stream, such as article-UUID
        stream: String,
    },
    /// Applies parked streams again from their first event; exit 1 if one still fails
    #[command(after_help = "Example:
  portal dead-letters retry --all")]
    Retry(Retry),
    /// Discards a parked stream in the current generation of its views
    ///
    /// Hides its document and skips its later events. The log keeps everything: a retry of the stream,
    /// or a replay of the view, applies it again.
    #[command(after_help = "Example:
  portal dead-letters discard article-01890a5d-ac96-774b-bcce-b302099a8057 --view search")]
    Discard {
        /// The stream, such as article-UUID
        stream: String,

        /// Only in this view, such as articles_sports or articles
        #[arg(long)]
        view: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The streams, such as article-UUID; also discarded ones
    #[arg(required_unless_present = "all", value_name = "STREAM")]
    pub(crate) streams: Vec<String>,

    /// All streams that are parked or waiting
    #[arg(long, conflicts_with = "streams")]
    pub(crate) all: bool,

    /// Only in this view, such as articles_sports or articles
    #[arg(long)]
    pub(crate) view: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// JSON, one object per line with title, content, category and source_id, by which a second run
    /// recognises the article; or WordPress WXR 1.0 to 1.2, RSS 2.0 or Atom
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Import a category of the file as one of --categories, such as "Local news=politics". Can be
    /// repeated
    #[arg(long, value_parser = parse_mapping, value_name = "NAME=CATEGORY")]
    pub(crate) map: Vec<(String, Category)>,

    /// The category of articles whose own category is neither mapped nor in --categories [default:
    /// such articles are refused]
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
    /// A role of the token's holder: reader, author, editor or admin. Can be repeated
    #[arg(long = "role", required = true, value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,

    /// The user of the token [default: a new UUID, which belongs to no other user]
    #[arg(long, value_name = "UUID")]
    pub(crate) user: Option<Uuid>,

    /// Minutes until the token expires, at most a day (1440). It cannot be revoked before
    #[arg(long, default_value = "60", value_parser = value_parser!(u16).range(1..=1440))]
    pub(crate) minutes: u16,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command, such as `replay` or `dead-letters retry` [default: the program]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
