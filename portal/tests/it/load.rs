//! `scripts/load` in a few seconds: what it prints, not how much that is.

use std::process::Command;

fn load(what: &str, settings: &[(&str, &str)]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/load");
    let mut load = Command::new(script);
    load.arg(what).env("LOAD_PORTAL", env!("CARGO_BIN_EXE_portal"));
    load.envs([("LOAD_SECONDS", "1"), ("LOAD_THREADS", "1"), ("LOAD_CONNECTIONS", "4")]);
    let output = load.envs(settings.iter().copied()).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn four_layers_are_loaded_in_one_run() {
    let text = load("layers", &[]);
    for layer in
        ["1. one process", "2. separate", "3. the same with TLS", "4. the same with signed"]
    {
        for what in [" article ", "home "] {
            let row = text.lines().find(|line| line.starts_with(layer) && line.contains(what));
            let row = row.unwrap_or_else(|| panic!("{layer}: {what}: {text}"));
            let figures: Vec<f64> =
                row.split_whitespace().rev().take(7).filter_map(|word| word.parse().ok()).collect();
            let [timeouts, errors, .., p50, rate] = figures[..] else { panic!("{row}") };
            assert!(timeouts == 0.0 && errors == 0.0 && p50 > 0.0 && rate > 0.0, "{row}");
        }
    }
    assert!(text.contains("layers: article: "), "{text}");
}

mod thorough {
    use super::load;

    #[test]
    fn a_rising_load_is_drawn() {
        let folder = tempfile::tempdir().expect("a folder");
        let picture = folder.path().join("load.svg");
        let picture = picture.to_str().expect("a path");
        // More than a build without optimisation can do after a few steps.
        let text = load("capacity", &[("LOAD_RATE", "1500"), ("LOAD_PICTURE", picture)]);
        assert!(text.contains("capacity: "), "{text}");
        let drawn = std::fs::read_to_string(picture).expect("the picture");
        assert_eq!(drawn.matches("<polyline ").count(), 2, "{drawn}");
        assert!(drawn.contains(">p99</text>") && drawn.trim_end().ends_with("</svg>"), "{drawn}");
    }

    #[test]
    fn a_steady_load_is_told_round_by_round() {
        // Whatever else the machine does, no round is slow.
        let slowest = ("LOAD_SLOWEST_MS", "60000");
        let text = load("soak", &[("LOAD_RATE", "5"), ("LOAD_MINUTES", "0"), slowest]);
        assert!(text.contains("soak: 2 rounds at 5/s, 0 of them beyond"), "{text}");
    }
}
