//! The command line as clap parses it, and which settings the help of a command shows.
//!
//! Every command accepts the common settings. Their many lines are shown by `portal --help` and
//! `portal help settings`; the help of another command shows its own options and an example, and
//! refers to them.

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::Cli;

const REFERENCE: &str = "Common settings: `portal help settings`";

/// Parses the arguments and the environment of this process.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let matches = command_line().try_get_matches()?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command_line()))
}

/// The command line with the common settings at every command, for completions and manuals.
pub(crate) fn complete_command_line() -> Command {
    Cli::command()
}

fn command_line() -> Command {
    let command = Cli::command();
    let common = command.get_arguments().filter(|argument| argument.is_global_set());
    let hidden: Vec<Arg> = common.map(|argument| argument.clone().hide(true)).collect();
    command.mut_subcommands(|task| match task.get_name() {
        "settings" => task,
        // clap adds a global argument to each subcommand that does not have it yet.
        _ => with_reference(task).args(&hidden),
    })
}

/// Ends the help of a command, and of its subcommands, with the reference to the common settings.
fn with_reference(command: Command) -> Command {
    let example = command.get_after_help().map(|text| format!("{text}\n\n"));
    let help = example.unwrap_or_default() + REFERENCE;
    command.after_help(help).mut_subcommands(with_reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line with what clap adds itself.
    fn built() -> Command {
        let mut command = command_line();
        command.build();
        command
    }

    fn all(command: &Command) -> Vec<&Command> {
        let below = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        below.flat_map(|sub| [vec![sub], all(sub)].concat()).collect()
    }

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        command_line().debug_assert();
        complete_command_line().debug_assert();
    }

    #[test]
    fn every_command_accepts_every_common_setting_and_shows_an_example_instead_of_it() {
        let command = built();
        let common: Vec<_> = command.get_arguments().filter(|it| it.is_global_set()).collect();
        assert!(common.len() > 20, "{common:?}");
        let tasks = all(&command);
        assert!(tasks.len() > 15);
        for task in tasks {
            let name = task.get_bin_name().unwrap_or_default();
            let missing =
                |setting: &&&Arg| task.get_arguments().all(|it| it.get_id() != setting.get_id());
            assert_eq!(common.iter().find(missing), None, "{name}");
            let help = task.clone().render_long_help().to_string();
            if task.get_name() == "settings" {
                assert!(help.contains("--event-log <URL>"), "{help}");
                continue;
            }
            let shown = task.get_arguments().find(|it| it.is_global_set() && !it.is_hide_set());
            assert_eq!(shown, None, "{name}");
            assert!(help.contains("Example:\n  portal "), "{name}: {help}");
            assert!(help.trim_end().ends_with(REFERENCE), "{name}: {help}");
        }
    }

    #[test]
    fn the_common_settings_are_parsed_before_and_after_a_command() {
        for arguments in [
            ["portal", "--categories", "a,b", "dead-letters", "list"],
            ["portal", "dead-letters", "--categories", "a,b", "list"],
            ["portal", "dead-letters", "list", "--categories", "a,b"],
        ] {
            let matches = command_line().try_get_matches_from(arguments).expect("arguments");
            let cli = Cli::from_arg_matches(&matches).expect("settings");
            let names: Vec<_> = cli.settings.categories.iter().map(ToString::to_string).collect();
            assert_eq!(names, ["a", "b"], "{arguments:?}");
        }
    }
}
