//! What a component's outermost layer says, read before anything is compiled: what it imports and exports.
//!
//! A component can do what it imports and nothing else, so this is where its authority is judged.

use std::collections::BTreeSet;

use semver::Version;
use stepwell_core::manifest::Capability;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use crate::error::PublishError;

/// The interfaces of the package `stepwell:step`, version 1.
pub(crate) const CONTRACT_INTERFACES: [&str; 9] =
    ["types", "log", "context", "http", "state", "blob", "usage", "decision", "progress"];

/// The packages of WASI 0.2 that are linked, empty.
pub(crate) const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The interfaces of `wasi:http` 0.2 that are linked, through the same gate as `http`.
pub(crate) const WASI_HTTP_INTERFACES: [&str; 2] = ["types", OUTGOING];
const OUTGOING: &str = "outgoing-handler";

/// What the world `step` exports.
const EXPORTS: [&str; 2] = ["describe", "run"];

/// A component's imports, all of them allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Imports {
    /// By their full names.
    pub(crate) names: BTreeSet<String>,
    /// The effect interfaces among them.
    pub(crate) effects: BTreeSet<Capability>,
}

/// Checks that these bytes look like a step: a component, with the exports of one, that imports nothing forbidden.
/// Whether the types fit is found out when it is linked.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Imports, PublishError> {
    let surface = Surface::read(bytes)?;
    let (allowed, forbidden): (Vec<_>, Vec<_>) =
        surface.imports.into_iter().partition(|name| judge(name).is_some());
    if !forbidden.is_empty() {
        return Err(PublishError::ForbiddenImports(forbidden));
    }
    let missing: Vec<_> = EXPORTS
        .iter()
        .filter(|name| !surface.exports.contains(**name))
        .map(|name| (*name).to_owned())
        .collect();
    if !missing.is_empty() {
        return Err(PublishError::MissingExports(missing));
    }
    let effects = allowed.iter().filter_map(|name| effect_of(name)).collect();
    Ok(Imports { names: allowed.into_iter().collect(), effects })
}

/// The effect that an import of this name may have, if it is an effect interface.
pub(crate) fn effect_of(import: &str) -> Option<Capability> {
    judge(import)?.capability()
}

/// Whether an import is this interface of the contract, which the step may have.
pub(crate) fn imports_interface(import: &str, interface: &str) -> bool {
    let name = import.split_once('@').map_or(import, |(name, _)| name);
    name.strip_prefix("stepwell:step/") == Some(interface)
}

/// An import that a step may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Nothing can come of it.
    Harmless,
    /// An effect interface.
    Effect(Capability),
}

impl Allowed {
    fn capability(self) -> Option<Capability> {
        match self {
            Self::Harmless => None,
            Self::Effect(capability) => Some(capability),
        }
    }
}

/// Judges one import by its name, `namespace:package/interface@version`; `None` is forbidden.
fn judge(name: &str) -> Option<Allowed> {
    let (path, version) = name.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    let version = Version::parse(version).ok()?;
    let (effect, allowed) = match package.split_once(':')? {
        ("stepwell", "step") => {
            (capability(interface), version.major == 1 && CONTRACT_INTERFACES.contains(&interface))
        }
        ("wasi", "http") => {
            let effect = (interface == OUTGOING).then_some(Capability::Http);
            (effect, is_wasi_0_2(&version) && WASI_HTTP_INTERFACES.contains(&interface))
        }
        ("wasi", package) => (None, is_wasi_0_2(&version) && WASI_PACKAGES.contains(&package)),
        _ => return None,
    };
    allowed.then_some(effect.map_or(Allowed::Harmless, Allowed::Effect))
}

/// What an interface of the contract can do to the world.
fn capability(interface: &str) -> Option<Capability> {
    match interface {
        "http" => Some(Capability::Http),
        "state" => Some(Capability::State),
        _ => None,
    }
}

