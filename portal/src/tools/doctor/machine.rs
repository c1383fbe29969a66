//! The checks of this machine: the settings, the data directory and its disk.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::net::lookup_host;

use super::Finding;
use crate::settings::Settings;
use crate::{telemetry, tls};

const MIB: u64 = 1 << 20;
/// Less room is worth a warning: the embedded stores only grow.
const LOW_MIB: u64 = 1024;
/// With less room the embedded stores soon cannot commit.
const FULL_MIB: u64 = 64;

/// What only the start of a service would find. clap has checked each value by itself.
pub(super) async fn settings(settings: &Settings) -> Finding {
    const SUBJECT: &str = "settings";
    match check(settings).await {
        Ok(()) => {
            let categories: Vec<_> = settings.categories.iter().map(ToString::to_string).collect();
            let (listen, categories) = (&settings.listen, categories.join(","));
            Finding::ok(SUBJECT, format!("--listen {listen} --categories {categories}"))
        }
        Err(error) => {
            let advice = "correct the setting; `portal help settings` describes it";
            Finding::failed(SUBJECT, format!("{error:#}"), advice)
        }
    }
}

async fn check(settings: &Settings) -> Result<()> {
    tls::acceptor(&settings.tls)?;
    tls::trust(&settings.tls)?;
    telemetry::check(&settings.telemetry, &settings.tls)?;
    let listen = &settings.listen;
    let found = lookup_host(listen).await;
    found.map(drop).with_context(|| format!("--listen {listen} is no address like HOST:PORT"))
}

pub(super) fn data_dir(folder: &Path) -> Finding {
    const SUBJECT: &str = "data directory";
    let existing = nearest(folder);
    let is_there = existing == folder;
    if let Err(error) = try_writing(existing) {
        let found = format!("{} cannot be written: {error}", folder.display());
        let advice = "let the user of the service own it, or change --data-dir";
        return Finding::failed(SUBJECT, found, advice);
    }
    let folder = folder.display();
    let mode = existing.metadata().map(|metadata| metadata.permissions().mode());
    match mode {
        _ if !is_there => {
            Finding::ok(SUBJECT, format!("{folder} can be created at the first start"))
        }
        Ok(mode) if mode & 0o077 != 0 => {
            let found = format!("other users of this machine have access to {folder}");
            Finding::warning(
                SUBJECT,
                found,
                format!("the signing keys are in it: chmod 700 {folder}"),
            )
        }
        _ => Finding::ok(SUBJECT, format!("{folder} can be written, by its owner only")),
    }
}

/// A directory that exists: this one, or the one in which it would be created.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."))
}

/// Creates a file and removes it: only that shows a disk that is mounted for reading.
fn try_writing(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".portal-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    std::fs::remove_file(file)
}

pub(super) fn disk_space(folder: &Path) -> Finding {
    const SUBJECT: &str = "disk space";
    let folder_shown = folder.display();
    match rustix::fs::statvfs(nearest(folder)) {
        Ok(disk) => {
            room(disk.f_bavail.saturating_mul(disk.f_frsize) / MIB, &folder_shown.to_string())
        }
        Err(error) => {
            let found = format!("the disk of {folder_shown} does not report it: {error}");
            Finding::warning(SUBJECT, found, "look at it with `df`")
        }
    }
}

fn room(free_mib: u64, folder: &str) -> Finding {
    const SUBJECT: &str = "disk space";
    let found = format!("{free_mib} MiB are free for {folder}");
    let advice = "make room, or move --data-dir to a larger disk";
    match free_mib {
        ..FULL_MIB => Finding::failed(SUBJECT, found, advice),
        FULL_MIB..LOW_MIB => Finding::warning(SUBJECT, found, advice),
        _ => Finding::ok(SUBJECT, found),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::super::Level;
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_a_warning_before_it_is_a_failure() {
        for (free_mib, level) in [
            (0, Level::Failed),
            (63, Level::Failed),
            (64, Level::Warning),
            (1023, Level::Warning),
            (1024, Level::Ok),
        ] {
            assert_eq!(room(free_mib, "data").level, level, "{free_mib}");
        }
    }

    #[test]
    fn a_data_directory_is_written_by_its_owner_only_and_left_as_it_is() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("a").join("b");
        let missing = data_dir(&folder);
        assert_eq!(missing.level, Level::Ok);
        assert!(missing.found.ends_with("can be created at the first start"), "{missing}");
        assert!(!folder.exists());

        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("a mode");
        assert_eq!(data_dir(&folder).level, Level::Warning);
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("a mode");
        assert_eq!(data_dir(&folder).level, Level::Ok);
        assert_eq!(
            std::fs::read_dir(&folder).expect("a folder").count(),
            0,
            "nothing is left in it"
        );

        let file = folder.join("file");
        std::fs::write(&file, "").expect("a file");
        assert_eq!(data_dir(&file).level, Level::Failed);
        assert_eq!(data_dir(&file.join("below")).level, Level::Failed);
    }
}
