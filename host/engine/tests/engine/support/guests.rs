//! The components that the tests publish, each built once a test process by the toolchain that users have.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use stepwell_toolchain::{BuildOptions, Quiet, Toolchain, build, shared_target_dir};

/// `transform` (effect-free), `courier` (sends what its input names) or `hostile` (misbehaves as its input says).
pub(crate) fn component(name: &str) -> Vec<u8> {
    static BUILT: LazyLock<HashMap<&str, Vec<u8>>> = LazyLock::new(|| {
        [
            ("transform", "steps/transform"),
            ("courier", "tests/guests/courier"),
            ("hostile", "tests/guests/hostile"),
        ]
        .into_iter()
        .map(|(name, folder)| (name, built(folder)))
        .collect()
    });
    BUILT[name].clone()
}

fn built(folder: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let toolchain = Toolchain::ready(&mut Quiet).expect("what compiles steps");
    let options = BuildOptions { target_dir: Some(shared_target_dir(&root)) };
    build(&toolchain, &root.join(folder), &options, &mut Quiet).expect(folder).bytes
}
