//! `grantwatch policies fetch`: reads policies from AWS itself and writes them as a snapshot.
//!
//! What belongs to no account, the organisation and Identity Center, is read in `fetch/above.rs`.
//!
//! Invariant: a file of the snapshot is written whole or not at all, and what could not be read is told and makes the command
//! fail; the accounts that could be read are written all the same.

mod above;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;
use serde_json::json;
use url::Url;

use crate::cli::Exit;
use crate::cli::output::printable;
use crate::cli::policies::fetch::above::Above;
use crate::iam::Fetch;
use crate::source::Access;
use crate::source::policies::Account;
use crate::source::policies::Beside;
use crate::source::policies::Policies;
use crate::source::policies::Refused;
use crate::telemetry::chain;

/// How often a call is tried: IAM answers fewer of these a second than of others.
const ATTEMPTS: u32 = 10;

/// How many things a line of what was refused names.
const NAMED: usize = 3;

/// Read the policies of accounts from AWS itself and write them as a snapshot, a file for each account.
///
/// Asks with the credentials that the SDK finds, or as the roles that are named. docs/policy-history.md lists the permissions.
/// Ends with 1 if anything that was asked for could not be read; what could be is written all the same.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The folder of the snapshot. A file of the same account in it is replaced.
    #[arg(long, value_name = "DIR", default_value = "snapshot")]
    out: PathBuf,
    /// A role to take, one in each account. May be given again. Without it, those of the configuration, if one is named.
    #[arg(long = "role", value_name = "ARN")]
    roles: Vec<String>,
    /// The external id that the roles' trust policies ask for.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Read each user's access keys, and whether there is a password for the console and a second factor.
    #[arg(long)]
    users: bool,
    /// Read the policies of all buckets.
    #[arg(long)]
    buckets: bool,
    /// Read the policies of all queues in a region. May be given again.
    #[arg(long, value_name = "REGION")]
    queues: Vec<String>,
    /// Read the policies of all KMS keys, SNS topics, Lambda functions, secrets and ECR repositories in a region. May be
    /// given again.
    #[arg(long, value_name = "REGION")]
    resources: Vec<String>,
    /// Read the organisation's policies and its tree, as the account that manages it.
    #[arg(long)]
    organization: bool,
    /// Read permission sets, assignments and groups of the Identity Center in a region, as an account that sees it.
    #[arg(long, value_name = "REGION")]
    identity_center: Option<String>,
    /// A configuration file, for its section `policies.fetch`.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The AWS endpoint, for servers that are not AWS.
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    endpoint_url: Option<Url>,
    /// The region; without it, the SDK's usual places are asked.
    #[arg(long, help_heading = "AWS")]
    region: Option<String>,
    /// The profile in the AWS configuration files.
    #[arg(long, help_heading = "AWS")]
    profile: Option<String>,
}

/// What became of one account.
#[derive(Debug)]
struct Fetched {
    account: Account,
    beside: BTreeMap<&'static str, Beside>,
    file: PathBuf,
    /// What belongs to no account, where this one was told of it.
    above: Above,
}

