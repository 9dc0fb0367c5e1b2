//! What compiles steps here, or what it would take.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use semver::Version;

use crate::TARGET;
use crate::install::{InstallError, install};
use crate::machine::{DEBIAN_CARGO, DEBIAN_RUSTC, Debian, Machine, Rust};
use crate::progress::Progress;

/// The stack of a step, and the heap that it has from the start. With both inside the memory that every instance begins with, a small
/// step never calls `memory.grow`, which costs the host two system calls and a kernel lock an attempt.
const RUSTFLAGS: &str = "-Clink-arg=-zstack-size=65536 -Clink-arg=--initial-heap=262144";

/// Debian's newer Rust, with the library's sources.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Its linker: wanted only where no other Rust brings one.
const DEBIAN_LINKER: &str = "lld-22";

/// What compiles Rust steps: proved to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The active Rust has the target.
    Active { sysroot: PathBuf },
    /// Debian's Rust builds the standard library itself.
    Debian { version: Version, linker: PathBuf },
}

/// What a look at the machine tells.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Nothing is left to do.
    Found(Toolchain),
    /// Something can be installed.
    Needs(Plan),
    /// Somebody has to install something.
    Unavailable(Unavailable),
}

/// What [`install`] will do: shown before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Tried in this order until one works.
    pub(crate) ways: Vec<Way>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    RustupTarget,
    DebianPackages { with_linker: bool },
}

impl Way {
    /// The packages that this way installs.
    pub(crate) fn packages(self) -> Vec<&'static str> {
        match self {
            Self::RustupTarget => Vec::new(),
            Self::DebianPackages { with_linker } => {
                DEBIAN_RUST.into_iter().chain(with_linker.then_some(DEBIAN_LINKER)).collect()
            }
        }
    }
}

/// There is no toolchain, and none that we may install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

impl Toolchain {
    /// Looks at the machine. Changes nothing, needs no network, and costs four runs of `rustc` at most.
    #[must_use]
    pub fn find() -> Verdict {
        decide(&Machine::look())
    }

    /// Finds the toolchain or installs it, saying so first.
    ///
    /// # Errors
    ///
    /// When there is none and none can be installed, with what to do.
    pub fn ready(progress: &mut dyn Progress) -> Result<Self, InstallError> {
        match Self::find() {
            Verdict::Found(toolchain) => Ok(toolchain),
            Verdict::Needs(plan) => install(&plan, progress),
            Verdict::Unavailable(reason) => Err(InstallError::Unavailable(reason)),
        }
    }

    /// A cargo that compiles for the target, by the environment of that one process.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut cargo = match &self.0 {
            Kind::Active { .. } => Command::new("cargo"),
            Kind::Debian { linker, .. } => {
                let mut cargo = Command::new(DEBIAN_CARGO);
                // Building std is a nightly feature, which a distribution's compiler has as well.
                cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        cargo.args(["build", "--release", "--lib", "--target", TARGET]);
        if let Kind::Debian { .. } = self.0 {
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
        // Flags meant for the user's own machine would win over the target's.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RUSTFLAGS);
        cargo
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Active { sysroot } => write!(f, "{TARGET} of {}", sysroot.display()),
            Kind::Debian { version, .. } => {
                write!(f, "Debian's Rust {version}, building the standard library for {TARGET}")
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, way) in self.ways.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; if that fails, " };
            write!(f, "{separator}{way}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RustupTarget => {
                write!(f, "add the target {TARGET} to the active toolchain (rustup target add)")
            }
            Self::DebianPackages { .. } => write!(
                f,
                "install Debian's newer Rust beside yours (apt-get install {}; about 900 MB)",
                self.packages().join(" ")
            ),
        }
    }
}

/// The one place that knows which way is taken when.
pub(crate) fn decide(machine: &Machine) -> Verdict {
    if let Some(active) = machine.active.as_ref().filter(|rust| rust.has_target) {
        return Verdict::Found(Toolchain(Kind::Active { sysroot: active.sysroot.clone() }));
    }
    if let Some(toolchain) = debian_toolchain(machine) {
        return Verdict::Found(toolchain);
    }
    let ways: Vec<_> = [
        (machine.rustup, Way::RustupTarget),
        (machine.debian.as_ref().is_some_and(|debian| debian.is_root), debian_packages(machine)),
    ]
    .into_iter()
    .filter_map(|(possible, way)| possible.then_some(way))
    .collect();
    match ways.is_empty() {
        true => Verdict::Unavailable(unavailable(machine)),
        false => Verdict::Needs(Plan { ways }),
    }
}

