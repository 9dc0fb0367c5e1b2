//! Images that are made by jobs.

use super::*;

#[test]
fn what_is_not_done_in_replicates_minute_is_not_bought_again() {
    let host = FakeHost::new();
    host.answer("POST", REPLICATE, prediction("processing", Value::Null, Value::Null));
    let error = generate(json!({"provider": "replicate"}), Mode::Wait, |_| {}).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert_eq!(error.detail.unwrap()["job"]["id"], "gm3qorzdhgbfurvjtvhg6dckhu");
}

#[test]
fn a_job_is_submitted_with_a_webhook_and_collected_by_its_id() {
    let host = FakeHost::new();
    host.answer("POST", REPLICATE, prediction("starting", Value::Null, Value::Null));
    let config = json!({"provider": "replicate"});
    let started = generate(config.clone(), Mode::Submit, |order| {
        order.webhook = Some("https://stepwell.example/v1/callbacks/t")
    });
    let Outcome::Started(job) = started.unwrap() else { panic!("no job") };
    assert_eq!(body(&host, 0)["webhook"], "https://stepwell.example/v1/callbacks/t");
    assert_eq!(body(&host, 0)["webhook_events_filter"], json!(["completed"]));
    assert_eq!(host.requests()[0].header_value("prefer"), None);

    let status = format!("https://api.replicate.com/v1/predictions/{}", job.id);
    host.answer("GET", &status, prediction("processing", Value::Null, Value::Null));
    host.answer("GET", &status, prediction("succeeded", json!(PICTURE), Value::Null));
    host.answer("GET", PICTURE, Answer::bytes(200, PNG));
    assert!(
        matches!(collected(config.clone(), &job.id).unwrap(), Progress::Pending { status, .. } if status == "processing")
    );
    assert!(matches!(collected(config, &job.id).unwrap(), Progress::Done(_)));
}

#[test]
fn a_job_that_failed_says_why() {
    for (told, cause) in
        [("CUDA out of memory", "job_failed"), ("NSFW content detected. Try a different prompt.", "refused")]
    {
        let host = FakeHost::new();
        host.answer(
            "GET",
            "https://api.replicate.com/v1/predictions/a1",
            prediction("failed", Value::Null, json!(told)),
        );
        let error = collected(json!({"provider": "replicate"}), "a1").unwrap_err();
        assert_eq!(
            (error.kind, &error.detail.as_ref().unwrap()["cause"]),
            (StepErrorKind::Permanent, &json!(cause))
        );
        assert!(error.message.contains(told), "{error}");
    }
    let error = collected(json!({"provider": "replicate"}), "../account").unwrap_err();
    assert!(error.message.contains("is no job's id"), "{error}");
}

#[test]
fn flux_takes_a_job_and_gives_it_back_at_the_address_that_it_names() {
    let host = FakeHost::new();
    let polling = "https://api.eu1.bfl.ai/v1/get_result?id=7f3c";
    host.answer(
        "POST",
        "https://api.bfl.ai/v1/flux-pro-1.1",
        Answer::json(200, &json!({"id": "7f3c", "polling_url": polling})),
    );
    let config = json!({"provider": "black-forest-labs"});
    let Outcome::Started(job) =
        generate(config.clone(), Mode::Submit, |order| order.seed = Some(42)).unwrap()
    else {
        panic!("no job")
    };
    assert_eq!(job.status_url.as_deref(), Some(polling));
    assert_eq!(body(&host, 0), json!({"prompt": "a red fox", "seed": 42}));
    assert_eq!(host.requests()[0].header_value("x-key"), Some("{{secret.BFL_API_KEY}}"));

    let sample = "https://delivery-eu1.bfl.ai/results/7f3c/sample.jpeg?se=1";
    let status = |status: &str, result: Value| {
        Answer::json(
            200,
            &json!({"id": "7f3c", "status": status, "result": result, "progress": null, "details": {"Moderation Reasons": ["Derivative Works Filter"]}}),
        )
    };
    host.answer("GET", polling, status("Pending", Value::Null));
    host.answer(
        "GET",
        polling,
        status("Ready", json!({"sample": sample, "prompt": "a red fox", "seed": 42, "duration": 2.9})),
    );
    host.answer("GET", polling, status("Content Moderated", Value::Null));
    host.answer(
        "GET",
        sample,
        Answer::bytes(200, [0xff, 0xd8, 0xff, 0xe0, 0xff, 0xd9]).header("content-type", "image/jpeg"),
    );
    let config: ProviderConfig<Generator> = serde_json::from_value(config).unwrap();
    let endpoint = config.endpoint().unwrap();
    let ask = || collect(Maker::BlackForestLabs, &endpoint, &job);
    assert!(matches!(ask().unwrap(), Progress::Pending { retry_after: Some(_), .. }));
    let Progress::Done(made) = ask().unwrap() else { panic!("not done") };
    assert_eq!((made.images[0].seed, made.images[0].image.kind()), (Some(42), "image/jpeg".into()));
    assert_eq!(host.usage()[0].cost_micro_usd, Some(40_000));
    let error = ask().unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent);
    assert!(error.message.contains("Derivative Works Filter"), "{error}");
}

