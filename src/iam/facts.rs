//! What a change of a policy comes to, as facts that rules and stories name.
//!
//! Invariant: every name set for a change stands in [`FIELDS`]; what is not known is not set. Only changes of what policies
//! allow have any of these facts, so a rule that needs one is asked about no other record.

use crate::model::Field;
use crate::model::Scope;

macro_rules! fields {
    ($($name:literal $kind:literal $meaning:literal $example:literal,)*) => {
        /// Every fact of this room, in the order of the reference.
        pub const FIELDS: &[Field] =
            &[$(Field {
                name: $name,
                kind: $kind,
                scope: Scope::Policy,
                meaning: $meaning,
                example: $example,
            },)*];
    };
}

fields! {
    "gw.policy.target" "text"
    "What the change was made to, by ARN: the user, group, role, policy, resource, permission set or account; of Identity Center's people and groups USER/ or GROUP/ and the id." "arn:aws:iam::111122223333:role/Deploy",
    "gw.policy.item" "text"
    "What of the target changed: inline/NAME, attached/ARN, trust, boundary, group/NAME, default, policy, grant/ID, share/ARN, rules, block, assignment/SET, member/GROUP, parent, role/NAME (of an instance profile), key/ID, password." "inline/maintenance",
    "gw.policy.kind" "text"
    "What sort of a policy changed: identity, trust, boundary, session, resource, service_control, resource_control, network (a security group) or access_block." "identity",
    "gw.policy.change" "text"
    "Whether the change made access wider, narrower or both, left it the_same in effect, or is not_known." "wider",
    "gw.policy.adds" "texts"
    "What became allowed in effect, a line for each; the first lines where there are many." "iam:PassRole on every role",
    "gw.policy.removes" "texts"
    "What is not allowed any more in effect, a line for each; the first lines where there are many." "s3:GetObject on arn:aws:s3:::reports/*",
    "gw.policy.gain" "text"
    "What became allowed, in one line." "every action on every resource",
    "gw.policy.classes" "texts"
    "What it means: admin, escalation, public, outside_organization, cross_account, trust_widened, boundary_removed, guardrail_weakened, time_bound_removed, condition_dropped, data_read_widened, wildcard." "admin, escalation",
    "gw.policy.worst" "text"
    "The gravest of the classes." "admin",
    "gw.policy.exposes" "text"
    "The most that a change of a security group opened to the world: port, admin_port (of remote administration or a database) or all_ports." "admin_port",
    "gw.policy.escalation" "texts"
    "The ways to more privilege that the change opens, by name." "iam:CreatePolicyVersion",
    "gw.policy.before" "text"
    "A digest of what stood before in effect: the same for texts that mean the same. none: nothing stood; unknown." "9f86d081884c7d65",
    "gw.policy.after" "text"
    "A digest of what stands now. none: it is gone; unknown." "none",
    "gw.policy.unknown" "texts"
    "What the comparison lacks, and why: then there may be more to it than the facts say." "after: the document is not in the record",
    "gw.policy.holders" "whole"
    "How many users, groups and roles the policy is in force for, of a managed policy." "3",
    "gw.policy.via" "text"
    "How the change came: pipeline, provisioner, broker, identity_center, service (AWS by itself) or hand." "hand",
    "gw.policy.planned" "flag"
    "Whether an approved pipeline, what builds accounts, what gives grants or Identity Center's provisioning made the change." "false",
    "gw.policy.baseline" "text"
    "Whether what stands after the change is what the declared baseline says: matches or differs. Set only where there is a baseline." "differs",
    "gw.policy.by_changes" "flag"
    "Of what a signal says of a policy: whether an event told of the change; false: only a snapshot shows it." "false",
    "gw.standing.class" "text"
    "The worst that a change, or who is told of, can do now with no end date: administrator, escalation, permissions, write or read. Of a change, what it adds." "permissions",
    "gw.standing.actions" "whole"
    "How many protected actions that are." "12",
    "gw.standing.examples" "texts"
    "Some of these actions, those that may do most first." "kms:PutKeyPolicy",
    "gw.standing.holders" "texts"
    "Who has them: users and roles by ARN, people and groups of Identity Center by USER/ or GROUP/ and their id." "arn:aws:iam::111122223333:role/Deploy",
    "gw.standing.more" "whole"
    "How many holders there are besides those that are named." "28",
    "gw.standing.unlooked" "whole"
    "How many that a change is about were not looked at, as there are too many; the inventory of the day has them all." "1200",
    "gw.standing.by" "text"
    "By what the holder has them: the policy, the group, the roles taken for it." "AdministratorAccess (group ops)",
    "gw.standing.was" "text"
    "The worst that the holder could do by the inventory before; unset if nothing." "write",
    "gw.standing.told" "flag"
    "Whether an alert tells already of the change that made it." "false",
    "gw.standing.without_grant" "flag"
    "Whether the holder took protected actions and never through a grant. Unset where nothing is known of that." "true",
    "gw.policy.undo" "text"
    "The command that puts back what stood before." "aws iam delete-role-policy --role-name Deploy --policy-name maintenance",
    "gw.policy.undoes" "text"
    "The event whose change this one takes back, in effect." "111122223333/6f0c9a52-0000-4000-8000-000000000000",
    "gw.policy.undoes_by" "text"
    "Who made the change that is taken back." "person:alice@example.com",
    "gw.policy.undoes_worst" "text"
    "The gravest class of the change that is taken back." "admin",
    "gw.policy.stood_seconds" "whole"
    "How many seconds the change that is taken back stood." "420",
}
