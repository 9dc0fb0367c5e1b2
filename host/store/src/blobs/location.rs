//! Where blobs are kept, as an operator writes it: a URL.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// Where blobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobLocation {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a cloud's store. Its credentials are the environment's to say.
    #[cfg(feature = "cloud")]
    Cloud(Bucket),
}

/// A place in a cloud's store.
#[cfg(feature = "cloud")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub(super) kind: CloudKind,
    pub(super) url: Url,
}

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloudKind {
    S3,
    Google,
    Azure,
}

/// A text that names no place for blobs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobUrlError {
    /// It is no URL.
    #[error(
        "`{0}` is not a URL: write `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`"
    )]
    NotUrl(String),
    /// Nobody knows such a store.
    #[error(
        "`{0}:` is no store for blobs: there are `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` and `az://container/prefix`"
    )]
    Scheme(String),
    /// It does not say which.
    #[error("`{0}` names no {1}: write `{2}`")]
    Incomplete(String, &'static str, &'static str),
    /// Credentials and the like do not belong there.
    #[error(
        "`blobs.url` may not hold a user, a password, a query or a fragment: credentials come from the environment (`AWS_ACCESS_KEY_ID` and so on)"
    )]
    Credentials,
    /// This program was built without it.
    #[error(
        "this build has no support for `{0}:`: build it with the feature `cloud`, or keep blobs in a folder"
    )]
    NotBuilt(String),
}

impl FromStr for BlobLocation {
    type Err = BlobUrlError;

    fn from_str(text: &str) -> Result<Self, BlobUrlError> {
        let url = Url::parse(text).map_err(|_| BlobUrlError::NotUrl(text.to_owned()))?;
        let has_more = url.query().is_some() || url.fragment().is_some();
        if has_more || !url.username().is_empty() || url.password().is_some() {
            return Err(BlobUrlError::Credentials);
        }
        match url.scheme() {
            "file" => folder(&url).map(Self::Folder),
            "s3" | "s3a" => bucket(url, CloudKind::S3, "bucket", "s3://bucket/prefix"),
            "gs" => bucket(url, CloudKind::Google, "bucket", "gs://bucket/prefix"),
            "az" | "azure" => bucket(url, CloudKind::Azure, "container", "az://container/prefix"),
            other => Err(BlobUrlError::Scheme(other.to_owned())),
        }
    }
}

fn folder(url: &Url) -> Result<PathBuf, BlobUrlError> {
    let incomplete = || BlobUrlError::Incomplete(url.to_string(), "folder", "file:///folder");
    let path = url.to_file_path().map_err(|()| incomplete())?;
    if path.parent().is_some() { Ok(path) } else { Err(incomplete()) }
}

fn bucket(
    url: Url,
    kind: CloudKind,
    what: &'static str,
    form: &'static str,
) -> Result<BlobLocation, BlobUrlError> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(BlobUrlError::Incomplete(url.to_string(), what, form));
    }
    located(kind, url)
}

#[cfg(feature = "cloud")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
fn located(kind: CloudKind, url: Url) -> Result<BlobLocation, BlobUrlError> {
    Ok(BlobLocation::Cloud(Bucket { kind, url }))
}

#[cfg(not(feature = "cloud"))]
#[expect(clippy::needless_pass_by_value, reason = "with the feature it is kept")]
fn located(_: CloudKind, url: Url) -> Result<BlobLocation, BlobUrlError> {
    Err(BlobUrlError::NotBuilt(url.scheme().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BlobLocation, BlobUrlError> {
        text.parse()
    }

    #[test]
    fn a_folder_is_named_by_its_url() {
        assert_eq!(parse("file:///srv/blobs"), Ok(BlobLocation::Folder("/srv/blobs".into())));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (text, words) in [
            ("/srv/blobs", "is not a URL"),
            ("ftp://host/blobs", "`ftp:` is no store for blobs"),
            ("file:///", "names no folder"),
            ("s3:///prefix", "names no bucket"),
            ("s3://key:secret@bucket/", "credentials come from the environment"),
            ("az://container?sig=x", "credentials come from the environment"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn every_cloud_has_its_scheme() {
        for (text, kind) in [
            ("s3://bucket/a/b", CloudKind::S3),
            ("gs://bucket", CloudKind::Google),
            ("az://container/a", CloudKind::Azure),
        ] {
            assert!(matches!(parse(text), Ok(BlobLocation::Cloud(bucket)) if bucket.kind == kind), "{text}");
        }
    }

    #[cfg(not(feature = "cloud"))]
    #[test]
    fn a_build_without_clouds_says_so() {
        assert_eq!(parse("s3://bucket/a"), Err(BlobUrlError::NotBuilt("s3".to_owned())));
    }
}
