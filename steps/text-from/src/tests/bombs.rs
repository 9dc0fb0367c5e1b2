//! Small documents that ask for much: what they cost is bounded by the limits, and what is left out is told of.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

/// What an answer may have unless the node's limits say otherwise.
const OUTPUT: usize = 1 << 20;

/// One row of many cells, and many rows of one: filled up, they would be 400 million cells.
fn wide_and_long(start: &str, row: &str, cell: &str, end: &str) -> String {
    format!("{start}{row}{}{}{end}", cell.repeat(20_000), format!("{row}{cell}").repeat(20_000))
}

fn wide_and_long_html() -> Vec<u8> {
    wide_and_long("<!doctype html><table>", "<tr>", "<td>x", "").into()
}

fn wide_and_long_docx() -> Vec<u8> {
    let xml = wide_and_long(
        "<w:document><w:body><w:tbl>",
        "<w:tr/>",
        "<w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>",
        "</w:tbl></w:body></w:document>",
    );
    docx(xml.as_bytes())
}

fn size(answer: &Value) -> usize {
    answer.to_string().len()
}

/// How many cells the first row has, and how many rows there are with the one beneath it.
fn table(text: &Value) -> (usize, usize) {
    let text = text.as_str().unwrap();
    let row = text.lines().next().unwrap();
    (row.matches(" |").count(), text.lines().count())
}

#[test]
fn a_row_that_is_long_makes_no_others_so() {
    for document in [wide_and_long_html(), wide_and_long_docx()] {
        let host = FakeHost::new();
        let read = read_on(&host, document, json!({})).unwrap();
        assert_eq!((table(&read["text"]), &read["truncated"]), ((100, 2_001), &json!(true)));
        assert!(host.logs()[0].message.contains("larger than the config allows"));
    }
}

#[test]
fn nor_does_it_where_it_is_attached() {
    let letter = letter(&[("a.html", &wide_and_long_html()), ("b.docx", &wide_and_long_docx())]);
    let read = read(letter).unwrap();
    assert_eq!(read["truncated"], true);
    for attachment in read["attachments"].as_array().unwrap() {
        let document = &attachment["document"];
        assert_eq!((table(&document["text"]), &document["truncated"]), ((100, 2_001), &json!(true)));
    }
}

#[test]
fn a_table_of_any_size_ends_where_the_text_has_to() {
    let config = json!({"max_chars": 1_000, "max_rows": usize::MAX, "max_columns": usize::MAX});
    for document in [wide_and_long_html(), wide_and_long_docx()] {
        let read = read_on(&FakeHost::new(), document.clone(), config.clone()).unwrap();
        assert_eq!(read["text"].as_str().unwrap().chars().count(), 1_003);
        let mut config = config.clone();
        config["too_long"] = json!("fail");
        let error = read_on(&FakeHost::new(), document, config).unwrap_err();
        assert_eq!(error.detail.unwrap()["limit"], "max_chars");
    }
}

#[test]
fn cells_that_say_that_they_span_are_no_more_than_others() {
    let html = "<!doctype html>".to_string()
        + &"<table><tr><td>a<td colspan=1000 rowspan=60000><td>b".repeat(5_000)
        + &"<tr>".repeat(100_000);
    let read = read(html).unwrap();
    assert!(size(&read) < OUTPUT);
}

/// A row with a text in each of so many columns.
fn row(number: usize, columns: usize, text: &str) -> String {
    let cell = format!("<c t='inlineStr'><is><t>{text}</t></is></c>");
    format!("<row r='{number}'>{}</row>", cell.repeat(columns))
}

fn full_sheet(text: &str) -> String {
    (1..=1_050).map(|number| row(number, 100, text)).collect()
}

