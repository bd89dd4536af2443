//! `grantwatch scan`: the same engine as the daemon, once, over what is there.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use url::Url;

use crate::cli::Exit;
use crate::cli::output::Format;
use crate::cli::severity;
use crate::model::Seconds;
use crate::model::Severity;

/// Read files, an S3 listing or CloudTrail's event history once, and print the alerts.
///
/// Needs no configuration. Ends with the counts: records read = kept + duplicates + quarantined.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// What to read: a file or folder, `s3://bucket/prefix`, or `lookup://region` for CloudTrail's own event
    /// history of the last 90 days (management events, slow: two requests a second).
    #[arg(value_name = "PATH|s3://BUCKET/PREFIX|lookup://REGION")]
    pub target: Target,

    /// Leave out what happened before: `2026-03-01` or `2026-03-01T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Seconds>,

    /// Leave out what happened at or after this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Seconds>,

    /// How the alerts are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    /// Leave out alerts below this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), default_value = "informational")]
    pub min_severity: Severity,

    /// Exit with 3 if there is an alert of this severity or above.
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub fail_on: Option<Severity>,

    /// Files and folders with detectors of your own, in addition to the built-in ones.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub detectors: Vec<PathBuf>,

    /// Leave the built-in detectors out.
    #[arg(long)]
    pub no_builtin: bool,

    /// The AWS endpoint, for servers that are not AWS.
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub endpoint_url: Option<Url>,

    /// The region; without it, the SDK's usual places are asked.
    #[arg(long, help_heading = "AWS")]
    pub region: Option<String>,

    /// The profile in the AWS configuration files.
    #[arg(long, help_heading = "AWS")]
    pub profile: Option<String>,

    /// Threads that decompress and parse; 0 takes one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub threads: u16,

    /// Keep the store in this file, so that a later scan knows what this one learned; without it, it is
    /// temporary.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// What a scan reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file or folder.
    Path(PathBuf),
    /// The objects of a bucket below a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix; empty for the whole bucket.
        prefix: String,
    },
    /// CloudTrail's event history.
    Lookup {
        /// The region.
        region: String,
    },
}

/// The target is neither a path nor an address we know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// Another scheme.
    #[error("`{0}://` is not read here; give a path, s3://bucket/prefix or lookup://region")]
    Scheme(String),
    /// An address without its main part.
    #[error("the {0} is missing")]
    Missing(&'static str),
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Path(PathBuf::from(text)));
        };
        match scheme {
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(NoTarget::Missing("bucket"));
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            "lookup" => match rest.trim_end_matches('/') {
                "" => Err(NoTarget::Missing("region")),
                region => Ok(Self::Lookup { region: region.to_owned() }),
            },
            other => Err(NoTarget::Scheme(other.to_owned())),
        }
    }
}

/// Reads a moment: a day, which stands for its beginning in UTC, or a time.
fn moment(text: &str) -> Result<Seconds, String> {
    let day = format!("{text}T00:00:00Z");
    Seconds::parse(text).or_else(|| Seconds::parse(&day)).ok_or_else(|| {
        format!("`{text}` is no time; write it like 2026-03-01 or 2026-03-01T08:00:00Z")
    })
}

pub(super) fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("`scan` is not wired yet ({:?})", args.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_unless_it_names_a_scheme() {
        assert_eq!("logs/2026".parse(), Ok(Target::Path("logs/2026".into())));
        let s3 = |bucket: &str, prefix: &str| {
            Ok(Target::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!("s3://logs/AWSLogs/1/".parse(), s3("logs", "AWSLogs/1/"));
        assert_eq!("s3://logs".parse(), s3("logs", ""));
        assert_eq!("s3:///x".parse::<Target>(), Err(NoTarget::Missing("bucket")));
        assert_eq!(
            "lookup://eu-west-1".parse(),
            Ok(Target::Lookup { region: "eu-west-1".to_owned() })
        );
        assert_eq!("lookup://".parse::<Target>(), Err(NoTarget::Missing("region")));
        assert_eq!("gs://x".parse::<Target>(), Err(NoTarget::Scheme("gs".to_owned())));
    }

    #[test]
    fn a_day_is_its_beginning() {
        assert_eq!(moment("2026-03-01"), moment("2026-03-01T00:00:00Z"));
        assert!(moment("last week").is_err());
    }
}
