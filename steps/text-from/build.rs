//! The readers of documents follow what is nested in them: they need a deeper stack than other steps.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-cdylib-link-arg=-zstack-size=1048576");
    }
}
