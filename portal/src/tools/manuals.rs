//! `portal completions`, `portal man` and `portal settings`: what the definition of the command line
//! is printed as.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;

use crate::settings::{self, Completions, complete_command_line};

const PROGRAM: &str = "portal";

/// Prints a script that completes commands, options and values.
pub(crate) fn completions(arguments: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut complete_command_line(), PROGRAM, &mut script);
    Ok(io::stdout().write_all(&script)?)
}

/// Prints a manual page in roff.
pub(crate) fn man(arguments: &settings::Man) -> Result<()> {
    let mut page = Vec::new();
    Man::new(command(&arguments.command)?).render(&mut page)?;
    Ok(io::stdout().write_all(&page)?)
}

/// Prints the common settings, as `portal help settings` does.
pub(crate) fn common_settings() -> Result<()> {
    let help = command(&["settings".to_owned()])?.render_help();
    Ok(writeln!(io::stdout(), "{}", help.to_string().trim_end())?)
}

/// The command of these words, below the program.
fn command(words: &[String]) -> Result<Command> {
    let mut program = complete_command_line();
    program.build();
    let mut found = &program;
    for word in words {
        let unknown = || format!("portal has no command {:?}", words.join(" "));
        found = found.find_subcommand(word).with_context(unknown)?;
    }
    Ok(found.clone())
}
