use super::*;
use crate::config::Config;

/// What a message says, and the names and contents of what is attached to it.
fn split(message: &str) -> (Vec<String>, Vec<(Option<String>, String)>) {
    let (fields, content) = parts::divide(message.as_bytes());
    let parts = parts::split(&parts::head(fields).unwrap(), content, &Config::default()).unwrap();
    let says = |part: &Part<'_>| String::from_utf8_lossy(&part.bytes()).into_owned();
    (
        parts.bodies.iter().map(Part::text).collect(),
        parts.attachments.iter().map(|part| (part.name.clone(), says(part))).collect(),
    )
}

fn multipart(kind: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
    format!("Content-Type: multipart/{kind}; boundary=b\n\npreamble\n{parts}--b--\nepilogue\n")
}

#[test]
fn of_the_same_in_several_forms_plain_text_is_read() {
    let (plain, html) = ("Content-Type: text/plain\n\nplain", "Content-Type: text/html\n\n<p>html");
    let image = "Content-Type: image/png\n\npng";
    let related = multipart("related", &[html, image]).replace("=b\n", "=c\n").replace("--b", "--c");
    for parts in [[plain, related.as_str()], [related.as_str(), plain]] {
        let (bodies, attachments) = split(&multipart("alternative", &parts));
        assert_eq!((bodies, attachments), (vec!["plain".into()], vec![(None, "png".into())]));
    }
    let rich = "Content-Type: text/html\n\n<p>rich";
    assert_eq!(split(&multipart("alternative", &[html, rich])).0, ["<p>rich"]);
}

#[test]
fn text_is_the_message_s_unless_it_is_attached_or_named() {
    let named = "Content-Type: text/plain; name=a.txt\n\nnamed";
    let attached = "Content-Disposition: attachment\n\nattached";
    let (bodies, attachments) = split(&multipart("mixed", &["\nfirst", named, attached, "\nlast\r"]));
    assert_eq!(bodies, ["first", "last"]);
    assert_eq!(attachments, [(Some("a.txt".into()), "named".into()), (None, "attached".into())]);
    assert_eq!(split(&multipart("mixed", &[named])).0, ["named"]);
}

#[test]
fn messages_are_attached_however_they_are_encoded() {
    let plain = "Content-Type: message/rfc822\n\nFrom: a\n\nx";
    let encoded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nRnJvbTogYQoKeA==";
    let inner = || (None, "From: a\n\nx".to_string());
    assert_eq!(split(&multipart("mixed", &[plain, encoded])).1, [inner(), inner()]);
    assert_eq!(split(&multipart("digest", &["\nFrom: a\n\nx"])).1, [inner()]);
}

#[test]
fn what_is_broken_loses_nothing() {
    for (message, bodies) in [
        ("From: a\n", vec![""]),
        ("Content-Type: multipart/mixed\n\nno boundary", vec![]),
        ("Content-Type: multipart/mixed; boundary=b\n\nno part\n", vec!["no part\n"]),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\n\nopen", vec!["", "", "open"]),
        ("Content-Transfer-Encoding: base64\n\nnot base64!", vec!["not base64!"]),
        ("Content-Transfer-Encoding: quoted-printable\n\n=41=\n=c3=A4 \r\n1=2, 3=é=", vec!["Aä\r\n1=2, 3=é"]),
        (
            "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable\n\n=F0",
            vec!["П"],
        ),
    ] {
        assert_eq!(split(message).0, bodies, "{message}");
    }
}

#[test]
fn an_inner_delimiter_ends_no_outer_part() {
    let inner = "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--bb\n\ntwo\n--b \n\nthree";
    assert_eq!(split(&multipart("mixed", &[inner, "\n--bc\nfour"])).0, ["one", "two", "three", "--bc\nfour"]);
}
