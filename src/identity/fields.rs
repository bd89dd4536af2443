//! The table of fields this room fills. The reference in the docs is made of it.

use crate::model::Field;

macro_rules! fields {
    ($($name:literal $kind:literal $meaning:literal $example:literal,)*) => {
        /// Every fact of this room, in the order of the reference.
        pub const FIELDS: &[Field] =
            &[$(Field { name: $name, kind: $kind, meaning: $meaning, example: $example },)*];
    };
}

fields! {
    "gw.identity.name" "text"
    "The canonical identity behind the call, whatever role or key it used." "person:alice@example.com",
    "gw.identity.kind" "text"
    "What the name stands for: person, user, workload, service, root, external or unknown." "person",
    "gw.identity.account" "text"
    "The account of the credentials, `userIdentity.accountId`." "111122223333",
    "gw.identity.confidence" "text"
    "How sure the name is: exact, probable or ambiguous." "exact",
    "gw.identity.reason" "text"
    "What the name rests on." "Identity Center sets the session name",
    "gw.identity.origin" "text"
    "The canonical identity at the start of the chain of sessions; as a rule the name." "person:alice@example.com",
    "gw.session.role_name" "text"
    "The name of the role in use, without its path." "AWSReservedSSO_Admin_0123456789abcdef",
    "gw.session.role_arn" "text"
    "The ARN of the role in use, with its path; unset where the record gives none." "arn:aws:iam::111122223333:role/ops/Deploy",
    "gw.session.permission_set" "text"
    "The Identity Center permission set that the role in use belongs to." "Admin",
    "gw.session.name" "text"
    "The role session's name; its caller chose it unless Identity Center or SAML did." "alice@example.com",
    "gw.session.key" "text"
    "The access key id in use." "ASIAEXAMPLE000000001",
    "gw.session.started" "text"
    "When the credentials in use were issued, in UTC." "2026-03-01T08:00:00Z",
    "gw.session.age_seconds" "whole"
    "Seconds between the issue of the credentials and the event." "750",
    "gw.session.chain" "texts"
    "From the origin to the role in use: a canonical name, then `ACCOUNT/role/NAME` for each role taken." "person:alice@example.com, 444455556666/role/Deploy",
    "gw.session.chain_depth" "whole"
    "How many roles were taken on the way: 0 is none, 2 or more is role chaining." "1",
    "gw.session.mfa" "flag"
    "Whether a second factor was shown for the session or one before it; unset where AWS cannot say, as for federated people." "true",
    "gw.session.source_network" "text"
    "The network (/24 or /48) of the address the session was issued to." "198.51.100.0/24",
    "gw.session.issued_to_address" "text"
    "The address the session was issued to; unset where the issuing call came from a service." "198.51.100.7",
    "gw.session.issuer" "text"
    "The `eventName` of the call that issued the session." "AssumeRoleWithSAML",
    "gw.session.stitched" "flag"
    "Whether the issue of the temporary credentials in use was seen; unset for credentials that do not end. Sessions that services open for themselves are not kept and stay unstitched." "true",
    "gw.session.confidence" "text"
    "How sure the weakest join behind the session is: exact by access key, probable by one that fits, ambiguous by several." "exact",
    "gw.session.reason" "text"
    "What the weakest join rests on." "access key",
    "gw.session.has_session_policy" "flag"
    "Whether the session was issued with a session policy, which narrows what it may do." "false",
    "gw.session.tags" "texts"
    "Session tags, transitive ones among them, as key=value." "team=payments",
    "gw.session.source_identity" "text"
    "The source identity, set once and kept through role chaining." "alice@example.com",
    "gw.session.provider" "text"
    "The SAML or OIDC provider that the session was issued on the word of." "arn:aws:iam::111122223333:saml-provider/idp",
    "gw.session.instance" "text"
    "The EC2 instance whose profile the session belongs to." "i-0a1b2c3d4e5f60718",
    "gw.session.on_behalf_of" "text"
    "The Identity Center user id the call was made for." "e0b4f9c0-1234-5678-abcd-ef0123456789",
    "gw.source.kind" "text"
    "What `sourceIPAddress` holds: address, service, internal or unknown." "address",
    "gw.source.network" "text"
    "The network (/24 or /48) of `sourceIPAddress`." "203.0.113.0/24",
    "gw.source.public" "flag"
    "Whether `sourceIPAddress` is an address of the internet." "true",
    "gw.action" "text"
    "The call as policies spell it, without the date some services append." "iam:CreateUser",
    "gw.outcome" "text"
    "How the call ended: success, denied (for want of permission) or failed." "success",
    "gw.by_service" "flag"
    "Whether an AWS service made the call, for itself or for the caller." "false",
    "gw.provisioner" "flag"
    "Whether automation that builds accounts made the call; never true for a person in its role." "false",
    "gw.broker" "flag"
    "Whether a configured grant broker made the call; never true for a person in its role." "false",
    "gw.cross_account" "flag"
    "Whether the credentials belong to another account than the one that recorded the call." "false",
}
