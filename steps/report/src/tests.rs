use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{FakeHost, call};

use super::*;

const TEXT: &str = include_str!("../fixtures/report.md");

fn blob(host: &FakeHost, output: &Value, format: &str) -> Vec<u8> {
    host.blob(&serde_json::from_value(output[format].clone()).unwrap())
}

fn made(_host: &FakeHost, input: Value, config: Value) -> Value {
    call(report, &input, &config).unwrap()
}

fn fixture(host: &FakeHost) -> Value {
    let image = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/line.png")).unwrap();
    let images = json!({"chart": host.put_blob("image/png", image)});
    json!({"markdown": TEXT, "title": "Lease & <keys>", "author": "Ada Löwe", "date": "31 May 2024", "images": images})
}

#[test]
fn a_report_is_a_page_and_a_pdf() {
    let host = FakeHost::new();
    let output = made(&host, fixture(&host), json!({"header": "{title}"}));
    assert_eq!(output["html"]["media_type"], "text/html; charset=utf-8");
    assert_eq!(output["pdf"]["media_type"], "application/pdf");
    assert_eq!(output["pages"], 2);
    let pdf = hayro_syntax::Pdf::new(blob(&host, &output, "pdf")).unwrap();
    assert_eq!(pdf.pages().len(), 2);
    assert!(pdf.metadata().title.is_some());
    if let Some(folder) = std::env::var_os("REPORT_TO") {
        for format in ["html", "pdf"] {
            std::fs::write(
                std::path::Path::new(&folder).join(format!("report.{format}")),
                blob(&host, &output, format),
            )
            .unwrap();
        }
    }
}

#[test]
fn the_same_report_is_made_of_the_same_bytes() {
    let host = FakeHost::new();
    let [one, other] = [(); 2].map(|()| made(&host, fixture(&host), json!({})));
    assert_eq!(one, other);
}

#[test]
fn nothing_of_the_text_is_markup_and_nothing_is_fetched() {
    let host = FakeHost::new();
    let markdown = "<script>alert(1)</script>\n\na <b onclick=x>b</b> [c](javascript:alert(1)) ![d](https://a.example/d.png) [e](https://a.example)";
    let output = made(
        &host,
        json!({"markdown": markdown, "title": "</title>"}),
        json!({"formats": ["html"], "language": "de\""}),
    );
    let html = String::from_utf8(blob(&host, &output, "html")).unwrap();
    assert!(!html.contains("<script") && !html.contains("<b ") && !html.contains("javascript:"), "{html}");
    assert!(!html.contains("src=") && html.contains("<em>d</em>"), "{html}");
    assert!(html.contains("<title>&lt;/title&gt;</title>") && html.contains("lang=\"de&quot;\""), "{html}");
    assert!(html.contains("<a href=\"https://a.example\">e</a>"), "{html}");
    assert_eq!(output.get("pdf"), None);
}

#[test]
fn what_the_fonts_do_not_have_is_told() {
    let host = FakeHost::new();
    made(&host, json!({"markdown": "Łódź, Αθήνα, Київ, 日本"}), json!({"formats": ["pdf"]}));
    let logs = host.logs();
    let (_, characters) = &logs[0].fields[0];
    assert_eq!((logs.len(), characters), (1, &json!("日本")));
}

#[test]
fn an_image_that_is_none_is_the_inputs_fault() {
    let host = FakeHost::new();
    for (bytes, why) in [
        (&b"GIF89a"[..], "neither a PNG nor a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "ends too soon"),
        (b"\x89PNG\r\n\x1a\n....IHDR\0\x01\0\0\0\x01\0\0", "more than 8000000 pixels"),
        (b"\xff\xd8\xff\xe0", "the image is broken"),
    ] {
        let images = json!({"chart": host.put_blob("image/png", bytes)});
        let error = call(report, &json!({"markdown": "", "images": images}), &json!({})).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::InvalidInput);
        assert!(error.message.contains("/images/chart") && error.message.contains(why), "{error}");
    }
    made(&host, json!({"markdown": "![gone](gone)"}), json!({"formats": ["pdf"]}));
    assert!(host.logs()[0].message.contains("no image of this name"));
}

#[test]
fn pages_have_an_end_and_settings_make_sense() {
    let long = "word ".repeat(10_000);
    let error = call(report, &json!({"markdown": long}), &json!({"max_pages": 3})).unwrap_err();
    assert!(error.message.contains("more than 3 pages"), "{error}");
    for config in [json!({"formats": []}), json!({"margin_mm": 100.0})] {
        assert_eq!(
            call(report, &json!({"markdown": ""}), &config).unwrap_err().kind,
            StepErrorKind::Permanent
        );
    }
}

#[test]
fn any_shape_of_text_can_be_laid_out() {
    let deep = (0..60).map(|depth| format!("{}- item\n", "  ".repeat(depth))).collect::<String>();
    let quotes = format!("{}deep", "> ".repeat(300));
    let wide = format!("|{}\n|{}\n|{}\n", "h|".repeat(80), "-|".repeat(80), "cell text|".repeat(80));
    let long_word = "x".repeat(3_000);
    let tall = format!("|a|b|\n|-|-|\n|{}|c|\n", "word ".repeat(3_000));
    for markdown in [&deep, &quotes, &wide, &long_word, &tall, "", "```\n```", "- \n- ", "<!-- pagebreak -->"]
    {
        let host = FakeHost::new();
        for size in ["a5", "letter"] {
            made(&host, json!({"markdown": markdown}), json!({"page_size": size, "margin_mm": 60.0}));
        }
    }
}
