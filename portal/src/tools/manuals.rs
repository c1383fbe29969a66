//! `portal completions`, `portal man` and `portal settings`: what the definition of the command line
//! is printed as.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;

use crate::settings::{self, Completions, VERSION, complete_command_line};

const PROGRAM: &str = "portal";

/// Prints a script that completes commands, options and values.
pub(crate) fn completions(arguments: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut complete_command_line(), PROGRAM, &mut script);
    print(&script)
}

/// Prints a manual page in roff.
pub(crate) fn man(arguments: &settings::Man) -> Result<()> {
    let command = command(&arguments.command)?;
    let source = format!("{PROGRAM} {VERSION}");
    let mut page = Vec::new();
    Man::new(command).source(source).render(&mut page)?;
    print(&page)
}

/// Prints the common settings, as `portal help settings` does.
pub(crate) fn common_settings() -> Result<()> {
    let help = command(&["settings".to_owned()])?.render_help();
    print(help.to_string().as_bytes())
}

/// `portal man | head` ends without an error.
fn print(text: &[u8]) -> Result<()> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
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