fn debian_toolchain(machine: &Machine) -> Option<Toolchain> {
    let rust = machine.debian.as_ref()?.rust.as_ref()?;
    let linker_of = |rust: &Rust| rust.linker.clone();
    let linker = machine.active.as_ref().and_then(linker_of).or_else(|| linker_of(rust))?;
    let is_usable = rust.has_sources && rust.version >= oldest_rust();
    is_usable.then(|| Toolchain(Kind::Debian { version: rust.version.clone(), linker }))
}

fn debian_packages(machine: &Machine) -> Way {
    let has_linker = machine.active.as_ref().is_some_and(|rust| rust.linker.is_some());
    Way::DebianPackages { with_linker: !has_linker }
}

/// The SDK is compiled by it, and follows the same rule as this crate.
#[expect(clippy::expect_used, reason = "a constant of the build")]
pub(crate) fn oldest_rust() -> Version {
    let minor = concat!(env!("CARGO_PKG_RUST_VERSION"), ".0");
    Version::parse(minor).expect("`rust-version` is major.minor")
}

pub(crate) fn unavailable(machine: &Machine) -> Unavailable {
    let advice = match &machine.debian {
        Some(Debian { is_root: false, .. }) => format!(
            "Install Rust with rustup (https://rustup.rs) and run `rustup target add {TARGET}`, or as root run \
             `apt-get install {}`.",
            debian_packages(machine).packages().join(" ")
        ),
        _ => format!("Install Rust with rustup (https://rustup.rs) and run `rustup target add {TARGET}`."),
    };
    Unavailable(format!("No Rust here compiles for {TARGET}. {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust() -> Rust {
        Rust {
            version: oldest_rust(),
            sysroot: "/rust".into(),
            has_target: false,
            has_sources: false,
            linker: Some("/rust/rust-lld".into()),
        }
    }

    fn debian(rust: Option<Rust>, is_root: bool) -> Option<Debian> {
        Some(Debian { is_root, rust })
    }

    #[test]
    fn a_toolchain_with_the_target_needs_nothing() {
        let active = Some(Rust { has_target: true, ..rust() });
        let verdict = decide(&Machine { active, rustup: true, debian: debian(None, true) });
        assert!(matches!(verdict, Verdict::Found(Toolchain(Kind::Active { .. }))), "{verdict:?}");
    }

    #[test]
    fn rustup_is_asked_before_debian() {
        let verdict = decide(&Machine { active: Some(rust()), rustup: true, debian: debian(None, true) });
        let Verdict::Needs(plan) = verdict else { panic!("{verdict:?}") };
        assert_eq!(plan.ways, [Way::RustupTarget, Way::DebianPackages { with_linker: false }]);
        let words = plan.to_string();
        assert!(
            words.contains("rustup target add") && words.contains("apt-get install rustc-web"),
            "{words}"
        );
    }

    #[test]
    fn debians_rust_is_taken_with_the_active_linker() {
        let packaged = Rust { has_sources: true, linker: None, ..rust() };
        let verdict =
            decide(&Machine { active: Some(rust()), rustup: true, debian: debian(Some(packaged), false) });
        let Verdict::Found(Toolchain(Kind::Debian { linker, .. })) = verdict else { panic!("{verdict:?}") };
        assert_eq!(linker, PathBuf::from("/rust/rust-lld"));
    }

    #[test]
    fn debians_rust_counts_only_with_sources_linker_and_age() {
        let good = Rust { has_sources: true, ..rust() };
        let lacking = [
            Rust { has_sources: false, ..good.clone() },
            Rust { linker: None, ..good.clone() },
            Rust { version: Version::new(1, 85, 0), ..good.clone() },
        ];
        for packaged in lacking {
            let verdict =
                decide(&Machine { active: None, rustup: false, debian: debian(Some(packaged), true) });
            assert!(matches!(verdict, Verdict::Needs(_)), "{verdict:?}");
        }
    }

    #[test]
    fn who_can_install_nothing_is_told_what_to_install() {
        let Verdict::Unavailable(elsewhere) = decide(&Machine::default()) else { panic!("nothing is there") };
        assert!(elsewhere.to_string().contains("rustup.rs") && !elsewhere.to_string().contains("apt-get"));

        let user = Machine { debian: debian(None, false), ..Machine::default() };
        let Verdict::Unavailable(user) = decide(&user) else { panic!("a user installs no packages") };
        assert!(user.to_string().contains("as root"));
    }

    #[test]
    fn flags_for_the_users_machine_do_not_reach_a_step() {
        let toolchain = Toolchain(Kind::Active { sysroot: "/rust".into() });
        let cargo = toolchain.cargo_build();
        let removed: Vec<_> =
            cargo.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(
            removed.contains(&"RUSTFLAGS".as_ref()) && removed.contains(&"CARGO_ENCODED_RUSTFLAGS".as_ref())
        );
    }
}