fn is_wasi_0_2(version: &Version) -> bool {
    (version.major, version.minor) == (0, 2)
}

/// The names at a component's outermost layer.
struct Surface {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

impl Surface {
    fn read(bytes: &[u8]) -> Result<Self, PublishError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(PublishError::NotWebAssembly);
        }
        if Parser::is_core_wasm(bytes) {
            return Err(PublishError::CoreModule);
        }
        let mut surface = Self { imports: BTreeSet::new(), exports: BTreeSet::new() };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(invalid)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(PublishError::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import.map_err(invalid)?;
                        if !is_type_alias(import.ty) {
                            surface.imports.insert(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        surface.exports.insert(export.map_err(invalid)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }
}

/// A world that uses types of an interface imports their names as well. A name for a type gives no authority.
fn is_type_alias(import: ComponentTypeRef) -> bool {
    matches!(import, ComponentTypeRef::Type(TypeBounds::Eq(_)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn invalid(error: wasmparser::BinaryReaderError) -> PublishError {
    PublishError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is not on the list is forbidden, near misses above all.
    #[test]
    fn the_import_table_decides_what_a_step_may_import() {
        use Allowed::{Effect, Harmless};
        for (name, verdict) in [
            ("stepwell:step/types@1.0.0", Some(Harmless)),
            ("stepwell:step/log@1.0.0", Some(Harmless)),
            ("stepwell:step/context@1.7.2", Some(Harmless)),
            ("stepwell:step/usage@1.0.0", Some(Harmless)),
            ("stepwell:step/decision@1.0.0", Some(Harmless)),
            ("stepwell:step/progress@1.0.0", Some(Harmless)),
            ("stepwell:step/http@1.0.0", Some(Effect(Capability::Http))),
            ("stepwell:step/blob@1.0.0", Some(Harmless)),
            ("stepwell:step/state@1.0.0", Some(Effect(Capability::State))),
            ("wasi:cli/environment@0.2.6", Some(Harmless)),
            ("wasi:clocks/wall-clock@0.2.0", Some(Harmless)),
            ("wasi:filesystem/types@0.2.3", Some(Harmless)),
            ("wasi:io/streams@0.2.3", Some(Harmless)),
            ("wasi:random/random@0.2.3", Some(Harmless)),
            ("wasi:sockets/tcp@0.2.3", Some(Harmless)),
            ("wasi:http/types@0.2.10", Some(Harmless)),
            ("wasi:http/outgoing-handler@0.2.10", Some(Effect(Capability::Http))),
            ("stepwell:step/http@2.0.0", None),
            ("stepwell:step/files@1.0.0", None),
            ("stepwell:step/http", None),
            ("stepwell:steps/http@1.0.0", None),
            ("stepwell:step/http@1", None),
            ("wasi:http/incoming-handler@0.2.3", None),
            ("wasi:http/outgoing-handler@0.3.0", None),
            ("wasi:keyvalue/store@0.2.0", None),
            ("wasi:cli/environment@0.3.0", None),
            ("evil:step/http@1.0.0", None),
            ("run", None),
            ("unlocked-dep=<stepwell:step>", None),
            ("", None),
        ] {
            assert_eq!(judge(name), verdict, "{name}");
        }
    }

    #[test]
    fn what_is_no_component_is_told_what_it_is() {
        assert!(matches!(inspect(b""), Err(PublishError::NotWebAssembly)));
        assert!(matches!(inspect(b"PK\x03\x04"), Err(PublishError::NotWebAssembly)));
        assert!(matches!(inspect(b"\0asm\x01\0\0\0"), Err(PublishError::CoreModule)));
        assert!(matches!(inspect(b"\0asm\x0d\0\x01\0\xff"), Err(PublishError::Invalid(_))));
        assert!(
            matches!(inspect(b"\0asm\x0d\0\x01\0"), Err(PublishError::MissingExports(names)) if names == EXPORTS)
        );
    }
}