#[test]
fn the_sheets_of_a_workbook_share_one_bound() {
    for text in ["x", "&quot;", "本"] {
        let sheet = full_sheet(text);
        let book = workbook(&[("A", 0), ("B", 1), ("C", 2)], &[&sheet, &sheet, &sheet], "<sst/>");
        let read = read(book).unwrap();
        assert!(size(&read) < OUTPUT, "{text}: {}", size(&read));
        let tables = read["tables"].as_array().unwrap();
        let cells =
            tables.iter().flat_map(|table| table["rows"].as_array().unwrap()).flat_map(|row| row.as_array());
        assert!((50_000..=100_000).contains(&cells.map(Vec::len).sum::<usize>()), "{text}");
        assert!(tables.iter().chain([&read]).all(|one| one["truncated"] == true), "{text}");
    }
    let book = workbook(&[("A", 0)], &[&full_sheet("x")], "<sst/>");
    let error = read_on(&FakeHost::new(), book, json!({"too_long": "fail"})).unwrap_err();
    assert_eq!(error.detail.unwrap()["limit"], "max_chars");
}

#[test]
fn attachments_share_it_too() {
    let book = workbook(&[("A", 0)], &[&full_sheet("本")], "<sst/>");
    let csv = "\"a, \"\"b\"\"\",本,c\n".repeat(30_000);
    let text = "\u{1}\"\\\n".repeat(60_000);
    let files: [(&str, &[u8]); 4] =
        [("a.xlsx", &book), ("b.csv", csv.as_bytes()), ("c.txt", text.as_bytes()), ("d.xlsx", &book)];
    let read = read(letter(&files)).unwrap();
    assert!(size(&read) < OUTPUT, "{}", size(&read));
    let attachments = read["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 4);
    assert!(attachments.iter().all(|attachment| attachment["document"]["truncated"] == true));
    let cells = |attachment: &Value| size(&attachment["document"]["tables"]);
    assert!(cells(&attachments[0]) > 300_000 && cells(&attachments[3]) < 100, "{}", cells(&attachments[3]));
}

#[test]
fn an_answer_fits_whatever_its_characters_cost() {
    let headings = "# a\n\n".repeat(50_000);
    let quotes = "\u{1}".repeat(300_000);
    let subject =
        format!("From: a\nTo: {}\nSubject: {}\n\nx", "本@a.example, ".repeat(60_000), "é".repeat(400_000));
    let many: Vec<_> =
        (0..50).map(|place| (format!("{}{place}", "\"".repeat(240)), b"%PDF-1.7".as_slice())).collect();
    let many: Vec<_> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    for (name, document) in [
        ("a.md", headings.into_bytes()),
        ("a.txt", quotes.into_bytes()),
        ("a.eml", subject.into_bytes()),
        ("b.eml", letter(&many)),
    ] {
        for (bytes, most) in [(1_000_000, OUTPUT), (20_000, 20_000)] {
            let host = FakeHost::new();
            let blob = host.put_blob("text/plain", document.clone());
            let input = json!({"document": blob, "name": name});
            let config = json!({"max_output_bytes": bytes});
            let read = call(text_from, &input, &config).unwrap();
            assert!(size(&read) <= most, "{name}: {}", size(&read));
            assert!(read["truncated"] == true || name == "b.eml" && bytes > 20_000, "{name}");
        }
    }
}

#[test]
fn what_fits_by_its_characters_and_not_by_its_bytes_fails_where_it_must_not_be_cut() {
    let config = json!({"max_output_bytes": 1_000, "too_long": "fail"});
    let error = read_on(&FakeHost::new(), "本".repeat(400), config).unwrap_err();
    assert_eq!(
        error.detail.unwrap(),
        json!({"problem": "limit", "limit": "max_output_bytes", "value": 1_000})
    );
}

#[test]
fn messages_in_messages_cost_no_stack() {
    let nested = format!("From: a\nTo: b\n{}x", "Content-Type: message/rfc822\n\n".repeat(100_000));
    let read = read(nested.clone()).unwrap();
    assert!(read["attachments"][0]["document"]["attachments"][0].get("document").is_some());
    let encoded = format!(
        "From: a\nTo: b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n{nested}"
    );
    assert!(super::read(encoded).is_ok());
}

#[test]
fn the_parts_of_a_message_are_counted() {
    let head = "From: a\nTo: b\nContent-Type: multipart/mixed; boundary=b\n\n";
    over("max_entries", 2_000, format!("{head}{}", "--b\n\n".repeat(200_000)).into());
    let lost = "--b\nContent-Type: multipart/mixed; boundary=c\n\n".repeat(20_000);
    over("max_entries", 2_000, format!("{head}{lost}").into());
    over("max_depth", 256, format!("{head}{}", lost.replace("=c", "=b")).into());
}

#[test]
fn fields_beyond_what_a_head_may_have_are_left_out() {
    let read = read(format!("From: a\nTo: b\n{}Subject: late\n\nx", "a:\n".repeat(1_000_000))).unwrap();
    assert_eq!((&read["text"], read.get("title"), &read["truncated"]), (&json!("x"), None, &json!(true)));
}

#[test]
fn a_workbook_s_word_for_how_much_it_holds_is_not_believed() {
    let sheet = "<row><c t='s'><v>0</v></c></row>";
    let book = |count: &str| {
        let strings = format!("<sst uniqueCount='{count}'><si><t>a</t></si></sst>");
        read(workbook(&[("A", 0)], &[sheet], &strings))
    };
    assert_eq!(book("1").unwrap()["tables"][0]["rows"], json!([["a"]]));
    for count in ["400000000", "18446744073709551615"] {
        let error = book(count).unwrap_err();
        assert!(error.message.contains("its file of strings"), "{error}");
        assert_eq!(error.detail.unwrap(), json!({"problem": "broken"}));
    }
}

#[test]
fn a_sheet_is_not_read_as_often_as_it_is_named() {
    let rows = "<row><c/></row>".repeat(60_000);
    let names: Vec<_> = (0..1_500).map(|place| place.to_string()).collect();
    let sheets: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let error = read(workbook(&sheets, &[&rows], "<sst/>")).unwrap_err();
    assert!(error.message.contains("many of its sheets are one file"), "{error}");
    let names: Vec<_> = (0..2_001).map(|place| place.to_string()).collect();
    let sheets: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    over("max_entries", 2_000, workbook(&sheets, &[""], "<sst/>"));
}

#[test]
fn a_name_that_many_elements_use_is_short() {
    let long = "x".repeat(600_000);
    let paragraph = format!("<w:p><w:pPr><w:pStyle w:val='{}'/></w:pPr><w:r><w:t>a</w:t></w:r></w:p>", "s");
    let main = format!("<w:document>{}</w:document>", paragraph.repeat(60_000));
    let elements = "<w:b/>".repeat(60_000);
    let styles = format!(
        "<w:styles><w:style w:styleId='s'><w:numId w:val='{long}'/></w:style><w:style w:styleId='{long}'>{elements}</w:style></w:styles>"
    );
    let document = zip(&[("word/document.xml", main.as_bytes()), ("word/styles.xml", styles.as_bytes())]);
    assert!(read_on(&FakeHost::new(), document, json!({"max_ratio": 10_000})).is_ok());

    let target = "x".repeat(10_000);
    let sheets = workbook(&[("A", 0)], &[""], &format!("<sst a='{target}'/>"));
    assert!(read(sheets).is_ok());
    let relations =
        format!("<Relationships><Relationship Id='r0' Target='worksheets/{target}'/></Relationships>");
    let error = read(zip(&[
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
    ]));
    assert!(error.unwrap_err().message.contains("longer than 8192 bytes"));
}

#[test]
fn properties_keep_their_spaces_however_they_are_cut() {
    let core =
        format!("<p><title>Salt &amp; pepper</title><creator>{}</creator></p>", "&amp;".repeat(100_000));
    let document = zip(&[("word/document.xml", b"<w:document/>"), ("docProps/core.xml", core.as_bytes())]);
    let read = read(document).unwrap();
    assert_eq!(read["title"], "Salt & pepper");
    assert_eq!(read["metadata"]["author"].as_str().unwrap().len(), 100_000);
}

/// A PDF with these objects, from number 4 on, of which the page has the fourth as its content and its resources.
fn pdf(contents: &str, resources: &str, streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut pdf = format!(
        "%PDF-1.5\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n\
         3 0 obj <</Type/Page/Parent 2 0 R/Contents {contents}/Resources <<{resources}>>>> endobj\n"
    )
    .into_bytes();
    for (place, (dictionary, content)) in streams.iter().enumerate() {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(content).unwrap();
        let packed = packer.finish().unwrap();
        let head = format!(
            "{} 0 obj <<{dictionary}/Filter/FlateDecode/Length {}>> stream\n",
            place + 4,
            packed.len()
        );
        pdf.extend_from_slice(head.as_bytes());
        pdf.extend_from_slice(&packed);
        pdf.extend_from_slice(b"\nendstream endobj\n");
    }
    pdf.extend_from_slice(b"trailer <</Root 1 0 R>>\n%%EOF");
    pdf
}

const FONT: &str = "/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>";

#[test]
fn a_page_is_its_streams_one_after_the_other() {
    let parts: [(&str, &[u8]); 2] = [("", b"BT /F 12 Tf 10 10 Td (Hel"), ("", b"lo) Tj ET")];
    let read = read(pdf("[4 0 R 5 0 R 99 0 R]", FONT, &parts)).unwrap();
    assert_eq!(read["text"], "Hel lo");
}

#[test]
fn drawings_that_draw_drawings_are_counted() {
    let form = "/Type/XObject/Subtype/Form/Resources<</XObject<</X %>>>>";
    let uses = "/X Do ".repeat(10);
    let dictionaries: Vec<_> =
        (0..16).map(|depth| form.replace('%', &format!("{} 0 R", depth + 6))).collect();
    let mut streams: Vec<(&str, &[u8])> = vec![("", uses.as_bytes())];
    streams.extend(dictionaries.iter().map(|dictionary| (dictionary.as_str(), uses.as_bytes())));
    let bomb = pdf("4 0 R", "/XObject<</X 5 0 R>>", &streams);
    over("max_unpacked_bytes", 1 << 20, bomb);

    let stream = vec![b' '; 100_000];
    over("max_unpacked_bytes", 1 << 20, pdf(&format!("[{}]", "4 0 R ".repeat(100)), "", &[("", &stream)]));
}

#[test]
fn a_code_that_stands_for_a_long_text_does_not_fill_the_memory() {
    let map = format!(
        "begincmap 1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <41> <{}> endbfchar endcmap",
        "0042".repeat(10_000)
    );
    let font = "/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 5 0 R>>>>";
    let content = format!("BT /F 12 Tf ({}) Tj ET", "A".repeat(50_000));
    let read = read(pdf("4 0 R", font, &[("", content.as_bytes()), ("", map.as_bytes())])).unwrap();
    assert_eq!(read["text"].as_str().unwrap().chars().count(), 200_003);
}

#[test]
fn a_pdf_has_no_more_objects_than_fit_into_it() {
    let table = vec![b'1'; 2 << 20];
    let bomb = pdf("4 0 R", "", &[("/Type/XRef/Root 1 0 R/Size 2097152/W[0 1 0]", &table)]);
    let error = read(bomb).unwrap_err();
    assert!(error.message.contains("more objects than fit into it"), "{error}");
    let objects = vec![b' '; 300_000];
    let stream = ("/Type/ObjStm/N 1/First 3", objects.as_slice());
    over("max_unpacked_bytes", 800_000, pdf("4 0 R", "", &[stream, stream, stream]));
}

#[test]
fn a_scan_of_many_pages_is_still_one() {
    let read = read_on(&FakeHost::new(), fixture("scan.pdf"), json!({"max_chars": 0})).unwrap();
    assert_eq!((&read["needs_ocr"], &read["truncated"]), (&json!(true), &json!(false)));
    let text = read_on(&FakeHost::new(), fixture("lease.pdf"), json!({"max_chars": 0})).unwrap();
    assert_eq!((&text["needs_ocr"], &text["text"]), (&json!(false), &json!("[…]")));
}
