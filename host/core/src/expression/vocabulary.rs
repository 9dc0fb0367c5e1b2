//! The words of the expression language: what may be called, and what may not.

/// What may follow `|`. Each charges fuel for the work it does.
#[rustfmt::skip]
pub(crate) const FILTERS: &[&str] = &[
    "abs", "attr", "bool", "capitalize", "chain", "count", "default", "dictsort", "first", "float", "format",
    "groupby", "indent", "int", "items", "join", "last", "length", "lines", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "split", "string", "sum",
    "title", "tojson", "trim", "unique", "upper", "zip",
];

/// What may follow `is`.
#[rustfmt::skip]
pub(crate) const TESTS: &[&str] = &[
    "boolean", "defined", "divisibleby", "endingwith", "eq", "even", "false", "float", "ge", "gt", "in", "integer",
    "iterable", "le", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "startingwith", "string",
    "true", "undefined", "upper",
];

/// What may be called by its name.
pub(crate) const FUNCTIONS: &[&str] = &["dict", "range"];

/// Filters that apply another filter or test to each item.
pub(super) const REPEATING_FILTERS: &[&str] = &["map", "reject", "rejectattr", "select", "selectattr"];

/// Built-ins that are taken away, so that a filter that is named by a value (`map("pprint")`) cannot reach them either.
/// `namespace` would let a loop build a value of any depth; `batch` and `slice` fill up with as many copies of a value as
/// one likes.
pub(super) const FORBIDDEN_BUILTINS: &[&str] =
    &["batch", "debug", "e", "escape", "namespace", "pprint", "safe", "slice"];
