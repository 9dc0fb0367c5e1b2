use stepwell_sdk::http::Part;

use super::*;

#[test]
fn a_form_goes_out_as_browsers_send_it() {
    let host = FakeHost::new();
    host.answer("POST", URL, Answer::text(200, ""));
    let form = json!({"grant type": "a&b", "scope": ["x", "y"], "none": null, "n": 1.5});
    send(json!({"method": "POST", "url": URL, "form": form}), json!({})).unwrap();
    let request = &host.requests()[0];
    assert_eq!(request.body, b"grant+type=a%26b&n=1.5&scope=x&scope=y");
    assert_eq!(request.header_value("content-type"), Some("application/x-www-form-urlencoded"));
}

#[test]
fn files_go_out_without_entering_the_step() {
    let host = FakeHost::new();
    let sound = host.put_blob("audio/mpeg", [0xff, 0xfb]).named("call.mp3");
    host.answer("POST", URL, Answer::json(200, &json!({"text": "hi"})));
    let fields = json!([
        {"name": "model", "text": "whisper-1"},
        {"name": "none", "text": null, "blob": null},
        {"name": "file", "blob": sound},
        {"name": "other", "blob": sound, "file_name": "b.mp3"},
    ]);
    let error = send(json!({"method": "POST", "url": URL, "multipart": fields}), json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.starts_with("/multipart/1: the field `none`"), "{error}");

    let fields = json!([fields[0], fields[2], fields[3]]);
    send(json!({"method": "POST", "url": URL, "multipart": fields}), json!({})).unwrap();
    let request = &host.requests()[0];
    let blobs = request.parts.iter().filter(|part| **part == Part::from(&sound)).count();
    assert_eq!(blobs, 2);
    let heads: String = request
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Bytes(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            Part::Blob(_) => None,
        })
        .collect();
    for part in [
        "name=\"model\"\r\n\r\nwhisper-1",
        "name=\"file\"; filename=\"call.mp3\"",
        "filename=\"b.mp3\"\r\nContent-Type: audio/mpeg",
    ] {
        assert!(heads.contains(part), "{heads}");
    }
}

#[test]
fn a_blob_is_a_body_of_its_own_type() {
    let host = FakeHost::new();
    let page = host.put_blob("application/pdf", "%PDF-1.7");
    for (headers, expected) in [(json!({}), "application/pdf"), (json!({"Content-Type": "x/y"}), "x/y")] {
        host.answer("PUT", URL, Answer::text(200, ""));
        send(json!({"method": "PUT", "url": URL, "blob": page, "headers": headers}), json!({})).unwrap();
        let request = host.requests().pop().unwrap();
        assert_eq!(request.parts, [Part::from(&page)]);
        assert_eq!(request.header_value("content-type"), Some(expected));
    }
}

#[test]
fn an_answer_is_kept_as_a_blob_with_its_name() {
    for (url, header, name) in [
        ("https://a.example/files/photo.png?size=9", None, "photo.png"),
        ("https://a.example/get", Some("attachment; filename=\"../../my photo.png\""), "my photo.png"),
    ] {
        let host = FakeHost::new();
        let mut answer = Answer::bytes(200, [0x89, 0x50]).header("content-type", "image/png");
        if let Some(value) = header {
            answer = answer.header("content-disposition", value);
        }
        host.answer("GET", url, answer);
        let output = send(json!({"url": url}), json!({"save": true})).unwrap();
        let blob: Blob = serde_json::from_value(output["blob"].clone()).unwrap();
        assert_eq!((blob.kind().as_str(), blob.name.as_deref()), ("image/png", Some(name)));
        assert_eq!(host.blob(&blob), [0x89, 0x50]);
        assert_eq!((output.get("json"), output.get("text")), (None, None));
    }
}

#[test]
fn what_is_no_success_is_never_kept() {
    let host = FakeHost::new();
    host.answer("GET", URL, Answer::json(404, &json!({"error": "gone"})));
    host.answer("GET", URL, Answer::text(503, "busy"));
    let output = send(json!({"url": URL}), json!({"save": true, "expect": [200, 404]})).unwrap();
    assert_eq!((&output["json"]["error"], output.get("blob")), (&json!("gone"), None));
    let error = send(json!({"url": URL}), json!({"save": true})).unwrap_err();
    assert_eq!((error.kind, &error.detail.unwrap()["body"]), (StepErrorKind::Retryable, &json!("busy")));
    assert_eq!(host.blob_count(), 0);
}

#[test]
fn two_bodies_are_one_too_many() {
    let error = send(json!({"url": URL, "json": 1, "form": {}, "text": "a"}), json!({})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::InvalidInput);
    assert!(error.message.ends_with("give one of `json`, `text`, `form`"), "{error}");
}
