//! The table of fields this room fills. The reference in the docs is made of it.

crate::model::fields! {
    "gw.identity.name" "text" Session
    "The canonical identity behind the call, whatever role or key it used." "person:alice@example.com",
    "gw.identity.kind" "text" Session
    "What the name stands for: person, user, workload, service, root, account (somebody in another account of ours), external (somebody in an account that is none of ours) or unknown." "person",
    "gw.identity.account" "text" Session
    "The account of the credentials, `userIdentity.accountId`." "111122223333",
    "gw.identity.confidence" "text" Session
    "How sure the name is: exact, probable or ambiguous." "exact",
    "gw.identity.reason" "text" Session
    "What the name rests on." "Identity Center sets the session name",
    "gw.identity.origin" "text" Session
    "The canonical identity at the start of the chain of sessions; as a rule the name." "person:alice@example.com",
    "gw.session.role_name" "text" Session
    "The name of the role in use, without its path." "AWSReservedSSO_Admin_0123456789abcdef",
    "gw.session.role_arn" "text" Session
    "The ARN of the role in use, with its path; unset where the record gives none." "arn:aws:iam::111122223333:role/ops/Deploy",
    "gw.session.permission_set" "text" Session
    "The Identity Center permission set that the role in use belongs to." "Admin",
    "gw.session.name" "text" Session
    "The role session's name; its caller chose it unless Identity Center or SAML did." "alice@example.com",
    "gw.session.key" "text" Session
    "The access key id in use." "ASIAEXAMPLE000000001",
    "gw.session.started" "text" Session
    "When the credentials in use were issued, in UTC." "2026-03-01T08:00:00Z",
    "gw.session.age_seconds" "whole" Event
    "Seconds between the issue of the credentials and the event." "750",
    "gw.session.chain" "texts" Session
    "From the origin to the role in use: a canonical name, then `ACCOUNT/role/NAME` for each role taken." "person:alice@example.com, 444455556666/role/Deploy",
    "gw.session.chain_depth" "whole" Session
    "How many roles were taken on the way: 0 is none, 2 or more is role chaining." "1",
    "gw.session.mfa" "flag" Event
    "Whether a second factor was shown for the session or one before it; unset where AWS cannot say, as for federated people." "true",
    "gw.session.source_network" "text" Session
    "The network (/24 or /48) of the address the session was issued to." "198.51.100.0/24",
    "gw.session.issued_to_address" "text" Session
    "The address the session was issued to; unset where the issuing call came from a service." "198.51.100.7",
    "gw.session.issuer" "text" Session
    "The `eventName` of the call that issued the session." "AssumeRoleWithSAML",
    "gw.session.stitched" "flag" Session
    "Whether the issue of the temporary credentials in use was seen; unset for credentials that do not end. Sessions that services open for themselves are not kept and stay unstitched." "true",
    "gw.session.confidence" "text" Session
    "How sure the weakest join behind the session is: exact by access key, probable by one that fits, ambiguous by several." "exact",
    "gw.session.reason" "text" Session
    "What the weakest join rests on." "access key",
    "gw.session.has_session_policy" "flag" Session
    "Whether the session was issued with a session policy, which narrows what it may do." "false",
    "gw.session.tags" "texts" Session
    "Session tags, transitive ones among them, as key=value." "team=payments",
    "gw.session.source_identity" "text" Session
    "The source identity, set once and kept through role chaining." "alice@example.com",
    "gw.session.provider" "text" Session
    "The SAML or OIDC provider that the session was issued on the word of." "arn:aws:iam::111122223333:saml-provider/idp",
    "gw.session.instance" "text" Session
    "The EC2 instance whose profile the session belongs to." "i-0a1b2c3d4e5f60718",
    "gw.session.on_behalf_of" "text" Session
    "The Identity Center user id the call was made for." "e0b4f9c0-1234-5678-abcd-ef0123456789",
    "gw.source.kind" "text" Event
    "What `sourceIPAddress` holds: address, service, internal or unknown." "address",
    "gw.source.network" "text" Event
    "The network (/24 or /48) of `sourceIPAddress`." "203.0.113.0/24",
    "gw.source.public" "flag" Event
    "Whether `sourceIPAddress` is an address of the internet." "true",
    "gw.action" "text" Event
    "The IAM action that allows the call: `s3:ListBucket` for `ListObjectsV2`, without the date that some services append." "iam:CreateUser",
    "gw.outcome" "text" Event
    "How the call ended: success, denied (for want of permission) or failed." "success",
    "gw.by_service" "flag" Session
    "Whether an AWS service made the call, for itself or for the caller." "false",
    "gw.provisioner" "flag" Session
    "Whether automation that builds accounts made the call; never true for a person in its role." "false",
    "gw.broker" "flag" Session
    "Whether a configured grant broker made the call; never true for a person in its role." "false",
    "gw.cross_account" "flag" Session
    "Whether the credentials belong to another account than the one that recorded the call." "false",
}
