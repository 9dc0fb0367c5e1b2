use super::*;

fn event() -> Value {
    json!({
        "specversion": "1.0",
        "id": "A-1",
        "source": "/shop/orders",
        "type": "com.example.order.created",
        "subject": "order 7",
        "time": "2026-11-24T10:00:00.5+01:00",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/order",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "sequence": 7,
        "data": {"amount": 120},
    })
}

fn with(attribute: &str, value: Value) -> Value {
    let mut event = event();
    event[attribute] = value;
    event
}

/// The attributes that are wrong.
fn wrong(event: Value) -> Vec<String> {
    CloudEvent::from_json(event).unwrap_err().into_iter().map(|mistake| mistake.attribute).collect()
}

#[test]
fn an_event_writes_what_it_reads() {
    let read = CloudEvent::from_json(event()).unwrap();
    assert_eq!((read.id.as_str(), read.event_type.as_str()), ("A-1", "com.example.order.created"));
    assert_eq!(read.extensions["sequence"], 7);
    assert_eq!(read.data_as_json(), Some(json!({"amount": 120})));
    assert_eq!(read.to_json()["time"], "2026-11-24T09:00:00.5Z");
    assert_eq!(CloudEvent::from_json(read.to_json()), Ok(read));
}

#[test]
fn bytes_are_written_in_base64() {
    let mut bare = json!({"specversion": "1.0", "id": "1", "source": "a", "type": "t"});
    assert_eq!(CloudEvent::from_json(bare.clone()).unwrap().data, None);
    bare["data_base64"] = json!("AAEC");
    let read = CloudEvent::from_json(bare.clone()).unwrap();
    assert_eq!(read.data, Some(EventData::Bytes(vec![0, 1, 2])));
    assert_eq!(read.data_as_json(), Some(json!("AAEC")));
    assert_eq!(read.to_json(), bare);
}

#[test]
fn every_mistake_is_told_by_its_attribute() {
    assert_eq!(wrong(json!({})), ["specversion", "id", "source", "type"]);
    assert_eq!(wrong(json!([])), [""]);
    assert_eq!(wrong(with("specversion", json!("0.3"))), ["specversion"]);
    assert_eq!(wrong(with("id", json!(1))), ["id"]);
    assert_eq!(wrong(with("id", json!(null))), ["id"]);
    assert_eq!(wrong(with("source", json!(""))), ["source"]);
    assert_eq!(wrong(with("source", json!("not a uri"))), ["source"]);
    assert_eq!(wrong(with("type", json!("a\nb"))), ["type"]);
    assert_eq!(wrong(with("subject", json!("x".repeat(5_000)))), ["subject"]);
    assert_eq!(wrong(with("time", json!("yesterday"))), ["time"]);
    assert_eq!(wrong(with("myExtension", json!("x"))), ["myExtension"]);
    assert_eq!(wrong(with("nested", json!({"a": 1}))), ["nested"]);
    assert_eq!(wrong(with("ratio", json!(0.5))), ["ratio"]);
    assert_eq!(wrong(with("large", json!(1_u64 << 40))), ["large"]);
    assert_eq!(wrong(with("data_base64", json!("AAEC"))), ["data_base64"]);
    let mut twice = with("data_base64", json!("no base64!"));
    twice.as_object_mut().unwrap().remove("data");
    twice["id"] = json!("");
    assert_eq!(wrong(twice), ["id", "data_base64"]);
}

#[test]
fn what_is_null_is_not_there() {
    let read = CloudEvent::from_json(with("subject", json!(null))).unwrap();
    assert_eq!(read.subject, None);
}

#[test]
fn an_event_is_the_same_by_its_id_and_source_alone() {
    let identity = |event: Value| CloudEvent::from_json(event).unwrap().identity();
    assert_eq!(identity(event()), identity(with("data", json!(2))));
    assert_ne!(identity(event()), identity(with("id", json!("A-2"))));
    assert_ne!(identity(event()), identity(with("source", json!("/shop"))));
}

#[test]
fn expressions_see_every_attribute_that_they_may_name() {
    let shown = CloudEvent::from_json(event()).unwrap().to_shown();
    let mut names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = CloudEvent::SHOWN.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}