#[test]
fn what_a_provider_posts_to_a_callback_is_a_job() {
    let posted = json!({"id": "a1", "status": "succeeded", "output": ["https://replicate.delivery/x.png"], "urls": {"get": "https://evil.example/"}});
    let job: Job = serde_json::from_value(posted).unwrap();
    assert_eq!((job.id.as_str(), &job.status_url), ("a1", &None));
    assert_eq!(json!(job), json!({"id": "a1"}), "what was posted is handed on no further");
    assert_eq!(serde_json::from_value::<Job>(json!({"task_id": "a2", "status": "Ready"})).unwrap().id, "a2");
}

/// Black Forest Labs names an address to ask at for jobs that do not call back, and none for those that do.
#[test]
fn flux_gives_what_it_posts_to_a_callback() {
    let host = FakeHost::new();
    let started = json!({"id": "7f3c", "status": "Pending", "webhook_url": "https://stepwell.example/cb"});
    host.answer("POST", "https://api.bfl.ai/v1/flux-pro-1.1", Answer::json(200, &started));
    let config = json!({"provider": "black-forest-labs"});
    let webhook = |order: &mut Order<'_>| order.webhook = Some("https://stepwell.example/cb");
    let Outcome::Started(job) = generate(config.clone(), Mode::Submit, webhook).unwrap() else {
        panic!("no job")
    };
    assert_eq!((job.id.as_str(), job.status_url), ("7f3c", None));

    let sample = "https://delivery-us1.bfl.ai/results/7f3c/sample.jpeg?se=1";
    host.answer("GET", sample, Answer::bytes(200, [0xff, 0xd8, 0xff, 0xe0, 0xff, 0xd9]));
    let posted = json!({"task_id": "7f3c", "status": "Ready", "result": {"sample": sample, "seed": 42}});
    let Progress::Done(made) = collected_of(config.clone(), posted).unwrap() else { panic!("not done") };
    assert_eq!(made.images[0].seed, Some(42));
    assert_eq!(host.requests().len(), 2, "nobody is asked for it again");
    assert_eq!(host.requests()[1].header_value("x-key"), None);

    for (status, cause) in [("Content Moderated", "refused"), ("Error", "job_failed")] {
        let error = collected_of(config.clone(), json!({"id": "7f3c", "status": status, "result": null}))
            .unwrap_err();
        assert_eq!(
            (error.kind, &error.detail.as_ref().unwrap()["cause"]),
            (StepErrorKind::Permanent, &json!(cause))
        );
        assert!(error.message.contains(status), "{error}");
    }
    assert_eq!(host.requests().len(), 2, "nor for why there is none");
}

/// Each region knows its own jobs, and others' later or never: what was paid for is not given up for that.
#[test]
fn a_job_that_flux_does_not_know_yet_is_asked_for_again() {
    let host = FakeHost::new();
    let url = "https://api.bfl.ai/v1/get_result?id=7f3c";
    let unknown =
        json!({"id": "7f3c", "status": "Task not found", "result": null, "progress": null, "details": null});
    let config = json!({"provider": "black-forest-labs"});
    for status in [404, 200] {
        host.answer("GET", url, Answer::json(status, &unknown));
        let progress = collected_of(config.clone(), json!({"id": "7f3c"})).unwrap();
        assert!(matches!(progress, Progress::Pending { status, .. } if status == "Task not found"));
    }
    host.answer("GET", url, Answer::json(404, &json!({"detail": "Not Found"})));
    let error = collected_of(config.clone(), json!({"id": "7f3c"})).unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Permanent, "an address that is none: {error}");
    host.answer("GET", url, Answer::json(200, &json!({"id": "7f3c", "status": "Ready", "result": {}})));
    let error = collected_of(config.clone(), json!({"id": "7f3c"})).unwrap_err();
    assert_eq!((error.kind, &error.detail.unwrap()["cause"]), (StepErrorKind::Retryable, &json!("empty")));
}

#[test]
fn stabilitys_slow_models_are_jobs() {
    let host = FakeHost::new();
    host.answer(
        "POST",
        "https://api.stability.ai/v2beta/stable-image/upscale/creative",
        Answer::json(200, &json!({"id": "a6dc6c6e20acda010fe14d71f180658f2896ed9b4ec25aa99a6ff06c796987c4"})),
    );
    let results = "https://api.stability.ai/v2beta/results/a6dc";
    host.answer("GET", results, Answer::json(202, &json!({"id": "a6dc", "status": "in-progress"})));
    host.answer(
        "GET",
        results,
        Answer::bytes(200, PNG).header("content-type", "image/png").header("finish-reason", "SUCCESS"),
    );
    host.answer(
        "GET",
        results,
        Answer::json(404, &json!({"id": "x", "name": "not_found", "errors": ["id: not found or expired"]})),
    );
    let config = json!({"provider": "stability", "model": "upscale/creative"});
    assert!(matches!(generate(config.clone(), Mode::Submit, |_| {}).unwrap(), Outcome::Started(_)));
    assert!(matches!(collected(config.clone(), "a6dc").unwrap(), Progress::Pending { .. }));
    assert!(matches!(collected(config.clone(), "a6dc").unwrap(), Progress::Done(_)));
    assert!(collected(config, "a6dc").unwrap_err().message.contains("not found or expired"));
}
