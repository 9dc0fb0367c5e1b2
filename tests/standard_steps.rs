//! The standard steps: their own unit tests, their pages, their examples, their sizes.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::guests;
use crate::support::server::{PATIENCE, stepwell};

/// A step is fetched, compiled and kept by every server that uses it.
const MAX_BYTES: usize = 400_000;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command to its end; gives what it wrote to both outputs.
async fn run(mut command: Command, patience: u32) -> (bool, String, String) {
    let output = timeout(patience * PATIENCE, command.output()).await.expect("it ends").unwrap();
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.success(), out, err)
}

#[tokio::test]
async fn every_standard_step_passes_its_own_tests() {
    let mut test = Command::new("cargo");
    test.arg("test").current_dir(repository().join("steps"));
    let (passed, out, err) = run(test, 40).await;
    assert!(passed, "{out}{err}");
    for name in guests::all_standard() {
        assert!(err.contains(&format!("/{}-", name.replace('-', "_"))), "{name} has tests: {err}");
    }
}

#[tokio::test]
async fn a_step_is_tested_as_its_author_does() {
    let mut test = stepwell();
    test.args(["step", "test"]).arg(repository().join("steps/transform"));
    let (passed, out, err) = run(test, 20).await;
    assert!(passed && format!("{out}{err}").contains("test result: ok"), "{out}{err}");
}

/// `UPDATE=1` writes the pages.
#[tokio::test]
async fn every_standard_step_has_a_page_that_says_what_its_component_says() {
    for name in guests::all_standard() {
        let mut page = stepwell();
        // Where the other tests build: what is compiled already is not compiled again.
        let target =
            std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| repository().join("target").into());
        page.env("CARGO_TARGET_DIR", target)
            .args(["step", "page"])
            .arg(repository().join("steps").join(&name));
        let (made, page, err) = run(page, 20).await;
        assert!(made, "{name}: {err}");
        let path = repository().join(format!("docs/steps/{name}.md"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, page, "{} is stale: run this test with UPDATE=1", path.display());
    }
}

#[tokio::test]
async fn the_example_on_each_page_runs() {
    for name in guests::all_standard() {
        let mut test = stepwell();
        test.args(["workflow", "test", "--json"]);
        test.arg(repository().join(format!("steps/{name}/example/workflow.json")));
        let (passed, report, err) = run(test, 20).await;
        assert!(passed, "{name}: {report}{err}");
    }
}

#[test]
fn a_standard_step_is_small_or_its_page_says_why_it_is_not() {
    for name in guests::all_standard() {
        let size = guests::standard(&name).len();
        let about = std::fs::read_to_string(repository().join(format!("steps/{name}/about.md"))).unwrap();
        assert!(size <= MAX_BYTES || about.contains("\n## Size\n"), "{name} has {size} bytes");
    }
}
