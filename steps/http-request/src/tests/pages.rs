use super::*;

fn read(
    host: &FakeHost,
    input: Value,
    paginate: Value,
    pages: &[(&str, Answer)],
) -> Result<Value, StepError> {
    let method = input.get("method").and_then(Value::as_str).unwrap_or("GET").to_owned();
    for (url, answer) in pages {
        host.answer(&method, url, answer.clone());
    }
    send(input, json!({"paginate": paginate}))
}

#[test]
fn the_link_header_leads_from_page_to_page() {
    let host = FakeHost::new();
    let pages = [
        (
            "https://a.example/x?per=2",
            Answer::json(200, &json!([1, 2]))
                .header("link", r#"<https://a.example/x?page=2>; rel="next", </x>; rel="first""#),
        ),
        (
            "https://a.example/x?page=2",
            Answer::json(200, &json!([])).header("link", r#"<?page=3>; rel="next""#),
        ),
        ("https://a.example/x?page=3", Answer::json(200, &json!([3])).header("link", r#"</x>; rel="first""#)),
    ];
    let input = json!({"url": "https://a.example/x", "query": {"per": 2}});
    let output = read(&host, input, json!({"next": "link"}), &pages).unwrap();
    assert_eq!(
        (&output["items"], &output["pages"], &output["complete"]),
        (&json!([1, 2, 3]), &json!(3), &json!(true))
    );
    assert_eq!((&output["status"], &output["url"]), (&json!(200), &json!("https://a.example/x?page=3")));
    assert_eq!(output.get("json"), None);
}

#[test]
fn a_url_in_the_page_leads_on_within_its_origin_alone() {
    let host = FakeHost::new();
    let page = |next: Value| Answer::json(200, &json!({"count": 2, "next": next, "results": [{"id": 1}]}));
    let paginate = json!({"next": {"url": "/next"}, "items": "/results"});
    let pages = [
        (URL, page(json!("/items?offset=1"))),
        ("https://api.example.com/items?offset=1", page(json!(null))),
    ];
    let output = read(&host, json!({"url": URL}), paginate.clone(), &pages).unwrap();
    assert_eq!(output["items"].as_array().unwrap().len(), 2);

    let error =
        read(&host, json!({"url": URL}), paginate, &[(URL, page(json!("http://api.example.com/items")))])
            .unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("within one scheme, host and port"), "{error}");
}

#[test]
fn a_cursor_goes_back_in_the_query_or_in_the_body() {
    let host = FakeHost::new();
    let page = |items: Value, next: Value| {
        Answer::json(200, &json!({"members": items, "meta": {"next_cursor": next}}))
    };
    let pages = [
        (URL, page(json!([1]), json!("dXNlcg=="))),
        ("https://api.example.com/items?cursor=dXNlcg%3D%3D", page(json!([2]), json!(""))),
    ];
    let paginate =
        json!({"next": {"cursor": {"at": "/meta/next_cursor", "query": "cursor"}}, "items": "/members"});
    assert_eq!(read(&host, json!({"url": URL}), paginate, &pages).unwrap()["items"], json!([1, 2]));

    let host = FakeHost::new();
    let pages = [(URL, page(json!([1]), json!(17))), (URL, page(json!([2]), json!(null)))];
    let input = json!({"method": "POST", "url": URL, "json": {"page_size": 1}});
    let paginate =
        json!({"next": {"cursor": {"at": "/meta/next_cursor", "body": "/page/start"}}, "items": "/members"});
    assert_eq!(read(&host, input, paginate, &pages).unwrap()["items"], json!([1, 2]));
    let bodies: Vec<Value> =
        host.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    assert_eq!(bodies, [json!({"page_size": 1}), json!({"page_size": 1, "page": {"start": 17}})]);
}

#[test]
fn the_last_item_can_be_the_cursor() {
    let host = FakeHost::new();
    let page = |id: &str, more: bool| {
        Answer::json(200, &json!({"data": [{"id": "a"}, {"id": id}], "has_more": more}))
    };
    let pages =
        [(URL, page("b", true)), ("https://api.example.com/items?starting_after=b", page("c", false))];
    let paginate = json!({"next": {"cursor": {"at": "/id", "of": "last_item", "more": "/has_more", "query": "starting_after"}}, "items": "/data"});
    let output = read(&host, json!({"url": URL}), paginate, &pages).unwrap();
    assert_eq!(output["items"].as_array().unwrap().len(), 4);
}

#[test]
fn a_cursor_that_comes_again_is_an_error() {
    let host = FakeHost::new();
    let page = |next: &str| Answer::json(200, &json!({"data": [1], "next": next}));
    let next = |cursor: &str| format!("{URL}?c={cursor}");
    let pages = [(URL, page("a")), (&*next("a"), page("b")), (&*next("b"), page("a"))];
    let error = read(
        &host,
        json!({"url": URL}),
        json!({"next": {"cursor": {"at": "/next", "query": "c"}}, "items": "/data"}),
        &pages,
    )
    .unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("leads in a circle"), "{error}");
}

#[test]
fn counted_pages_end_with_an_empty_or_a_short_one() {
    let list = |items: Value| Answer::json(200, &items);
    let numbered = |n: u8| format!("{URL}?page={n}");
    let host = FakeHost::new();
    let pages = [
        (&*numbered(0), list(json!([1, 2]))),
        (&*numbered(1), list(json!([3, 4]))),
        (&*numbered(2), list(json!([]))),
    ];
    let output =
        read(&host, json!({"url": URL}), json!({"next": {"page": {"query": "page", "first": 0}}}), &pages)
            .unwrap();
    assert_eq!((&output["items"], &output["pages"]), (&json!([1, 2, 3, 4]), &json!(3)));

    let skipped = |n: u8| format!("{URL}?skip={n}");
    let host = FakeHost::new();
    let pages = [(&*skipped(0), list(json!([1, 2]))), (&*skipped(2), list(json!([3])))];
    let output =
        read(&host, json!({"url": URL}), json!({"next": {"offset": {"query": "skip", "size": 2}}}), &pages)
            .unwrap();
    assert_eq!((&output["items"], &output["complete"]), (&json!([1, 2, 3]), &json!(true)));
}

#[test]
fn limits_end_a_list_and_the_output_says_so() {
    let numbered = |n: u8| format!("{URL}?page={n}");
    let page = || Answer::json(200, &json!([1, 2]));
    for (limit, items, complete) in [("max_pages", 2, false), ("max_items", 1, false)] {
        let host = FakeHost::new();
        let mut paginate = json!({"next": {"page": {"query": "page"}}});
        paginate[limit] = json!(1);
        let output = read(&host, json!({"url": URL}), paginate, &[(&*numbered(1), page())]).unwrap();
        assert_eq!(output["items"].as_array().unwrap().len(), items, "{limit}");
        assert_eq!(output["complete"], complete, "{limit}");
    }
}

#[test]
fn a_page_that_is_none_is_an_error() {
    let by_page = json!({"next": {"page": {"query": "page"}}, "items": "/data"});
    let first = format!("{URL}?page=1");
    for (answer, kind, words) in [
        (Answer::json(200, &json!({"data": {}})), StepErrorKind::Permanent, "an object at `/data`"),
        (Answer::json(200, &json!([1])), StepErrorKind::Permanent, "nothing at `/data`"),
        (Answer::text(200, "<html>"), StepErrorKind::Retryable, "<html>"),
        (Answer::text(429, ""), StepErrorKind::Retryable, "answered 429"),
    ] {
        let host = FakeHost::new();
        let error = read(&host, json!({"url": URL}), by_page.clone(), &[(&*first, answer)]).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_workflow_that_cannot_mean_what_it_says_is_told_so() {
    let _host = FakeHost::new();
    for (input, config, words) in [
        (json!({}), json!({"save": true, "paginate": {"next": "link"}}), "give one of them"),
        (json!({}), json!({"paginate": {"next": {"page": {}}}}), "give `query` or `body`"),
        (
            json!({}),
            json!({"paginate": {"next": {"page": {"query": "a", "body": "/b"}}}}),
            "give `query` or `body`",
        ),
        (json!({"json": [1]}), json!({"paginate": {"next": {"page": {"body": "/b"}}}}), "no object there"),
        (json!({}), json!({"paginate": {"next": "links"}}), "unknown variant `links`"),
    ] {
        let mut input = input;
        input["url"] = json!(URL);
        let error = send(input, config).unwrap_err();
        assert_eq!(error.kind, StepErrorKind::Permanent);
        assert!(error.message.contains(words), "{error}");
    }
}
