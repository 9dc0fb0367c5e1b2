use super::*;

fn page(html: &str, config: &Config) -> (Page, String) {
    let mut writer = Writer::new(config.max_chars);
    let page = read(html, config, &mut writer);
    (page, writer.finish().0)
}

fn text(html: &str) -> String {
    page(html, &Config::default()).1
}

#[test]
fn structure_stays_and_decoration_goes() {
    let html = "<html><head><title>A &amp; B</title><style>p{}</style><script>if (a<b) '</p>'</script></head>
        <body><h1>Terms\n of <b>use</b></h1><p>One<br>two &euro;5, <a href='https://a.example/x'>the page</a>.</p>
        <ol start=3><li>first<ul><li><p>inner</p></li></ul></li><li>second</li></ol>
        <blockquote><p>said</p></blockquote><pre>\n a\n  b</pre></body></html>";
    let (page, text) = page(html, &Config::default());
    assert_eq!(page.title.as_deref(), Some("A & B"));
    assert_eq!(
        text,
        "# Terms of use\n\nOne\ntwo €5, [the page](https://a.example/x).\n\n3. first\n  - inner\n4. second\n\n> said\n\n```\n a\n  b\n```"
    );
}

#[test]
fn tables_are_rows_and_one_within_another_is_part_of_its_cell() {
    let html = "<table><tr><th>a<th>b</tr><tr><td>1</td><td><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>after";
    assert_eq!(text(html), "| a | b |\n| --- | --- |\n| 1 | x y |\n\nafter");
}

#[test]
fn what_is_not_closed_loses_nothing_and_nesting_has_no_bound() {
    assert_eq!(
        text("<p>one<p>two<li>three<table><tr><td>four"),
        "one\n\ntwo\n\n- three\n\n| four |\n| --- |"
    );
    let deep = format!("{}x{}", "<div><ul><li>".repeat(50_000), "</li></ul></div>".repeat(50_000));
    assert!(text(&deep).trim_start().starts_with("- x"));
    assert_eq!(text("</table></ul></blockquote></pre>x"), "x");
}

#[test]
fn an_empty_cell_is_a_cell() {
    let html =
        "<table> <tr> <th>Item<th>Discount<th>Price</tr>\n<tr> <td>Chair</td> <td></td> <td>12</td> </tr>
        <tr><td>Desk<td> <td>40<tr><td>Lamp</table>";
    assert_eq!(
        text(html),
        "| Item | Discount | Price |\n| --- | --- | --- |\n| Chair |  | 12 |\n| Desk |  | 40 |\n| Lamp |"
    );
}

#[test]
fn a_cell_that_spans_keeps_others_in_their_columns() {
    let html = "<table><thead><tr><th>Item<th colspan=2>Size<th rowspan=9>Price</thead>
        <tbody><tr><td rowspan=2>Desk<td>120<td>60<td>40<tr><td>140<td><td>45</table>";
    assert_eq!(
        text(html),
        "| Item | Size |  | Price |\n| --- | --- | --- | --- |\n| Desk | 120 | 60 | 40 |\n|  | 140 |  | 45 |"
    );
    assert_eq!(text("<table><tr><td colspan=0>a<td colspan=-1 rowspan=x>b"), "| a | b |\n| --- | --- |");
}

#[test]
fn columns_that_are_there_for_the_layout_are_none() {
    let letter = "<table width=600><tr><td width=20>&nbsp;</td><td>
        <table><tr><td><img alt='Logo'></td></tr><tr><td></td></tr></table></td><td width=20></td></tr>
        <tr><td colspan=3 height=10></td></tr>
        <tr><td></td><td><table><tr><td>Dear <b>Ada</b>,</td></tr><tr><td><ul><li>one</ul></td></tr></table></td><td></td></tr>
        </table><p>Bye</p>";
    assert_eq!(text(letter), "| Logo |\n| --- |\n| Dear Ada, one |\n\nBye");
}

#[test]
fn what_a_table_says_outside_of_its_cells_stands_before_it() {
    assert_eq!(
        text("<table><caption>Prices</caption><tr><td>a</td>lost<td>b</table>c"),
        "Prices\n\nlost\n\n| a | b |\n| --- | --- |\n\nc"
    );
}

#[test]
fn a_table_that_is_never_closed_in_another_loses_nothing() {
    assert_eq!(text("<table><tr><td>a<td>b<table><tr><td>c"), "| a | b c |\n| --- | --- |");
}

#[test]
fn a_table_stops_at_its_limits_and_says_so() {
    let config = Config { max_rows: 2, max_columns: 2, ..Config::default() };
    let (read, text) = page("<table><tr><td>a<td>b<td>c<tr><td><tr><td>1<tr><td>2</table>after", &config);
    assert_eq!((read.truncated, text.as_str()), (true, "| a | b |\n| --- | --- |\n| 1 |\n\nafter"));
    assert!(!page("<table><tr><td>a<td>b<td colspan=9></table>", &config).0.truncated);
}

#[test]
fn a_list_that_counts_far_does_no_harm() {
    assert_eq!(text(&format!("<ol start={0}><li>a<li>b", usize::MAX)), format!("{0}. a\n{0}. b", usize::MAX));
}
