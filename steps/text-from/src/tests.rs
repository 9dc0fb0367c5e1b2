use serde_json::{Value, json};
use stepwell_sdk::StepErrorKind;
use stepwell_sdk::testing::{FakeHost, call};

use super::*;

mod bombs;
mod damage;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read_on(host: &FakeHost, bytes: impl Into<Vec<u8>>, config: Value) -> Result<Value, StepError> {
    let blob = host.put_blob("application/octet-stream", bytes);
    call(text_from, &json!({"document": blob}), &config)
}

/// What the step answers to a document that nobody says anything of.
fn read(bytes: impl Into<Vec<u8>>) -> Result<Value, StepError> {
    read_on(&FakeHost::new(), bytes, json!({}))
}

/// The error that tells that a limit is reached.
fn over(limit: &str, value: u64, bytes: Vec<u8>) {
    let error = read_on(&FakeHost::new(), bytes, json!({limit: value})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.contains(&format!("`{limit}` allows, which is {value}")), "{error}");
    assert_eq!(error.detail.unwrap(), json!({"problem": "limit", "limit": limit, "value": value}));
}

#[test]
fn a_docx_keeps_headings_lists_tables_and_properties() {
    let read = read(fixture("lease.docx")).unwrap();
    assert_eq!(
        read["text"],
        "# Lease\n\n# Parties\n\nThe landlord is Jörg Müller & Sons; the tenant is Łukasz <Nowak>.\n\n## Terms\n\n\
         1. Rent is due on the first.\n2. No pets.\n- Cats are pets.\n\n\
         | Month | Rent |\n| --- | --- |\n| May | 1,200 EUR |\n\nSigned in Berlin."
    );
    assert_eq!((&read["kind"], &read["title"]), (&json!("docx"), &json!("Lease of 12 Mill Lane")));
    assert_eq!(read["metadata"]["author"], "Ada Example");
    assert_eq!(read["headings"][2], json!({"level": 2, "text": "Terms", "start": 87}));
}

