//! Tells the program which commit it is built from, for `--version` and for the metric
//! `portal_build_info`. Without git, or outside a repository, the commit is `unknown`.

use std::path::Path;
use std::process::Command;

fn main() {
    // Without this line Cargo would run the script again after every change of a source file.
    println!("cargo::rerun-if-changed=build.rs");
    for file in files_that_name_the_commit() {
        println!("cargo::rerun-if-changed={file}");
    }
    let format = ["log", "-1", "--no-show-signature", "--abbrev=9", "--format=%h %cs"];
    let build = git(&format).unwrap_or_else(|| "unknown".to_owned());
    let commit = build.split(' ').next().unwrap_or_default();
    println!("cargo::rustc-env=PORTAL_COMMIT={commit}");
    println!("cargo::rustc-env=PORTAL_BUILD={build}");
}

/// Only files that exist: Cargo takes a missing one for a change, and would build every time.
fn files_that_name_the_commit() -> Vec<String> {
    // Git knows where these are, also in a worktree, whose `.git` is a file.
    let file = |name: &str| {
        git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists())
    };
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).and_then(|branch| file(&branch));
    match branch {
        Some(branch) => file("HEAD").into_iter().chain([branch]).collect(),
        // No branch is checked out, or it has no file of its own: a commit shows in the log of HEAD.
        None => ["HEAD", "packed-refs", "logs/HEAD"].into_iter().filter_map(file).collect(),
    }
}

/// The first line that git prints; `None` when it is missing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().filter(|line| output.status.success() && !line.is_empty());
    line.map(str::to_owned)
}
