//! Programs of others that read what we write: whether we keep to a standard is not for us to say.
//!
//! Each is a script in `portal/tests/checkers`, run by the Python that `scripts/services python`
//! has made with the libraries of `requirements.txt`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// The interpreter with the libraries.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
    let output = Command::new(services).arg("python").output().expect("scripts/services python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
});

/// What `portal/tests/checkers/{script}` finds in this input, as it prints it.
pub fn check(script: &str, arguments: &[&str], input: &str) -> String {
    let output = run(script, arguments, input);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {found}{errors}");
    found
}

fn run(script: &str, arguments: &[&str], input: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkers").join(script);
    let mut process = Command::new(&*PYTHON)
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut stdin = process.stdin.take().expect("its input");
    let input = input.to_owned();
    // Beside reading what it prints, or both sides could wait for each other.
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().expect("its end");
    // A script that has seen enough may end before it has read everything.
    let _ = writing.join();
    output
}
