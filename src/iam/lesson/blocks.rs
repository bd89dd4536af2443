//! What records teach about blocks on public access.
//!
//! Sources: S3 User Guide, "Blocking public access"; EC2 API Reference, "EnableImageBlockPublicAccess",
//! "EnableSnapshotBlockPublicAccess", "ModifyVpcBlockPublicAccessOptions"; EMR API Reference, "BlockPublicAccessConfiguration".
//!
//! Invariant: a call sets all blocks of its place: what it does not name is off.

use crate::iam::block::Blocks;
use crate::iam::block::OF_S3;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;

/// What a call does to the blocks of a place.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Those of these flags (a parameter that holds them, and their names) are on that are true.
    Sets(&'static str, &'static [&'static str]),
    /// This parameter (the first of them that is there) says which: its values, each with the blocks that it means.
    Chooses(&'static str, &'static [(&'static str, &'static [&'static str])]),
    /// There are none.
    Clears,
    /// The place is made, and has all of these.
    Makes(&'static [&'static str]),
    /// The place is gone.
    Ends,
}

/// A call: service, name, what it does, the parameter that names the place, and what the place's ARN is made of (`R` region,
/// `A` account, `N` the parameter).
type Call = (&'static str, &'static str, Does, &'static str, &'static str);

const S3_FIELD: &str = "PublicAccessBlockConfiguration";
const BUCKET: &str = "s3:::N";
const ACCOUNT: &str = "s3::A:public-access-block";
const IMAGES: &str = "ec2:R:A:image-block-public-access";
const SNAPSHOTS: &str = "ec2:R:A:snapshot-block-public-access";
const NEW_SNAPSHOTS: &str = "snapshots shared from now on";
const OLD_SNAPSHOTS: &str = "snapshots shared before";
const GATEWAY_IN: &str = "traffic in through internet gateways";
const GATEWAY_OUT: &str = "traffic out through internet gateways";

/// Source of the calls and of what each value means: the services' API references.
const CALLS: &[Call] = &[
    ("s3", "PutBucketPublicAccessBlock", Does::Sets(S3_FIELD, &OF_S3), "bucketName", BUCKET),
    ("s3", "DeleteBucketPublicAccessBlock", Does::Clears, "bucketName", BUCKET),
    // Every bucket made since April 2023 has them.
    ("s3", "CreateBucket", Does::Makes(&OF_S3), "bucketName", BUCKET),
    ("s3", "DeleteBucket", Does::Ends, "bucketName", BUCKET),
    ("s3", "PutAccountPublicAccessBlock", Does::Sets(S3_FIELD, &OF_S3), "", ACCOUNT),
    ("s3", "DeleteAccountPublicAccessBlock", Does::Clears, "", ACCOUNT),
    (
        "ec2",
        "EnableImageBlockPublicAccess",
        Does::Makes(&["images shared from now on"]),
        "",
        IMAGES,
    ),
    ("ec2", "DisableImageBlockPublicAccess", Does::Clears, "", IMAGES),
    (
        "ec2",
        "EnableSnapshotBlockPublicAccess",
        Does::Chooses(
            "EnableSnapshotBlockPublicAccessRequest.State|state",
            &[
                ("block-all-sharing", &[NEW_SNAPSHOTS, OLD_SNAPSHOTS]),
                ("block-new-sharing", &[NEW_SNAPSHOTS]),
            ],
        ),
        "",
        SNAPSHOTS,
    ),
    ("ec2", "DisableSnapshotBlockPublicAccess", Does::Clears, "", SNAPSHOTS),
    (
        "ec2",
        "ModifyVpcBlockPublicAccessOptions",
        Does::Chooses(
            "ModifyVpcBlockPublicAccessOptionsRequest.InternetGatewayBlockMode|internetGatewayBlockMode",
            &[
                ("off", &[]),
                ("block-ingress", &[GATEWAY_IN]),
                ("block-bidirectional", &[GATEWAY_IN, GATEWAY_OUT]),
            ],
        ),
        "",
        "ec2:R:A:vpc-block-public-access",
    ),
    (
        "elasticmapreduce",
        "PutBlockPublicAccessConfiguration",
        Does::Sets("blockPublicAccessConfiguration", &["blockPublicSecurityGroupRules"]),
        "",
        "elasticmapreduce:R:A:block-public-access",
    ),
    (
        "lambda",
        "PutPublicAccessBlockConfig",
        Does::Sets("publicAccessBlockConfig", &["blockPublicPolicy", "restrictPublicResource"]),
        "resourceArn",
        "",
    ),
];

/// Returns whether calls of a service may change blocks.
pub(super) fn knows(service: &str) -> bool {
    CALLS.iter().any(|(of, ..)| *of == service)
}

/// Returns whether a call changes blocks.
pub(super) fn is_known(service: &str, event: &str) -> bool {
    CALLS.iter().any(|(of, name, ..)| *of == service && *name == event)
}

/// Returns what a call changes of the blocks of a place.
pub(super) fn of(fields: &Fields<'_, '_>, service: &str, event: &str) -> Option<(Key, Edit)> {
    let found = CALLS.iter().find(|(of, name, ..)| *of == service && *name == event);
    let (_, _, does, named, form) = found?;
    let of = |all: &[&str]| -> Blocks { all.iter().map(|it| (*it).into()).collect() };
    let edit = match does {
        Does::Sets(field, flags) => {
            let is_on =
                |flag: &&str| fields.asked(&format!("{field}.{flag}")).as_deref() == Some("true");
            let blocks = flags.iter().filter(|flag| is_on(flag)).map(|it| (*it).into());
            Edit::Blocked { blocks: blocks.collect() }
        }
        Does::Chooses(field, values) => {
            let value = field.split('|').find_map(|name| fields.asked(name))?;
            let (_, blocks) = values.iter().find(|(known, _)| *known == &*value)?;
            Edit::Blocked { blocks: of(blocks) }
        }
        Does::Clears => Edit::Blocked { blocks: Blocks::new() },
        Does::Makes(blocks) if event.starts_with("Create") => Edit::Made(Thing::Block(of(blocks))),
        Does::Makes(blocks) => Edit::Blocked { blocks: of(blocks) },
        Does::Ends => Edit::Deleted,
    };
    let name = match *named {
        "" => "".into(),
        named => fields.asked(named)?,
    };
    let account = fields.account.clone();
    let arn: Box<str> = match *form {
        "" => name,
        form => {
            let (service, rest) = form.split_once(':')?;
            let rest = rest.replacen('R', &fields.region(), usize::from(rest.starts_with("R:")));
            let rest = rest.replacen(":A:", &format!(":{account}:"), 1);
            let place = match rest.strip_suffix('N') {
                Some(before) => format!("{before}{name}"),
                None => rest,
            };
            format!("arn:{}:{service}:{place}", fields.partition()).into()
        }
    };
    Some((Key::Block { account, arn }, edit))
}
