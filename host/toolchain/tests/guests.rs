//! What the toolchain promises a step's author, tried with the real compiler.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use stepwell_toolchain::{
    BuildError, BuildOptions, Quiet, Toolchain, build, new_step, shared_target_dir, test,
};
use wasmparser::{Parser, Payload};

fn options() -> BuildOptions {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    BuildOptions { target_dir: Some(shared_target_dir(&repository)) }
}

fn try_build(folder: &Path) -> Result<stepwell_toolchain::Component, BuildError> {
    let toolchain = Toolchain::ready(&mut Quiet).unwrap();
    build(&toolchain, folder, &options(), &mut Quiet)
}

/// The interfaces that the component itself imports, and what it exports.
fn interface(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                let names = section.into_iter().map(|import| import.unwrap().name.name.to_string());
                // A name without a package is a type of an interface.
                imports.extend(names.filter(|name| name.contains(':')));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_string()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn new_crate(name: &str) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = new_step(parent.path(), name).unwrap();
    (parent, folder)
}

#[test]
fn a_new_step_builds_and_tests_as_it_is_and_imports_no_more_than_it_uses() {
    let (_parent, folder) = new_crate("made-by-test");
    let component = try_build(&folder).unwrap();
    assert_eq!((component.name.as_str(), component.version.to_string().as_str()), ("made-by-test", "0.1.0"));
    assert_eq!(fs::read(&component.path).unwrap(), component.bytes);

    let (imports, exports) = interface(&component.bytes);
    assert_eq!(imports, ["stepwell:step/types@1.0.0", "stepwell:step/log@1.0.0"]);
    assert_eq!(exports, ["describe", "run"]);
    assert!(
        component.bytes.len() < 250_000,
        "a small step has become large: {} bytes",
        component.bytes.len()
    );

    test(&folder, &mut Quiet).unwrap();
}

#[test]
fn a_step_that_does_not_compile_shows_the_compilers_words() {
    let (_parent, folder) = new_crate("broken-by-test");
    let source = folder.join("src/lib.rs");
    fs::write(&source, fs::read_to_string(&source).unwrap().replace("input.name", "input.nmae")).unwrap();
    let error = try_build(&folder).unwrap_err();
    assert!(matches!(error, BuildError::Cargo(_)), "{error}");
    assert!(error.to_string().contains("no field `nmae`"), "{error}");
}

#[test]
fn a_folder_that_holds_no_step_is_told_so() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(try_build(empty.path()), Err(BuildError::NoCrate { .. })));

    let (_parent, folder) = new_crate("library-by-test");
    let manifest = folder.join("Cargo.toml");
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace("crate-type", "#")).unwrap();
    let error = try_build(&folder).unwrap_err();
    assert!(error.to_string().contains("crate-type = [\"cdylib\"]"), "{error}");
}

#[test]
fn a_crate_without_the_attribute_is_no_component() {
    let (_parent, folder) = new_crate("bare-by-test");
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    let error = try_build(&folder).unwrap_err();
    assert!(matches!(error, BuildError::NoStep { .. }), "{error}");
    assert!(error.to_string().contains("#[stepwell_sdk::step]"), "{error}");
}
