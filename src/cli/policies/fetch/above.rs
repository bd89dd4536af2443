//! What belongs to no account: the organisation and Identity Center, each a file of its own in the snapshot.
//!
//! Invariant: what was asked for and no account could tell is said.

use serde_json::json;

use crate::cli::policies::fetch::FetchArgs;
use crate::cli::policies::fetch::Fetched;
use crate::cli::policies::fetch::write;
use crate::source::policies::Organization;
use crate::source::policies::Policies;
use crate::source::policies::Refused;

/// What one account told of it.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// Which account manages the organisation, if that was told.
    management: Option<String>,
    /// Whether the organisation was read, and an instance of Identity Center.
    organization: bool,
    identity_center: bool,
    /// A line for each file.
    pub(super) said: Vec<String>,
    /// What was not answered.
    pub(super) refused: Vec<Refused>,
}

/// Reads what is asked for, as the account `id`, and writes it.
pub(super) async fn read(args: &FetchArgs, policies: &Policies, id: &str) -> anyhow::Result<Above> {
    let mut above = Above::default();
    if args.organization {
        match policies.organization(id).await {
            Ok(read) => above.organization(args, read)?,
            Err(refused) => above.refused.push(refused),
        }
    }
    if let Some(region) = &args.identity_center {
        above.identity_center(args, region, policies).await?;
    }
    Ok(above)
}

impl Above {
    fn organization(&mut self, args: &FetchArgs, read: Organization) -> anyhow::Result<()> {
        self.management = Some(read.management);
        self.refused.extend(read.refused);
        let Some(told) = read.told else { return Ok(()) };
        let count = |list: &str| told[list].as_array().map_or(0, Vec::len);
        let (policies, below) = (count("Policies"), count("Parents"));
        let path = args.out.join("organization.json");
        write(&path, &json!({"Taken": read.taken.to_string(), "Organization": told}))?;
        self.organization = true;
        let path = path.display();
        self.said.push(format!(
            "organisation: {policies} policies, {below} accounts and units, in {path}"
        ));
        Ok(())
    }

    async fn identity_center(
        &mut self,
        args: &FetchArgs,
        region: &str,
        policies: &Policies,
    ) -> anyhow::Result<()> {
        let read = policies.center(region).await;
        self.refused.extend(read.refused);
        if read.instances == 0 {
            return Ok(());
        }
        let path = args.out.join("identity-center.json");
        let counts = (read.sets.len(), read.assignments.len(), read.memberships.len());
        let text = json!({
            "Taken": read.taken.to_string(),
            "IdentityCenter": {
                "PermissionSets": read.sets, "AccountAssignments": read.assignments,
                "GroupMemberships": read.memberships,
            },
        });
        write(&path, &text)?;
        self.identity_center = true;
        let ((sets, assignments, members), path) = (counts, path.display());
        self.said.push(format!(
            "Identity Center: {sets} permission sets, {assignments} assignments, {members} memberships, in {path}"
        ));
        Ok(())
    }
}

/// Returns a line for each thing that was asked for and that no account told.
pub(super) fn unread(args: &FetchArgs, all: &[Fetched]) -> Vec<String> {
    let mut lines = Vec::new();
    let above = || all.iter().map(|fetched| &fetched.above);
    if args.organization && !all.is_empty() && !above().any(|it| it.organization) {
        let managed = above().find_map(|it| it.management.as_ref());
        lines.extend(managed.map(|id| {
            format!("the organisation was not read: only account {id} manages it, and it is not among those")
        }));
    }
    if let Some(region) = &args.identity_center
        && !all.is_empty()
        && !above().any(|it| it.identity_center)
    {
        lines.push(format!("no account sees an instance of Identity Center in {region}"));
    }
    lines
}
