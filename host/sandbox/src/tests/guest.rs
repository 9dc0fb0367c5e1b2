//! Guests written by hand, a few instructions each, encoded as components.

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

const CONTRACT: [(&str, &str); 9] = [
    ("step.wit", include_str!("../../../../wit/step.wit")),
    ("blob.wit", include_str!("../../../../wit/blob.wit")),
    ("context.wit", include_str!("../../../../wit/context.wit")),
    ("decision.wit", include_str!("../../../../wit/decision.wit")),
    ("http.wit", include_str!("../../../../wit/http.wit")),
    ("log.wit", include_str!("../../../../wit/log.wit")),
    ("progress.wit", include_str!("../../../../wit/progress.wit")),
    ("state.wit", include_str!("../../../../wit/state.wit")),
    ("usage.wit", include_str!("../../../../wit/usage.wit")),
];

/// A step in the making. Its `run` gets `$input`, `$input_len`, `$config` and `$config_len`, and may end with
/// `(call $answer (i32.const pointer) (i32.const length))`.
pub(super) struct Guest<'a> {
    pub(super) world: &'a str,
    /// Imports of the core module.
    pub(super) imports: &'a str,
    /// Instructions of `describe`, before its answer.
    pub(super) describe: &'a str,
    /// Functions and data beside `run`; data at 2048 and above.
    pub(super) items: &'a str,
    /// Instructions of `run`.
    pub(super) run: &'a str,
}

impl Default for Guest<'_> {
    /// Answers its input.
    fn default() -> Self {
        Self {
            world: "stepwell:step/step",
            imports: "",
            describe: "",
            items: "",
            run: "(call $answer (local.get $input) (local.get $input_len))",
        }
    }
}

impl Guest<'_> {
    /// The component.
    pub(super) fn build(&self) -> Bytes {
        component(self.world, &self.module())
    }

    fn module(&self) -> String {
        let Self { imports, describe, items, run, .. } = self;
        format!(
            r#"(module
  {imports}
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 65536))
  ;; Gives out memory from the first page's end on, growing it where it must, and takes none back.
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $pointer i32)
    (local.set $pointer (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
    (global.set $free (i32.add (local.get $pointer) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $free) (i32.shl (memory.size) (i32.const 16))))
      (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1)))))
    (local.get $pointer))
  (data (i32.const 512) "test-step1.0.0A step of the teststruenull")
  (func $text (param $at i32) (param $pointer i32) (param $length i32)
    (i32.store (local.get $at) (local.get $pointer))
    (i32.store offset=4 (local.get $at) (local.get $length)))
  (func (export "describe") (result i32)
    {describe}
    (call $text (i32.const 256) (i32.const 512) (i32.const 9))
    (call $text (i32.const 264) (i32.const 521) (i32.const 5))
    (call $text (i32.const 272) (i32.const 526) (i32.const 19))
    (call $text (i32.const 280) (i32.const 545) (i32.const 4))
    (call $text (i32.const 288) (i32.const 545) (i32.const 4))
    (call $text (i32.const 296) (i32.const 545) (i32.const 4))
    (call $text (i32.const 304) (i32.const 0) (i32.const 0))
    (i32.const 256))
  ;; `ok` of a text
  (func $answer (param $pointer i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 0))
    (call $text (i32.const 24) (local.get $pointer) (local.get $length))
    (i32.const 16))
  ;; `err` of a step-error, 0 to 2, with the input as its message and as its detail; retryable after 1500 ms
  (func $fail (param $kind i32) (param $pointer i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 1))
    (i32.store8 (i32.const 24) (local.get $kind))
    (call $text (i32.const 32) (local.get $pointer) (local.get $length))
    (i32.store8 (i32.const 40) (i32.const 1))
    (call $text (i32.const 44) (local.get $pointer) (local.get $length))
    (i32.store8 (i32.const 56) (i32.const 1))
    (i64.store (i32.const 64) (i64.const 1500))
    (i32.const 16))
  {items}
  (func (export "run")
    (param $input i32) (param $input_len i32) (param $config i32) (param $config_len i32) (result i32)
    {run})
)"#
        )
    }
}

/// Encodes a core module, in text, as a component of a world.
pub(super) fn component(world: &str, module: &str) -> Bytes {
    let mut resolve = Resolve::default();
    let mut contract = SourceMap::default();
    for (name, text) in CONTRACT {
        contract.push_str(name, text);
    }
    let contract = resolve.push_group(contract.parse().expect("the contract")).expect("the contract");
    let tests = resolve.push_source("wasi.wit", include_str!("wasi.wit")).expect("the tests' worlds");
    let world = resolve.select_world(&[contract, tests], Some(world)).expect("a world");

    let mut module = wat::parse_str(module).expect("a module");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("metadata");
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).expect("a guest of its world");
    encoder.encode().expect("a component").into()
}
