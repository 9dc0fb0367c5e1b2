//! `stepwell blob`: values that are not JSON, between files and the server. Bytes stream: a file may be larger than memory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mime_guess::MimeGuess;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stepwell_core::blob::MediaType;
use stepwell_core::digest::Digest;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{CliError, Client, Connection, Screen};

/// How much is read of a file at once.
const PIECE_BYTES: usize = 256 << 10;

#[derive(Debug, Subcommand)]
pub(crate) enum BlobCommand {
    /// Upload a file, and print the reference to put into a run's input.
    Put {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// What it is, such as `image/png` [default: what its name says]
        #[arg(long, value_name = "TYPE")]
        media_type: Option<MediaType>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Download a blob.
    Get {
        /// `sha256:` and 64 hexadecimal digits.
        digest: Digest,
        /// Where to write it [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(crate) async fn blob(command: BlobCommand, screen: &Screen) -> Result<ExitCode, CliError> {
    match command {
        BlobCommand::Put { file, media_type, connection } => {
            let kind = media_type.unwrap_or_else(|| media_type_of(&file));
            put(&file, &kind, &Client::new(&connection)?, screen).await
        }
        BlobCommand::Get { digest, output, connection } => {
            get(&digest, output.as_deref(), &Client::new(&connection)?, screen).await
        }
    }
}

/// What a file's name says of its content.
pub(super) fn media_type_of(file: &Path) -> MediaType {
    let guess = MimeGuess::from_path(file).first_raw();
    guess.and_then(|guess| guess.parse().ok()).unwrap_or_else(MediaType::unknown)
}

async fn put(file: &Path, kind: &MediaType, client: &Client, screen: &Screen) -> Result<ExitCode, CliError> {
    let is_input = file == Path::new("-");
    let (source, size): (Box<dyn AsyncRead + Send + Unpin>, _) = if is_input {
        (Box::new(tokio::io::stdin()), None)
    } else {
        let cannot_read = |source| CliError::file("read", file, source);
        let opened = File::open(file).await.map_err(cannot_read)?;
        let size = opened.metadata().await.map_err(cannot_read)?.len();
        (Box::new(opened), Some(size))
    };
    let name = file.file_name().filter(|_| !is_input).map(|name| name.to_string_lossy());
    let query = name.map(|name| format!("?name={}", utf8_percent_encode(&name, NON_ALPHANUMERIC)));
    let path = format!("/v1/blobs{}", query.unwrap_or_default());
    let reference =
        client.post_stream(&path, kind.as_str(), size, reqwest::Body::wrap_stream(pieces(source))).await?;
    // It is what goes into an input: also for people it is JSON.
    screen.data(&reference, || reference.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// What a source gives, piece by piece.
fn pieces(
    source: impl AsyncRead + Send + Unpin + 'static,
) -> impl stream::Stream<Item = std::io::Result<bytes::Bytes>> + Send {
    stream::try_unfold(source, async |mut source| {
        let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
        let read = source.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), source)))
    })
}

async fn get(
    digest: &Digest,
    output: Option<&Path>,
    client: &Client,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let answer = client.get_stream(&format!("/v1/blobs/{digest}")).await?;
    let Some(path) = output else {
        copy(answer, &mut tokio::io::stdout(), Path::new("standard output")).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut file = File::create(path).await.map_err(|source| CliError::file("write", path, source))?;
    let size = copy(answer, &mut file, path).await?;
    let told = serde_json::json!({"digest": digest, "size": size, "file": path});
    screen.data(&told, || format!("{size} bytes are in {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(
    answer: reqwest::Response,
    to: &mut (impl AsyncWrite + Unpin),
    path: &Path,
) -> Result<u64, CliError> {
    let cannot_write = |source| CliError::file("write", path, source);
    let mut size = 0;
    let mut pieces = answer.bytes_stream().map_err(|source| CliError::failed("downloading", source)).boxed();
    while let Some(piece) = pieces.try_next().await? {
        to.write_all(&piece).await.map_err(cannot_write)?;
        size += piece.len() as u64;
    }
    to.flush().await.map_err(cannot_write)?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_what_it_is() {
        for (name, kind) in [
            ("photo.PNG", "image/png"),
            ("report.pdf", "application/pdf"),
            ("list.csv", "text/csv"),
            ("README", "application/octet-stream"),
        ] {
            assert_eq!(media_type_of(Path::new(name)).as_str(), kind);
        }
    }

    #[tokio::test]
    async fn a_source_comes_whole_in_pieces() {
        let source = std::io::Cursor::new(vec![7_u8; PIECE_BYTES + 1]);
        let pieces: Vec<_> = pieces(source).try_collect().await.unwrap();
        assert_eq!(pieces.concat(), vec![7_u8; PIECE_BYTES + 1]);
    }
}