#[test]
fn a_docx_s_cells_keep_their_columns() {
    let cell = |span: &str, text: &str| {
        format!("<w:tc><w:tcPr>{span}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let inner = format!("<w:tc><w:tbl><w:tr>{}{}</w:tr></w:tbl><w:p/></w:tc>", cell("", "x"), cell("", "y"));
    let rows = [
        cell("", "Item") + &cell("<w:gridSpan w:val='2'/>", "Size") + &cell("", "Price"),
        cell("", "Desk") + &cell("", "") + &inner + &cell("<w:gridSpan w:val='99'/>", "40"),
    ];
    let xml = format!("<w:document><w:tbl><w:tr>{}</w:tr></w:tbl></w:document>", rows.join("</w:tr><w:tr>"));
    assert_eq!(
        read(docx(xml.as_bytes())).unwrap()["text"],
        "| Item | Size |  | Price |\n| --- | --- | --- | --- |\n| Desk |  | x y | 40 |"
    );
}

#[test]
fn a_pdf_is_read_page_by_page() {
    let read = read(fixture("lease.pdf")).unwrap();
    let first = read["pages"][0]["text"].as_str().unwrap();
    assert!(
        first.starts_with(
            "Lease\n\nParties\nThe landlord is Jörg Müller & Sons; the tenant is Łukasz <Nowak>."
        )
    );
    assert!(first.contains("1. Rent is due on the first.\n2. No pets.\n\n• Cats are pets."), "{first}");
    assert!(first.contains("May\t1,200 EUR"), "{first}");
    let second = read["pages"][1]["text"].as_str().unwrap();
    assert!(second.ends_with("Each office file has its affinity: efficient, fluffy, first."), "{second}");
    assert_eq!((&read["page_count"], &read["needs_ocr"]), (&json!(2), &json!(false)));

    let text = read["text"].as_str().unwrap();
    let start = usize::try_from(read["pages"][1]["start"].as_u64().unwrap()).unwrap();
    assert_eq!(text.chars().skip(start).collect::<String>(), second);
}

#[test]
fn a_pdf_without_fonts_of_its_own_is_read_column_by_column() {
    let read = read(fixture("columns.pdf")).unwrap();
    assert_eq!(
        read["pages"][0]["text"],
        "Quarterly results\n\nleft column, line 1 – €0\nleft column, line 2 – €1\nleft column, line 3 – €2\n\n\
         right column, line 1 – €0\nright column, line 2 – €1\nright column, line 3 – €2"
    );
    assert_eq!(read["title"], "Zwei Spalten – naïve");
}

#[test]
fn a_scan_is_no_empty_document() {
    let host = FakeHost::new();
    let read = read_on(&host, fixture("scan.pdf"), json!({})).unwrap();
    assert_eq!(
        (&read["needs_ocr"], &read["page_count"], &read["text"]),
        (&json!(true), &json!(2), &json!(""))
    );
    assert!(host.logs()[0].message.contains("`ocr`"));
}

#[test]
fn a_password_keeps_readers_out_unless_it_is_the_owners() {
    let error = read(fixture("secret.pdf")).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.contains("the PDF is encrypted"), "{error}");
    assert_eq!(error.detail.unwrap(), json!({"problem": "encrypted"}));
    assert_eq!(read(fixture("owner.pdf")).unwrap()["text"], "open to all");
}

#[test]
fn a_workbook_is_rows_of_sheets_however_far_apart_their_cells_are() {
    let read = read(fixture("orders.xlsx")).unwrap();
    assert_eq!(read["tables"][0]["name"], "Orders");
    assert_eq!(read["tables"][0]["rows"][1], json!(["1", "Ada | Co", "1200.5", "true", "2024-05-31"]));
    assert_eq!(read["tables"][0]["rows"][2][4], "2024-06-01T12:30:00");
    assert_eq!(read["tables"][1], json!({"name": "Far", "rows": [["near"]], "truncated": true}));
    assert!(read["text"].as_str().unwrap().starts_with("## Orders\n\n| id | customer |"));
    assert_eq!(read["truncated"], true);
}

#[test]
fn an_e_mail_is_read_with_what_is_attached_to_it() {
    let host = FakeHost::new();
    let read = read_on(&host, fixture("mail.eml"), json!({})).unwrap();
    assert_eq!((&read["kind"], &read["title"]), (&json!("email"), &json!("Rechnung € for May")));
    assert_eq!(read["text"], "Grüße aus Köln.");
    assert_eq!(read["metadata"]["from"], "Ada Löwe <ada@example.com>");
    assert_eq!(read["metadata"]["to"], "Bob <bob@example.com>, carol@example.com");
    assert_eq!(read["metadata"]["date"], "2024-05-31T09:30:00+02:00");

    let [csv, broken, inner] = read["attachments"].as_array().unwrap().as_slice() else { panic!("{read}") };
    assert_eq!(csv["blob"]["name"], "lines.csv");
    assert_eq!(csv["document"]["tables"][0]["rows"], json!([["item", "price"], ["chair", "12"]]));
    assert_eq!(host.blob(&serde_json::from_value(csv["blob"].clone()).unwrap()), b"item,price\nchair,12\n");
    assert!(broken["problem"].as_str().unwrap().contains("the PDF cannot be read"), "{broken}");
    assert_eq!(inner["document"]["text"], "# Inner\n\nOnly HTML.");
    assert_eq!(inner["document"]["attachments"][0]["document"]["text"], "A note.");
}

#[test]
fn attachments_are_read_so_deep_and_so_many() {
    let shallow = read_on(&FakeHost::new(), fixture("mail.eml"), json!({"attachment_depth": 1})).unwrap();
    assert_eq!(shallow["attachments"][2]["document"].get("attachments"), None);
    assert_eq!(shallow["truncated"], true);
    let few = read_on(&FakeHost::new(), fixture("mail.eml"), json!({"max_attachments": 1})).unwrap();
    assert_eq!((few["attachments"].as_array().unwrap().len(), &few["truncated"]), (1, &json!(true)));
}

#[test]
fn a_name_tells_texts_apart_and_the_input_s_wins() {
    let host = FakeHost::new();
    let blob = host.put_blob("text/plain; charset=iso-8859-1", *b"# Caf\xe9\n\n```\n# no\n```\n## Two ##\n");
    let read = call(text_from, &json!({"document": blob, "name": "a.md"}), &json!({})).unwrap();
    assert_eq!(read["title"], "Café");
    assert_eq!(read["headings"][1], json!({"level": 2, "text": "Two", "start": 21}));
    let plain = call(text_from, &json!({"document": blob}), &json!({})).unwrap();
    assert_eq!((&plain["kind"], plain.get("headings")), (&json!("text"), None));

    let page = host.put_blob("text/html", *b"<meta charset='windows-1251'><p>\xcf\xf0\xe8\xe2\xe5\xf2");
    assert_eq!(call(text_from, &json!({"document": page}), &json!({})).unwrap()["text"], "Привет");
}

#[test]
fn what_is_too_long_is_cut_in_sight_or_refused() {
    let config = json!({"max_chars": 200});
    let cut = read_on(&FakeHost::new(), fixture("lease.pdf"), config).unwrap();
    assert_eq!(cut["text"].as_str().unwrap().chars().count(), 203);
    assert_eq!(cut["pages"][1]["text"], "Annex\n[…]");
    assert_eq!(cut["truncated"], true);
    let error = read_on(&FakeHost::new(), fixture("lease.pdf"), json!({"max_chars": 5, "too_long": "fail"}));
    assert!(error.unwrap_err().message.contains("`max_chars` allows, which is 5"));
    let mail = read_on(&FakeHost::new(), fixture("mail.eml"), json!({"max_chars": 20, "too_long": "fail"}));
    assert!(mail.unwrap_err().message.contains("`max_chars`"));
}

#[test]
fn each_limit_is_told_by_its_name() {
    over("max_ratio", 200, fixture("bomb.docx"));
    over("max_bytes", 1_000, fixture("lease.docx"));
    over("max_unpacked_bytes", 10_000, fixture("lease.docx"));
    over("max_unpacked_bytes", 10_000, fixture("orders.xlsx"));
    over("max_unpacked_bytes", 100, fixture("lease.pdf"));
    over("max_entries", 3, fixture("orders.xlsx"));
    over("max_depth", 3, fixture("lease.docx"));
    over("max_pages", 1, fixture("lease.pdf"));
}

#[test]
fn an_entity_that_grows_is_not_resolved() {
    let xml = format!(
        "<!DOCTYPE d [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;\">]><w:document><w:body><w:p><w:r><w:t>x&b;y &amp; &#65;</w:t></w:r></w:p></w:body></w:document>",
        "z".repeat(1_000)
    );
    assert_eq!(read(docx(xml.as_bytes())).unwrap()["text"], "x\u{fffd}y & A");
}

#[test]
fn nesting_costs_no_stack() {
    let many = 200_000;
    let xml = format!("<w:document>{}", "<w:p>".repeat(many));
    over("max_depth", 256, docx(xml.as_bytes()));
    let error = read(docx(b"<w:document><w:p>")).unwrap_err();
    assert!(error.message.contains("its XML ends too soon"), "{error}");

    let objects = format!("%PDF-1.4\n1 0 obj {}\ntrailer <</Root 1 0 R>>", "[".repeat(many));
    assert!(read(objects).is_err());
    let multipart = "Content-Type: multipart/mixed; boundary=a\n\n--a\n".repeat(2_000);
    over("max_depth", 256, format!("From: a\nTo: b\n{multipart}").into());
}

/// A document with this as its main part.
fn docx(xml: &[u8]) -> Vec<u8> {
    zip(&[("word/document.xml", xml)])
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::{Cursor, Write as _};
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A workbook whose sheets, under these names, are these files, with this as its file of strings.
fn workbook(sheets: &[(&str, usize)], files: &[&str], strings: &str) -> Vec<u8> {
    let sheet = |(name, file): &(&str, usize)| format!("<sheet name='{name}' r:id='r{file}'/>");
    let book =
        format!("<workbook><sheets>{}</sheets></workbook>", sheets.iter().map(sheet).collect::<String>());
    let relation = |file: usize| format!("<Relationship Id='r{file}' Target='worksheets/sheet{file}.xml'/>");
    let relations =
        format!("<Relationships>{}</Relationships>", (0..files.len()).map(relation).collect::<String>());
    let sheets: Vec<(String, String)> = files
        .iter()
        .enumerate()
        .map(|(file, rows)| {
            let xml = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
            (format!("xl/worksheets/sheet{file}.xml"), xml)
        })
        .collect();
    let mut all: Vec<(&str, &[u8])> = vec![
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
    ];
    all.extend(sheets.iter().map(|(name, xml)| (name.as_str(), xml.as_bytes())));
    zip(&all)
}

/// A message with these files attached.
fn letter(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut letter = "From: a\nTo: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello.".to_string();
    for (name, bytes) in files {
        letter.push_str(&format!(
            "\n--b\nContent-Type: application/octet-stream; name=\"{}\"\nContent-Transfer-Encoding: quoted-printable\n\n",
            name.replace('"', "\\\"")
        ));
        letter.extend(bytes.iter().map(|byte| format!("={byte:02X}")));
    }
    (letter + "\n--b--\n").into()
}
