//! The standard steps' own unit tests, run as their authors run them.

use std::path::Path;

use tokio::time::timeout;

use crate::support::guests;
use crate::support::server::{PATIENCE, stepwell};

#[tokio::test]
async fn each_standard_step_passes_its_own_tests() {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../steps");
    for name in guests::STANDARD {
        let mut test = stepwell();
        test.args(["step", "test"]).arg(steps.join(name));
        let output = timeout(20 * PATIENCE, test.output()).await.expect("the tests end").unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{name}: {said}");
        assert!(said.contains("test result: ok"), "{name} has tests: {said}");
    }
}
