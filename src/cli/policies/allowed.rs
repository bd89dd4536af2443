//! `grantwatch policies allowed`: whether somebody may do something.

use clap::Args;

use crate::cli::Exit;
use crate::iam::State;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Request;

/// Say whether somebody may do something, and by which statements.
#[derive(Debug, Args)]
pub struct AllowedArgs {
    /// Who: the ARN of a user, role, session or root; the name of a service; `*`.
    #[arg(long, value_name = "ARN")]
    principal: String,
    /// What: `s3:GetObject`.
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// On what: an ARN, or `*` for actions that have no resource.
    #[arg(long, value_name = "ARN", default_value = "*")]
    resource: String,
}

pub(super) fn run(args: &AllowedArgs) -> anyhow::Result<Exit> {
    let request = Request {
        principal: &args.principal,
        action: &args.action,
        resource: &args.resource,
        context: &Context::new(),
    };
    anyhow::bail!("no snapshot was read: {:?}", State::default().allowed(&request).decision)
}
