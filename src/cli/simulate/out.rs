//! Where a simulation is written to: a folder, or a prefix of a bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::simulate::Shelf;
use crate::source::Access;
use crate::source::Target;
use crate::source::Upload;
use crate::source::Uploads;

/// How many objects are uploaded at once.
const UPLOADS: usize = 32;

/// What `--out` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// A folder.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix; may be empty.
        prefix: String,
    },
}

impl FromStr for Out {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Target::parse(text) {
            Ok(Target::Path(path)) => Ok(Self::Folder(path)),
            Ok(Target::Bucket { bucket, prefix }) => {
                Ok(Self::Bucket { bucket, prefix: prefix.trim_matches('/').to_owned() })
            }
            Ok(Target::Lookup { .. }) => {
                Err("the event history cannot be written to; name a folder".to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Out {
    /// Returns where `key` is written to.
    pub fn at(&self, key: &str) -> String {
        match self {
            Self::Folder(path) => path.join(key).display().to_string(),
            Self::Bucket { .. } => format!("{self}/{key}"),
        }
    }

    /// Makes ready to write there.
    ///
    /// # Errors
    /// When nothing says in which region a bucket is.
    pub fn open(&self, runtime: &Handle, access: &Access) -> anyhow::Result<Opened> {
        match self {
            Self::Folder(path) => Ok(Opened::Folder(Folder(path.clone()))),
            Self::Bucket { bucket, prefix } => {
                let uploads = runtime.block_on(Uploads::open(access, (bucket, prefix), UPLOADS))?;
                let (name, prefix) = (bucket.clone(), prefix.clone());
                Ok(Opened::Bucket(Bucket { uploads, runtime: runtime.clone(), name, prefix }))
            }
        }
    }
}

/// A place that can be written to.
#[derive(Debug)]
pub enum Opened {
    /// A folder.
    Folder(Folder),
    /// A prefix of a bucket.
    Bucket(Bucket),
}

impl Opened {
    /// Returns it as the simulation sees it.
    pub fn as_shelf(&self) -> &dyn Shelf {
        match self {
            Self::Folder(folder) => folder,
            Self::Bucket(bucket) => bucket,
        }
    }

    /// Returns whether nothing is there yet.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub fn is_empty(&self) -> anyhow::Result<bool> {
        match self {
            Self::Folder(Folder(path)) => match fs::read_dir(path) {
                Ok(mut entries) => Ok(entries.next().is_none()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) => {
                    Err(error).with_context(|| format!("could not look into {}", path.display()))
                }
            },
            Self::Bucket(Bucket { uploads, runtime, .. }) => {
                Ok(runtime.block_on(uploads.is_empty())?)
            }
        }
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// When something could not be put there.
    pub fn finish(&self) -> anyhow::Result<()> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Bucket(Bucket { uploads, runtime, .. }) => {
                Ok(runtime.block_on(uploads.finish())?)
            }
        }
    }
}

/// A folder as a shelf.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Shelf for Folder {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.0.join(key);
        let folder = file.parent().unwrap_or(Path::new("."));
        match whole(&file, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                whole(&file, bytes)
            }
            written => written,
        }
    }
}

/// Writes a file under a hidden name first, so that whoever watches the folder never sees a part of it.
fn whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let hidden = file.with_file_name(format!(".{name}.part"));
    fs::write(&hidden, bytes)?;
    fs::rename(&hidden, file)
}

/// A prefix of a bucket as a shelf.
#[derive(Debug)]
pub struct Bucket {
    uploads: Uploads,
    runtime: Handle,
    name: String,
    prefix: String,
}

impl Bucket {
    fn upload(
        &self,
        key: &str,
        bytes: &[u8],
        metadata: BTreeMap<String, String>,
    ) -> io::Result<()> {
        let content_type = match key.rsplit('.').next() {
            Some("gz") => "application/x-gzip",
            Some("json") => "application/json",
            Some("ndjson") => "application/x-ndjson",
            _ => "text/plain",
        };
        let upload = Upload {
            key: key.to_owned(),
            bytes: bytes.to_vec(),
            content_type: content_type.to_owned(),
            metadata,
        };
        self.runtime.block_on(self.uploads.put(upload)).map_err(io::Error::other)
    }
}

impl Shelf for Bucket {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.upload(key, bytes, BTreeMap::new())
    }

    fn put_signed(&self, key: &str, bytes: &[u8], signature: &str) -> io::Result<()> {
        let metadata = [("signature", signature), ("signature-algorithm", "SHA256withRSA")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.upload(key, bytes, BTreeMap::from(metadata))
    }

    fn bucket(&self) -> (&str, &str) {
        (&self.name, &self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_is_a_folder_or_a_prefix() {
        let bucket = |text: &str| text.parse::<Out>().unwrap();
        assert_eq!(bucket("drill").at("AWSLogs"), "drill/AWSLogs");
        assert_eq!(bucket("s3://logs/drill/").at("AWSLogs"), "s3://logs/drill/AWSLogs");
        assert_eq!(bucket("s3://logs").at("AWSLogs"), "s3://logs/AWSLogs");
        for wrong in ["lookup://eu-west-1", "s3://", "https://example.com/x", ""] {
            assert!(wrong.parse::<Out>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_is_made_and_holds_whole_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened::Folder(Folder(folder.path().join("a/b")));
        assert!(opened.is_empty().unwrap());
        opened.as_shelf().put("c/d.json", b"{}").unwrap();
        assert!(!opened.is_empty().unwrap());
        assert_eq!(fs::read(folder.path().join("a/b/c/d.json")).unwrap(), b"{}");
        assert_eq!(fs::read_dir(folder.path().join("a/b/c")).unwrap().count(), 1);
        assert!(Opened::Folder(Folder(folder.path().join("a/b/c/d.json"))).is_empty().is_err());
    }
}
