//! The examples: each is drawn, and played on a real server by the command that its page names.
//! That each is right through crashes and faults is [`crate::workflow_test`]'s to say.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::client::output;
use crate::support::server::stepwell;

/// The folders below `examples`.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

fn name(example: &Path) -> &str {
    example.file_name().unwrap().to_str().unwrap()
}

async fn run(arguments: &[&str], file: Option<&Path>) -> (bool, String, String) {
    let mut command = stepwell();
    command.args(arguments).args(file);
    let output = output(command).await;
    let [said, told] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.success(), said, told)
}

#[tokio::test]
async fn every_example_has_a_picture_of_itself_and_a_page_that_says_how_to_run_it() {
    for example in examples() {
        let (is_drawn, picture, told) =
            run(&["workflow", "graph", "--svg"], Some(&example.join("workflow.json"))).await;
        assert!(is_drawn, "{told}");
        let file = example.join("graph.svg");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &picture).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        let name = name(&example);
        assert!(
            kept == picture,
            "examples/{name}/graph.svg is not the workflow's picture: run this test with UPDATE=1"
        );
        let page = std::fs::read_to_string(example.join("README.md")).unwrap();
        for part in ["](graph.svg)", "## Run it", "## Test it", "cargo run --release -- demo"] {
            assert!(page.contains(part), "examples/{name}/README.md lacks `{part}`");
        }
    }
}

#[tokio::test]
async fn every_example_is_played_to_its_end_by_one_command() {
    for example in examples() {
        let name = name(&example);
        let (is_played, said, told) = run(&["demo", name, "--exit", "--json"], None).await;
        assert!(is_played, "{name}: {told}");
        let played: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{name}: {said}"));
        assert_eq!(played["run"]["status"], "succeeded", "{name}: {played:#}");
    }
}

#[tokio::test]
async fn an_example_or_case_that_is_not_there_is_refused_with_those_that_are() {
    let (is_played, _, told) = run(&["demo", "product-foto", "--exit"], None).await;
    assert!(!is_played && told.contains("product-photo"), "{told}");
    let (is_played, _, told) = run(&["demo", "document-review", "--case", "none", "--exit"], None).await;
    assert!(!is_played && told.contains("a document is released"), "{told}");
}
