use std::collections::HashMap;
use std::io::Write as _;

use super::*;
use crate::config::EventMode;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let overrides = Overrides { config: Some(on_disk.path().to_owned()), ..Overrides::default() };
    Config::load_from(&overrides, &|name| variables.get(name).cloned())
}

#[test]
fn a_layer_sets_its_keys_and_leaves_their_neighbours() {
    let config = load(
        "listen = \"0.0.0.0:80\"\n[limits.ceiling]\nfuel = 7\n[http]\nmax_wait = \"5s\"",
        &[("STEPWELL_HTTP_MAX_WAIT", "1m30s"), ("STEPWELL_NETWORK_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128")],
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.limits.ceiling.fuel, 7);
    assert_eq!(config.limits.ceiling.time_ms, stepwell_core::limits::Limits::default_ceiling().time_ms);
    assert_eq!(config.http.max_wait.as_secs(), 90, "the environment stands over the file");
    assert_eq!(config.network.allow_networks.len(), 2);
}

/// A key without a default is known all the same.
#[test]
fn how_others_reach_the_server_can_be_set_in_each_layer() {
    let set = load("[http]\npublic_url = \"https://stepwell.example.com\"", &[]).unwrap();
    assert_eq!(set.http.public_url.as_deref(), Some("https://stepwell.example.com"));
    let set = load("", &[("STEPWELL_HTTP_PUBLIC_URL", "https://other.example.com")]).unwrap();
    assert_eq!(set.http.public_url.as_deref(), Some("https://other.example.com"));
    assert_eq!(load("", &[]).unwrap().http.public_url, None);
}

#[test]
fn hosts_are_sent_elsewhere_by_name_and_what_is_no_route_is_told() {
    let file = |route: &str| {
        format!(
            "[network.routes]\n\"api.openai.com\" = \"{route}\"\n\"*.example.com\" = \"http://127.0.0.1:9\""
        )
    };
    let config = load(&file("http://gateway.example.com:8080/openai"), &[]).unwrap();
    assert_eq!(config.network.routes.len(), 2);
    let error = load(&file("gateway"), &[]).unwrap_err().to_string();
    assert!(error.contains("`gateway` is not a route") && error.contains("line 2"), "{error}");
}

#[test]
fn the_command_line_stands_over_everything() {
    let overrides = Overrides { listen: "127.0.0.1:0".parse().ok(), ..Overrides::default() };
    let config =
        Config::load_from(&overrides, &|name| (name == "STEPWELL_LISTEN").then(|| "127.0.0.1:1".to_owned()));
    assert_eq!(config.unwrap().listen.port(), 0);
}

#[test]
fn every_unknown_key_is_named_with_its_line_and_what_was_meant() {
    let error = load("lisen = \"x\"\n[http]\nmax_wiat = \"5s\"\n[nothing]\n", &[]).unwrap_err();
    let ConfigError::UnknownKeys { keys, .. } = error else { panic!("{error}") };
    let shown: Vec<_> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "`lisen` (line 1; did you mean `listen`?)",
            "`http.max_wiat` (line 3; did you mean `http.max_wait`?)",
            "`nothing` (line 4)"
        ]
    );
}

#[test]
fn below_a_name_of_ones_own_unknown_keys_are_found_as_well() {
    let error =
        load("[destinations.\"a.example\"]\nrate = \"5/s\"\nbrust = 3\nbreaker = { fialures = 1 }\n", &[]);
    let ConfigError::UnknownKeys { keys, .. } = error.unwrap_err() else { panic!("unknown keys") };
    let shown: Vec<_> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "`destinations.a.example.brust` (line 3; did you mean `destinations.a.example.burst`?)",
            "`destinations.a.example.breaker.fialures` (line 4; did you mean `destinations.a.example.breaker.failures`?)",
        ]
    );
    let config = load("[destinations.\"a.example\"]\nrate = \"5/s\"\nbreaker = false\n", &[]).unwrap();
    assert_eq!(load(&config.to_toml(), &[]).unwrap().destinations, config.destinations);
}

#[test]
fn a_value_of_the_wrong_type_is_shown_in_its_line() {
    let error = load("[http]\nmax_wait = 5", &[]).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    let error = load("", &[("STEPWELL_STORE_RESERVE_BYTES", "lots")]).unwrap_err().to_string();
    assert!(error.contains("STEPWELL_STORE_RESERVE_BYTES") && error.contains("lots"), "{error}");
    let error = load("", &[("STEPWELL_LISTEN", "localhost")]).unwrap_err().to_string();
    assert!(error.contains("STEPWELL_LISTEN"), "{error}");
}