pub(super) fn run(args: &FetchArgs) -> anyhow::Result<Exit> {
    let accesses = accesses(args)?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("could not make the folder {}", args.out.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let mut err = io::stderr().lock();
    let mut all: Vec<Fetched> = Vec::new();
    let mut failed = false;
    for access in &accesses {
        match runtime.block_on(fetch(args, access, &all)) {
            Ok(fetched) => all.push(fetched),
            Err(error) => {
                failed = true;
                let error: &dyn std::error::Error = error.as_ref();
                writeln!(err, "{}", printable(&chain(error).to_string()))?;
            }
        }
    }
    for fetched in &all {
        for line in fetched.refused() {
            failed = true;
            writeln!(err, "{}", printable(&line))?;
        }
    }
    for line in above::unread(args, &all) {
        failed = true;
        writeln!(err, "{}", printable(&line))?;
    }
    if !all.is_empty() {
        writeln!(io::stdout().lock(), "{}", table(&all))?;
    }
    for line in all.iter().flat_map(|fetched| &fetched.above.said) {
        writeln!(io::stdout().lock(), "{}", printable(line))?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Returns how to get at each account.
fn accesses(args: &FetchArgs) -> anyhow::Result<Vec<Access>> {
    let section = match &args.config {
        Some(path) => crate::config::read(path)?.policies.fetch,
        None => Fetch::default(),
    };
    let base = Access {
        region: args.region.clone().or(section.region),
        endpoint_url: args.endpoint_url.clone().or(section.endpoint_url),
        profile: args.profile.clone().or(section.profile),
        external_id: args.external_id.clone().or(section.external_id),
        role_arn: None,
        attempts: ATTEMPTS,
    };
    let roles = if args.roles.is_empty() { &section.roles } else { &args.roles };
    if roles.is_empty() {
        return Ok(vec![base]);
    }
    let of = |role: &String| Access { role_arn: Some(role.clone()), ..base.clone() };
    Ok(roles.iter().map(of).collect())
}

/// Reads one account and writes it.
async fn fetch(args: &FetchArgs, access: &Access, others: &[Fetched]) -> anyhow::Result<Fetched> {
    let policies = Policies::open(access).await?;
    let mut account = policies.account().await?;
    if let Some(other) = others.iter().find(|other| other.account.id == account.id) {
        let file = other.file.display();
        anyhow::bail!("account {} was read by another role already, into {file}", account.id);
    }
    let mut beside = BTreeMap::new();
    if args.users {
        beside.insert("users", policies.with_credentials_of_users(&mut account).await);
    }
    if args.buckets {
        beside.insert("buckets", policies.buckets(&account.id).await);
    }
    for region in &args.queues {
        add(&mut beside, "queues", policies.queues(Some(region), &account.id).await);
    }
    for region in &args.resources {
        add(&mut beside, "resources", policies.resources(region, &account.id).await);
    }
    let file = args.out.join(format!("{}.json", account.id));
    write(&file, &whole(&account))?;
    if args.buckets || !args.queues.is_empty() || !args.resources.is_empty() {
        let resources: Vec<&Value> = beside.values().flat_map(|it| &it.resources).collect();
        let text = json!({ "Resources": resources });
        write(&args.out.join(format!("{}-resources.json", account.id)), &text)?;
    }
    let above = above::read(args, &policies, &account.id).await?;
    Ok(Fetched { account, beside, file, above })
}

fn add(beside: &mut BTreeMap<&'static str, Beside>, kind: &'static str, read: Beside) {
    let of = beside.entry(kind).or_default();
    of.resources.extend(read.resources);
    of.asked += read.asked;
    of.refused.extend(read.refused);
}

/// Returns an account as `aws iam get-account-authorization-details` prints it, with whose it is and when it was read.
fn whole(account: &Account) -> Value {
    json!({
        "Account": account.id, "Taken": account.taken.to_string(),
        "UserDetailList": account.users, "GroupDetailList": account.groups,
        "RoleDetailList": account.roles, "Policies": account.policies,
    })
}

/// Writes a file in one step: whoever reads it finds the old one or the new one.
fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let failed = || format!("could not write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    // Its name does not end like a snapshot's, so that what a kill leaves behind is not read.
    let mut next = tempfile::Builder::new()
        .prefix(".fetch-")
        .suffix(".part")
        .tempfile_in(folder)
        .with_context(failed)?;
    let mut out = BufWriter::new(next.as_file_mut());
    serde_json::to_writer_pretty(&mut out, value).with_context(failed)?;
    out.write_all(b"\n").and_then(|()| out.flush()).with_context(failed)?;
    drop(out);
    next.as_file().sync_all().with_context(failed)?;
    next.persist(path).with_context(failed)?;
    Ok(())
}

impl Fetched {
    /// Returns a line for each call that was refused.
    fn refused(&self) -> Vec<String> {
        let mut calls: BTreeMap<&str, Vec<&Refused>> = BTreeMap::new();
        let beside = self.beside.values().flat_map(|beside| &beside.refused);
        for refused in beside.chain(&self.above.refused) {
            calls.entry(refused.call).or_default().push(refused);
        }
        let line = |(call, all): (&str, Vec<&Refused>)| {
            let abouts = all.iter().map(|refused| &*refused.about);
            let named: Vec<&str> = abouts.filter(|about| !about.is_empty()).take(NAMED).collect();
            let about = match (named.is_empty(), all.len().saturating_sub(named.len())) {
                (true, _) => String::new(),
                (false, 0) => format!(" about {}", named.join(", ")),
                (false, more) => format!(" about {} and {more} more", named.join(", ")),
            };
            let what = match all.iter().any(|refused| refused.is_denied) {
                true => format!("the permission {call} is missing{about}"),
                false => format!("{call} was not answered{about}"),
            };
            let first = all.first().map(|refused| chain(&*refused.source).to_string());
            format!("account {}: {what}: {}", self.account.id, first.unwrap_or_default())
        };
        calls.into_iter().map(line).collect()
    }
}

fn table(all: &[Fetched]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty().set_header([
        "account",
        "users",
        "groups",
        "roles",
        "policies",
        "bucket policies",
        "queue policies",
        "others",
        "file",
    ]);
    for Fetched { account, beside, file, .. } in all {
        let of = |kind: &str| {
            let found = beside.get(kind);
            found.map_or("-".to_owned(), |it| format!("{} of {}", it.resources.len(), it.asked))
        };
        table.add_row([
            account.id.clone(),
            account.users.len().to_string(),
            account.groups.len().to_string(),
            account.roles.len().to_string(),
            account.policies.len().to_string(),
            of("buckets"),
            of("queues"),
            of("resources"),
            printable(&file.display().to_string()).into_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_the_permission_and_not_for_each_thing() {
        let refused = |about: &str, is_denied| Refused {
            call: "s3:GetBucketPolicy",
            about: about.to_owned(),
            is_denied,
            source: "AccessDenied: no".into(),
        };
        let account = Account {
            id: "111122223333".to_owned(),
            taken: crate::model::Seconds(0),
            users: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            policies: Vec::new(),
            pages: 1,
        };
        let told = |names: &[&str]| {
            let refused = names.iter().map(|name| refused(name, true)).collect();
            let beside = Beside { refused, ..Beside::default() };
            let beside = BTreeMap::from([("buckets", beside)]);
            let (account, file, above) = (account.clone(), PathBuf::new(), Above::default());
            Fetched { account, beside, file, above }.refused()
        };
        let missing = "account 111122223333: the permission s3:GetBucketPolicy is missing about";
        assert_eq!(told(&["a"]), [format!("{missing} a: AccessDenied: no")]);
        let five = told(&["a", "b", "c", "d", "e"]);
        assert_eq!(five, [format!("{missing} a, b, c and 2 more: AccessDenied: no")]);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, &json!({"is": "old"})).unwrap();
        write(&path, &json!({"is": "new"})).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"is\": \"new\"\n}\n");
        assert!(write(&path.join("below"), &json!({})).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
