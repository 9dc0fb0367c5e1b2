use super::*;

#[test]
fn nothing_in_a_header_can_begin_another_one() {
    let break_in = "x\r\nBcc: evil@example.com";
    for (field, value, pointer) in [
        ("subject", json!(break_in), "/subject"),
        ("to", json!(["ann@example.com", format!("a@example.com{break_in}")]), "/to/1"),
        ("to", json!({"email": "a@example.com", "name": break_in}), "/to"),
        ("cc", json!(format!("{break_in} <a@example.com>")), "/cc"),
        ("reply_to", json!([format!("a@example.com\n")]), ""),
        ("headers", json!({"X-A": break_in}), "/headers/X-A"),
        ("headers", json!({"X-A: b\r\nBcc": "c"}), "/headers/X-A: b\\r\\nBcc"),
        ("headers", json!({"BCC": "evil@example.com"}), "/headers/BCC"),
        ("headers", json!({"Reply-To": "evil@example.com"}), "/headers/Reply-To"),
        ("tags", json!([break_in]), "/tags/0"),
        ("metadata", json!({"a": break_in}), "/metadata/a"),
    ] {
        for (provider, _) in PROVIDERS {
            let host = FakeHost::new();
            let mut input = mail();
            input[field] = value.clone();
            let (request, result) = sent(&host, provider, &input, taken(provider));
            if pointer.is_empty() {
                // White space around an address is none of it.
                assert!(result.is_ok(), "{field}");
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.kind, StepErrorKind::InvalidInput, "{error}");
            assert!(error.message.starts_with(&format!("{pointer}: ")), "{error}");
            assert_eq!(request, None);
        }
    }
}

#[test]
fn a_files_name_cannot_either() {
    let host = FakeHost::new();
    let file = host.put_blob("application/pdf", "%PDF");
    let mut input = mail();
    input["attachments"] = json!([file, {"blob": file, "name": "a\r\nX: y"}]);
    let error = sent(&host, "mailgun", &input, taken("mailgun")).1.unwrap_err();
    assert!(error.message.starts_with("/attachments/1: "), "{error}");
}

#[test]
fn an_email_that_cannot_be_sent_is_refused_before_it_leaves() {
    for (input, words) in [
        (json!({"to": [], "subject": "a", "text": "b"}), "/to: an e-mail has a recipient"),
        (json!({"to": "ann@example.com", "subject": "a", "text": ""}), "give `text` or `html`"),
        (json!({"to": "ann@example", "subject": "a", "text": "b"}), "/to: `ann@example` is no address"),
        (
            json!({"to": ["a@example.com", "b"], "subject": "a", "text": "b"}),
            "/to/1: `b` is no address: it has no `@`",
        ),
        (
            json!({"to": "a@example.com", "subject": "a".repeat(999), "text": "b"}),
            "/subject: this goes into one line",
        ),
    ] {
        let host = FakeHost::new();
        let (request, result) = sent(&host, "resend", &input, taken("resend"));
        let error = result.unwrap_err();
        assert_eq!((error.kind, request), (StepErrorKind::InvalidInput, None), "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn each_provider_takes_so_many_mailboxes() {
    let many: Vec<String> = (0..51).map(|n| format!("a{n}@example.com")).collect();
    let input = json!({"to": many, "subject": "a", "text": "b"});
    let host = FakeHost::new();
    for (provider, is_taken) in
        [("resend", false), ("postmark", false), ("sendgrid", true), ("mailgun", true)]
    {
        let result = sent(&host, provider, &input, taken(provider)).1;
        assert_eq!(result.is_ok(), is_taken, "{provider}");
    }
}

#[test]
fn a_mailbox_that_is_named_twice_gets_it_once() {
    let host = FakeHost::new();
    let input = json!({
        "to": ["Ann <ann@example.com>", "ANN@example.com"], "cc": ["bob@example.com", "ann@example.com"], "bcc": "bob@example.com",
        "subject": "a", "text": "b",
    });
    let (request, result) = sent(&host, "sendgrid", &input, taken("sendgrid"));
    assert_eq!(result.unwrap()["recipients"], 2);
    let envelope =
        json!({"to": [{"email": "ann@example.com", "name": "Ann"}], "cc": [{"email": "bob@example.com"}]});
    assert_eq!(body(&request.unwrap())["personalizations"], json!([envelope]));
}

#[test]
fn files_that_are_too_large_are_refused_and_not_read() {
    let host = FakeHost::new();
    let mut file = serde_json::to_value(host.put_blob("video/mp4", "x")).unwrap();
    file["size"] = json!(30 << 20);
    let mut input = mail();
    input["attachments"] = json!([file]);
    for (provider, _) in PROVIDERS {
        let (request, result) = sent(&host, provider, &input, taken(provider));
        let error = result.unwrap_err();
        assert_eq!((error.kind, request), (StepErrorKind::Permanent, None));
        assert!(error.message.contains("send a link instead"), "{error}");
    }
}

#[test]
fn a_config_that_lacks_something_says_what() {
    let _host = FakeHost::new();
    for (config, words) in [
        (json!({"provider": "resend"}), "Give `from`"),
        (json!({"provider": "resend", "from": "help"}), "`from`: `help` is no address"),
        (json!({"provider": "mailgun", "from": "a@example.com"}), "give its name as `domain`"),
        (
            json!({"provider": "mailgun", "from": "a@example.com", "domain": "a/../b"}),
            "give its name as `domain`",
        ),
        (json!({"provider": "ses", "from": "a@example.com"}), "unknown variant `ses`"),
    ] {
        let error = call(email_send, &mail(), &config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
}