#[test]
fn secrets_are_read_and_never_printed() {
    let config = load(
        "admin_key = \"a-long-enough-key\"",
        &[("STEPWELL_MASTER_KEY", "bWFzdGVyIGtleQ=="), ("STEPWELL_ADMIN_KEY", "another-long-key")],
    )
    .unwrap();
    assert!(config.admin_key.is_some() && config.master_key.is_some());
    let printed = format!("{}{config:?}", config.to_toml());
    assert!(!printed.contains("long") && !printed.contains("bWFz"), "{printed}");
    assert!(matches!(load("admin_key = \"short\"", &[]), Err(ConfigError::WeakAdminKey)));
}

#[test]
fn runs_are_kept_for_ever_or_for_longer_than_their_keys() {
    let retention =
        |text: &str| load("", &[("STEPWELL_ENGINE_RETENTION", text)]).map(|config| config.engine.retention);
    assert_eq!(load("", &[]).unwrap().engine.retention, None);
    assert_eq!(retention("forever").unwrap(), None);
    assert_eq!(retention("720h").unwrap().map(|kept| kept.as_secs()), Some(720 * 3600));
    assert!(matches!(retention("23h"), Err(ConfigError::ShortRetention)));
    let error = retention("a while").unwrap_err().to_string();
    assert!(error.contains("STEPWELL_ENGINE_RETENTION") && error.contains("720h"), "{error}");
    let config = load("[engine]\nretention = \"720h\"", &[]).unwrap();
    assert_eq!(load(&config.to_toml(), &[]).unwrap().engine.retention, config.engine.retention);
}

#[test]
fn what_is_printed_can_be_read_back() {
    let printed = Config::default().to_toml();
    assert_eq!(load(&printed, &[]).unwrap().to_toml(), printed);
    let with_a_sink = format!("{SINK}{}", "types = [\"com.example.*\"]\nmode = \"binary\"\n");
    let printed = load(&with_a_sink, &[]).unwrap().to_toml();
    assert_eq!(load(&printed, &[]).unwrap().to_toml(), printed);
}

const SINK: &str = "[[event_sinks]]\nname = \"crm\"\nurl = \"https://crm.example.com/events\"\n";

#[test]
fn an_event_sink_is_read_with_its_defaults_and_never_shows_its_token() {
    let config = load(&format!("{SINK}token = \"hush\"\n"), &[]).unwrap();
    let [sink] = &config.event_sinks[..] else { panic!("{config:?}") };
    assert!(sink.types[0].matches("anything") && sink.mode == EventMode::Structured && sink.token.is_some());
    assert!(!format!("{}{config:?}", config.to_toml()).contains("hush"));
}

#[test]
fn an_event_sink_that_cannot_be_is_told_by_its_name() {
    for (file, word) in [
        (format!("{SINK}{SINK}"), "another one"),
        (format!("{SINK}types = []\n"), "types"),
        (SINK.replace("https", "ftp"), "ftp"),
        (SINK.replace("https://crm.example.com/events", "crm"), "url"),
    ] {
        let error = load(&file, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::EventSink { .. }), "{error}");
        assert!(error.to_string().contains("`crm`") && error.to_string().contains(word), "{error}");
    }
    for (line, word) in [("types = [\"a*b\"]", "`*`"), ("mode = \"odd\"", "odd"), ("typos = []", "typos")] {
        let error = load(&format!("{SINK}{line}\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("line 4") && error.contains(word), "{error}");
    }
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../../../../../docs/configuration.md");
    let mut paths = Vec::new();
    collect_paths(&keys_of_a_file(), &mut Vec::new(), &mut paths);
    let key = |path: &Vec<String>| path.join(".").replace(ANY, "\"HOST\"");
    let missing: Vec<_> = paths.iter().map(key).filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
}

#[test]
fn a_place_for_blobs_that_cannot_be_is_told_before_anything_starts() {
    for (file, words) in [
        ("[blobs]\nurl = \"ftp://host/blobs\"", "`blobs.url`: `ftp:` is no store for blobs"),
        ("[blobs]\nurl = \"s3://key:secret@bucket\"", "credentials come from the environment"),
        ("[blobs]\nkeep_unused = \"10ms\"", "`blobs.keep_unused` is shorter than a second"),
    ] {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(error.contains(words), "{file}: {error}");
    }
    let config = load("[blobs]\nmax_bytes = 5\n", &[("STEPWELL_BLOBS_URL", "file:///srv/blobs")]).unwrap();
    assert_eq!((config.blobs.url.as_str(), config.blobs.max_bytes), ("file:///srv/blobs", 5));
}
