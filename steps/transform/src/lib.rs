//! Shapes JSON with a template: what goes in as `input` comes out in the template's shape.
//!
//! Without effects, and so free to run again: the engine waits for no disk around it.

mod path;
mod template;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stepwell_sdk::StepError;

/// The shape of the output.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Any JSON. Its strings may hold `{{ expressions }}` over `input`; a string that is one expression and nothing
    /// else keeps the expression's type.
    template: Value,
}

#[stepwell_sdk::step]
fn transform(input: Value, config: Config) -> Result<Value, StepError> {
    template::render(config.template, &input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stepwell_sdk::StepErrorKind;
    use stepwell_sdk::testing::call;

    use super::*;

    fn shape(template: Value, input: Value) -> Result<Value, StepError> {
        call(transform, &input, &json!({"template": template}))
    }

    #[test]
    fn a_whole_expression_keeps_its_type() {
        let template = json!({"id": "{{ input.id }}", "tags": "{{ input.tags }}", "first": "{{ input.tags[0] }}", "n": 1});
        let output = shape(template, json!({"id": 7, "tags": ["a", "b"]})).unwrap();
        assert_eq!(output, json!({"id": 7, "tags": ["a", "b"], "first": "a", "n": 1}));
    }

    #[test]
    fn text_around_expressions_makes_text() {
        let output =
            shape(json!("{{ input.a }} and {{ input.b }}"), json!({"a": "x", "b": {"c": null}})).unwrap();
        assert_eq!(output, json!("x and {\"c\":null}"));
        assert_eq!(shape(json!(" {{ input }}"), json!(true)).unwrap(), json!(" true"));
    }

    /// Paths are looked up without MiniJinja; what comes out must be the same. The comment sends the second one to MiniJinja.
    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        let input = json!({
            "text": "Grüße, ß und ǆ", "padded": "\t x\u{a0}\n", "number": 1.0, "big": u64::MAX, "small": -3, "exact": 1e-7, "none": null, "yes": true,
            "list": [[1, 2], {"deep": ["x"]}], "map": {"b": 1, "a": [], "a_1": {}}, "": 0, "0": 1,
        });
        for expression in [
            "input",
            "input.text",
            "input.number",
            "input.big",
            "input.small",
            "input.exact",
            "input.none",
            "input.yes",
            "input.list",
            "input.list[0]",
            "input.list[0][1]",
            "input.list[1].deep[0]",
            "input.map",
            "input.map.a_1",
            "input.text | upper",
            "input.text|lower",
            "input.list[1].deep[0] | upper",
            "input.padded | trim",
        ] {
            for (before, after) in [("", ""), ("<", ">\n"), ("{{ input.text }}", ""), (" } %} ", "{ ")] {
                let short = format!("{before}{{{{ {expression} }}}}{after}");
                assert!(path::render(&short, &input).is_some(), "{short}");
                let by_path = shape(json!(short), input.clone()).unwrap();
                let long = format!("{before}{{{{ ({expression}) }}}}{after}");
                assert!(path::render(&long, &input).is_none(), "{long}");
                assert_eq!(by_path, shape(json!(long), input.clone()).unwrap(), "{short}");
            }
        }
    }

    #[test]
    fn what_is_more_than_a_path_is_left_to_minijinja() {
        let input = json!({"a": [1], "b": "x"});
        for text in [
            "{{ input.a[-1] }}",
            "{{ input['b'] }}",
            "{{ input.a[1] }}",
            "{{ input.c }}",
            "{{ input.b.c }}",
            "{{ inputs }}",
            "{{- input.b }}",
            "{{ input.b -}}",
            "{{ input.b | upper | lower }}",
            "{{ input.a | upper }}",
            "{{ input. }}",
            "{% raw %}{{ input.b }}{% endraw %}",
            "{# {{ input.b }} #}",
            "{{ input.b }}{#",
            "{{ input.b",
            "{{ '}}' }}",
        ] {
            assert_eq!(path::render(text, &input), None, "{text}");
        }
    }

    #[test]
    fn loops_and_conditions_work_in_text() {
        let template = json!("{% for n in input %}{% if n > 1 %}<{{ n }}>{% endif %}{% endfor %}\n");
        assert_eq!(shape(template, json!([1, 2, 3])).unwrap(), json!("<2><3>\n"));
    }

    #[test]
    fn filters_tests_and_functions_are_found() {
        let template = json!([
            "{{ input | upper }}",
            "{{ nothing is defined }}",
            "{{ range(2) }}",
            "{{ nothing | default(1) }}"
        ]);
        assert_eq!(shape(template, json!("a")).unwrap(), json!(["A", false, [0, 1], 1]));
        let error = shape(json!("{{ input | uper }}"), json!("a")).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
    }

    #[test]
    fn nothing_is_escaped_and_braces_in_strings_do_no_harm() {
        assert_eq!(shape(json!("<{{ input }}>"), json!("<&>")).unwrap(), json!("<<&>>"));
        assert_eq!(shape(json!("{{ '}}' ~ input }}"), json!("x")).unwrap(), json!("}}x"));
    }

    #[test]
    fn large_numbers_and_deep_values_pass_unharmed() {
        let input = json!({"big": u64::MAX, "small": i64::MIN, "half": 0.5, "deep": [[[[{"a": [null]}]]]]});
        assert_eq!(shape(json!("{{ input }}"), input.clone()).unwrap(), input);
    }

    #[test]
    fn an_undefined_name_is_the_inputs_fault_and_says_where() {
        let error = shape(json!({"a": [0, {"b": "{{ input.nmae }}"}]}), json!({"name": 1})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.starts_with("/a/1/b: "), "{error}");
        assert_eq!(error.detail, Some(json!({"pointer": "/a/1/b", "source": "{{ input.nmae }}"})));
    }

    #[test]
    fn a_broken_template_is_the_workflows_fault() {
        let error = shape(json!({"a": "{{ input. }}"}), json!({})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.starts_with("/a: "), "{error}");
    }
}
