//! The SDK's sources are embedded by a macro that cargo cannot see through.

fn main() {
    for embedded in ["../../guest-sdk", "../../wit", "../../Cargo.toml"] {
        println!("cargo::rerun-if-changed={embedded}");
    }
}
