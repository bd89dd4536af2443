#!/usr/bin/env python3
"""Writes testdata/days, testdata/truth and the gzip files of testdata/formats.

Every value is invented: account ids and addresses are AWS's and the RFCs' documentation ones, names end in
example.com, access keys begin AKIAEXAMPLE or ASIAEXAMPLE. The same seed gives the same bytes, so a change of the data
is a change of this file. Run it from anywhere: `python3 testdata/make.py`.
"""

import gzip
import io
import json
import random
import shutil
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
DAY = datetime(2026, 3, 2, tzinfo=timezone.utc)
ORG = "o-example0001"
MANAGEMENT, PRODUCTION, DEVELOPMENT = "111122223333", "444455556666", "123456789012"
STRANGER = "999988887777"
HOME, GLOBAL = "eu-central-1", "us-east-1"

OFFICE, VPN, RUNNERS = "203.0.113.{}", "203.0.113.2{}", "192.0.2.{}"
INTRUDER, OUTSIDE = "198.51.100.77", "198.51.100.190"
NAT = "192.0.2.200"

CLI = "aws-cli/2.27.0 md/awscrt#0.26 ua/2.1 os/linux#6.8 lang/python#3.13"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36"
SDK = "aws-sdk-java/2.46.14 md/io#sync ua/2.1 os/Linux#6.1 lang/java#21.0.5"
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.0 aws-sdk-go-v2/1.36.3"
KALI = "Boto3/1.38.0 md/Botocore#1.38.0 ua/2.1 os/linux#6.12.13-kali lang/python#3.13.2"

IDENTITY_STORE = f"arn:aws:identitystore::{MANAGEMENT}:identitystore/d-0123456789"
INSTANCE = "arn:aws:sso:::instance/ssoins-0123456789abcdef"

SETS = {"Admin": "1a2b3c4d5e6f7081", "Developer": "2b3c4d5e6f708192", "ReadOnly": "3c4d5e6f708192a3", "Data": "4d5e6f708192a3b4"}
# name: user id, last part of the office address, permission sets by account, hours at work
PEOPLE = {
    "alice@example.com": ("a1", 11, {MANAGEMENT: "Admin", PRODUCTION: "ReadOnly"}, (7, 16)),
    "bob@example.com": ("b2", 12, {DEVELOPMENT: "Developer", PRODUCTION: "Developer"}, (8, 17)),
    "carol@example.com": ("c3", 13, {PRODUCTION: "Data"}, (8, 16)),
    "dave@example.com": ("d4", 14, {DEVELOPMENT: "Developer"}, (9, 18)),
    "erin@example.com": ("e5", 15, {MANAGEMENT: "ReadOnly", PRODUCTION: "ReadOnly", DEVELOPMENT: "ReadOnly"}, (7, 15)),
    "frank@example.com": ("f6", 16, {DEVELOPMENT: "ReadOnly"}, (9, 17)),
}

rng = random.Random(20260302)


def uuid():
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def unique(length, alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
    return "".join(rng.choice(alphabet) for _ in range(length))


def temporary_key():
    return "ASIAEXAMPLE" + unique(9)


def unique_id(prefix, name):
    """The unique id of a role or user: the same for the same name."""
    return prefix + "EXAMPLE" + unique_of(name, 10)


def unique_of(name, length):
    return "".join(random.Random(name).choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(length))


def user_id(person):
    short = PEOPLE[person][0]
    return f"{short}000000-0000-4000-8000-0000000000{short}"


def clock(hours, minutes=0, seconds=0):
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def expiration(moment):
    """The spelling of STS; the comma after the year comes and goes."""
    text = f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {'AM' if moment.hour < 12 else 'PM'}"
    return text if moment.second % 2 else text.replace(f"{moment.year},", f"{moment.year}")


class Trail:
    """All records of the day, with the account and region whose file each goes to."""

    def __init__(self):
        self.rows = []
        self.truth = []

    def add(self, moment, account, region, identity, source, name, **more):
        story = more.pop("story", None)
        read_only = name.startswith(("Get", "List", "Describe", "Head", "Lookup", "AssumeRole"))
        record = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": iso(moment),
            "eventSource": f"{source}.amazonaws.com",
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": more.pop("address", "203.0.113.10"),
            "userAgent": more.pop("agent", CLI),
        }
        error = more.pop("error", None)
        if error:
            record["errorCode"], record["errorMessage"] = error
        record["requestParameters"] = more.pop("asked", None)
        record["responseElements"] = more.pop("answered", None)
        if "extra" in more:
            record["additionalEventData"] = more.pop("extra")
        record["requestID"] = uuid()
        record["eventID"] = uuid()
        record["readOnly"] = more.pop("read_only", read_only)
        record["eventType"] = more.pop("sort", "AwsApiCall")
        record["managementEvent"] = True
        record["recipientAccountId"] = account
        record.update(more)
        record["eventCategory"] = "Management"
        self.rows.append((moment, account, region, record))
        if story:
            self.truth.append({"story": story, "eventTime": record["eventTime"], "eventID": record["eventID"], "eventName": name})
        return record


trail = Trail()


# --- who ---------------------------------------------------------------------------------------------------------


class Session:
    """Temporary credentials of a role."""

    def __init__(self, account, role, name, started, path="", key=None, imds=False, on_behalf_of=None):
        self.account, self.role, self.name, self.started = account, role, name, started
        self.key = key or temporary_key()
        self.id = unique_id("AROA", f"{account}/{role}")
        self.arn = f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
        self.role_arn = f"arn:aws:iam::{account}:role/{path}{role}"
        self.imds, self.on_behalf_of = imds, on_behalf_of

    def identity(self, invoked_by=None):
        context = {
            "sessionIssuer": {
                "type": "Role", "principalId": self.id, "arn": self.role_arn, "accountId": self.account, "userName": self.role,
            },
            "attributes": {"creationDate": iso(self.started), "mfaAuthenticated": "false"},
        }
        if self.imds:
            context["ec2RoleDelivery"] = "2.0"
        identity = {
            "type": "AssumedRole", "principalId": f"{self.id}:{self.name}", "arn": self.arn, "accountId": self.account,
            "accessKeyId": self.key, "sessionContext": context,
        }
        if invoked_by:
            identity["invokedBy"] = invoked_by
        if self.on_behalf_of:
            identity["onBehalfOf"] = {"userId": self.on_behalf_of, "identityStoreArn": IDENTITY_STORE}
        return identity

    def credentials(self, key=None, hours=1):
        return {
            "credentials": {
                "accessKeyId": key or self.key, "sessionToken": "HIDDEN", "expiration": expiration(self.started + timedelta(hours=hours)),
            },
            "assumedRoleUser": {"assumedRoleId": f"{self.id}:{self.name}", "arn": self.arn},
        }


def user(account, name, key):
    return {
        "type": "IAMUser", "principalId": unique_id("AIDA", name), "arn": f"arn:aws:iam::{account}:user/{name}",
        "accountId": account, "accessKeyId": key, "userName": name,
    }


def service(principal):
    return {"type": "AWSService", "invokedBy": principal}


def portal_user(person):
    return {
        "type": "IdentityCenterUser", "accountId": MANAGEMENT,
        "onBehalfOf": {"userId": user_id(person), "identityStoreArn": IDENTITY_STORE}, "credentialId": "HIDDEN",
    }


def by_service(moment, account, role, name, principal, region=HOME):
    """A service takes a role for its own work."""
    session = Session(account, role, name, moment)
    trail.add(
        moment, account, region, service(principal), "sts", "AssumeRole", address=principal, agent=principal,
        asked={"roleArn": session.role_arn, "roleSessionName": name}, answered=session.credentials(), sharedEventID=uuid(),
    )
    return session


def sign_in(moment, person):
    """Password, then a one-time code, at the access portal."""
    identity = {"type": "Unknown", "principalId": MANAGEMENT, "arn": "", "accountId": MANAGEMENT, "accessKeyId": "", "userName": person}
    identity |= {"onBehalfOf": portal_user(person)["onBehalfOf"], "credentialId": "HIDDEN"}
    address, flow = OFFICE.format(PEOPLE[person][1]), uuid()
    for offset, name, used in [(0, "CredentialVerification", "PASSWORD"), (9, "CredentialVerification", "TOTP"), (10, "UserAuthentication", "TOTP")]:
        trail.add(
            moment + timedelta(seconds=offset), MANAGEMENT, HOME, identity, "signin", name, address=address, agent=BROWSER,
            sort="AwsServiceEvent", read_only=False, serviceEventDetails={name: "Success"},
            extra={"AuthWorkflowID": flow, "CredentialType": used, "LoginTo": "https://example.awsapps.com/start/", "UserName": person},
        )


def portal_session(moment, person, account, permission_set, address=None):
    """Credentials from the portal: AWS issues them again, so the key in use is not the one STS answered with."""
    address = address or OFFICE.format(PEOPLE[person][1])
    trail.add(
        moment, MANAGEMENT, HOME, portal_user(person), "sso", "GetRoleCredentials", address=address, agent=CLI,
        sort="AwsServiceEvent", serviceEventDetails={"role_name": permission_set, "account_id": account},
    )
    role = f"AWSReservedSSO_{permission_set}_{SETS[permission_set]}"
    session = Session(account, role, person, moment, f"aws-reserved/sso.amazonaws.com/{HOME}/", on_behalf_of=user_id(person))
    provider = f"arn:aws:iam::{account}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"
    trail.add(
        moment, account, HOME, {"type": "SAMLUser", "principalId": f"q0=:{person}", "userName": person, "identityProvider": "q0="},
        "sts", "AssumeRoleWithSAML", address="192.0.2.250", agent=SDK,
        asked={"roleArn": session.role_arn, "roleSessionName": person, "principalArn": provider, "durationSeconds": 28800},
        answered=session.credentials(temporary_key(), 8) | {"subject": person, "subjectType": "persistent"},
    )
    return session


def takes(moment, session_or_identity, role, account, name, address, agent=CLI, story=None):
    """One role takes another; across accounts both record it, the other one knowing little."""
    identity = session_or_identity.identity() if isinstance(session_or_identity, Session) else session_or_identity
    session = Session(account, role, name, moment)
    shared = uuid()
    more = dict(
        address=address, agent=agent, asked={"roleArn": session.role_arn, "roleSessionName": name},
        answered=session.credentials(), sharedEventID=shared,
    )
    if identity["accountId"] != account:
        stranger = {"type": "AWSAccount", "principalId": identity["principalId"], "accountId": identity["accountId"]}
        trail.add(moment, account, HOME, stranger, "sts", "AssumeRole", **more)
    trail.add(moment, identity["accountId"], HOME, identity, "sts", "AssumeRole", story=story, **more)
    return session


# --- the ordinary day ----------------------------------------------------------------------------------------------


def lambdas():
    for account, function, every in [(PRODUCTION, "payments", 6), (PRODUCTION, "invoices", 14), (DEVELOPMENT, "payments", 20)]:
        for minute in range(0, 24 * 60, every):
            moment = clock(0, minute, rng.randrange(60))
            session = by_service(moment, account, f"{function}-role", function, "lambda.amazonaws.com")
            where = dict(address=NAT, agent=SDK)
            trail.add(
                moment + timedelta(seconds=2), account, HOME, session.identity(), "logs", "CreateLogStream", read_only=False, **where,
                asked={"logGroupName": f"/aws/lambda/{function}", "logStreamName": f"2026/03/02/[$LATEST]{unique(8)}"},
            )
            if minute % 12 == 0:
                trail.add(
                    moment + timedelta(seconds=3), account, HOME, session.identity(), "secretsmanager", "GetSecretValue", **where,
                    asked={"secretId": f"{function}/database"},
                )


def instances():
    """Two web servers with an instance profile; their credentials change every six hours."""
    servers = {}
    for number, instance in enumerate(["i-0a1b2c3d4e5f60001", "i-0a1b2c3d4e5f60002"]):
        for quarter in range(4):
            session = Session(PRODUCTION, "web-role", instance, clock(6 * quarter, 7 + number), imds=True)
            servers[number, quarter] = session
            for minute in range(0, 360, 10):
                moment = session.started + timedelta(minutes=minute, seconds=rng.randrange(50))
                if moment < clock(24):
                    name = ("DescribeTags", "DescribeInstances", "DescribeVolumes")[minute // 10 % 3]
                    trail.add(moment, PRODUCTION, HOME, session.identity(), "ec2", name, address=NAT, agent=SDK, asked={"maxResults": 50})
    return servers


def config_sweeps():
    calls = [("ec2", "DescribeSecurityGroups"), ("ec2", "DescribeVpcs"), ("iam", "ListUsers"), ("s3", "ListBuckets"), ("kms", "ListKeys"), ("rds", "DescribeDBInstances")]
    for account in [MANAGEMENT, PRODUCTION, DEVELOPMENT]:
        for hour in range(0, 24, 2):
            moment = clock(hour, 31, rng.randrange(60))
            session = Session(account, "AWSServiceRoleForConfig", "AWSConfig-Describe", moment, "aws-service-role/config.amazonaws.com/")
            for step, (source, name) in enumerate(calls):
                region = GLOBAL if source == "iam" else HOME
                trail.add(
                    moment + timedelta(seconds=step), account, region, session.identity("config.amazonaws.com"), source, name,
                    address="config.amazonaws.com", agent="config.amazonaws.com",
                )


def aws_itself():
    for hour in range(0, 24, 6):
        identity = {"accountId": PRODUCTION, "invokedBy": "AWS Internal"}
        trail.add(
            clock(hour, 44), PRODUCTION, HOME, identity, "kms", "RotateKey", address="AWS Internal", agent="AWS Internal",
            sort="AwsServiceEvent", read_only=False, serviceEventDetails={"keyId": "00000000-0000-4000-8000-00000000cafe"},
        )
    for hour in range(24):
        for account in [PRODUCTION, DEVELOPMENT]:
            trail.add(
                clock(hour, 58, 30), account, HOME, service("cloudtrail.amazonaws.com"), "s3", "GetBucketAcl",
                address="cloudtrail.amazonaws.com", agent="cloudtrail.amazonaws.com", asked={"bucketName": "example-trail", "acl": ""},
            )


def deployments():
    """CI by OIDC, and a legacy pipeline with a long-lived key."""
    provider = f"arn:aws:iam::{{}}:oidc-provider/token.actions.githubusercontent.com"
    subject = "repo:example-org/payments:ref:refs/heads/main"
    for number in range(14):
        account = DEVELOPMENT if number % 3 else PRODUCTION
        moment = clock(7, 20 + 43 * number, rng.randrange(60))
        session = Session(account, "ci-deploy", f"run-{4100 + number}", moment)
        address = RUNNERS.format(10 + number)
        trail.add(
            moment, account, HOME,
            {"type": "WebIdentityUser", "principalId": f"{provider.format(account)}:sts.amazonaws.com:{subject}", "userName": subject, "identityProvider": provider.format(account)},
            "sts", "AssumeRoleWithWebIdentity", address=address, agent="aws-sdk-js/3.990.0 configure-aws-credentials-for-github-actions",
            asked={"roleArn": session.role_arn, "roleSessionName": session.name, "durationSeconds": 3600},
            answered=session.credentials() | {"subjectFromWebIdentityToken": subject, "provider": provider.format(account), "audience": "sts.amazonaws.com"},
        )
        for step, (source, name, asked) in enumerate([
            ("ecr", "GetAuthorizationToken", None),
            ("ecr", "PutImage", {"repositoryName": "payments", "imageTag": f"build-{number}"}),
            ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "payments", "publish": True, "dryRun": False}),
            ("lambda", "GetFunction20150331v2", {"functionName": "payments"}),
        ]):
            trail.add(moment + timedelta(seconds=20 * (step + 1)), account, HOME, session.identity(), source, name, address=address, agent=CLI, asked=asked)
    for hour in range(0, 24):
        moment = clock(hour, 12, rng.randrange(60))
        legacy = user(PRODUCTION, "ci-legacy", "AKIAEXAMPLELEGACY001")
        trail.add(moment, PRODUCTION, HOME, legacy, "s3", "ListBuckets", address=RUNNERS.format(5), agent=CLI)
        trail.add(moment + timedelta(seconds=4), PRODUCTION, HOME, legacy, "cloudformation", "DescribeStacks", address=RUNNERS.format(5), agent=CLI, asked={"stackName": "legacy-batch"})


READS = [
    ("ec2", "DescribeInstances"), ("ec2", "DescribeSecurityGroups"), ("cloudwatch", "DescribeAlarms"), ("logs", "FilterLogEvents"),
    ("lambda", "ListFunctions20150331"), ("rds", "DescribeDBInstances"), ("cloudformation", "DescribeStacks"), ("s3", "ListBuckets"),
    ("dynamodb", "ListTables"), ("iam", "ListRoles"), ("iam", "GetRole"), ("sqs", "ListQueues"),
]
WRITES = [
    ("lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": "sandbox", "timeout": 30}),
    ("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "i-0a1b2c3d4e5f60009"}]}, "tagSet": {"items": [{"key": "owner", "value": "team"}]}}),
    ("sqs", "CreateQueue", {"queueName": "scratch"}),
    ("logs", "PutRetentionPolicy", {"logGroupName": "/scratch", "retentionInDays": 14}),
]


def people():
    """Office hours: sign in, take a permission set in an account, look around, change little."""
    for person, (_, last, sets, (start, end)) in PEOPLE.items():
        address = OFFICE.format(last)
        sign_in(clock(start, rng.randrange(5, 25), rng.randrange(60)), person)
        for account, permission_set in sets.items():
            for half in range(2):
                opened = clock(start + half * (end - start) // 2, rng.randrange(26, 55), rng.randrange(60))
                session = portal_session(opened, person, account, permission_set)
                for _ in range(rng.randrange(46, 68)):
                    moment = opened + timedelta(seconds=rng.randrange(20, 3 * 3600))
                    source, name = rng.choice(READS)
                    region = GLOBAL if source == "iam" else HOME
                    source = "monitoring" if source == "cloudwatch" else source
                    asked = {"roleName": "payments-role"} if name == "GetRole" else None
                    agent = rng.choice([CLI, BROWSER])
                    more = {"sessionCredentialFromConsole": "true"} if agent == BROWSER else {}
                    trail.add(moment, account, region, session.identity(), source, name, address=address, agent=agent, asked=asked, **more)
                if permission_set == "Developer":
                    for source, name, asked in WRITES:
                        moment = opened + timedelta(seconds=rng.randrange(60, 3 * 3600))
                        trail.add(moment, account, HOME, session.identity(), source, name, address=address, agent=CLI, asked=asked, read_only=False)


def assignment(moment, session, name, person, account, permission_set, address, agent, story=None):
    trail.add(
        moment, MANAGEMENT, HOME, session.identity(), "sso", name, address=address, agent=agent, read_only=False, story=story,
        asked={
            "instanceArn": INSTANCE, "targetId": account, "targetType": "AWS_ACCOUNT", "principalType": "USER", "principalId": user_id(person),
            "permissionSetArn": f"arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-{SETS[permission_set]}",
        },
        answered={"accountAssignmentCreationStatus": {"status": "IN_PROGRESS", "requestId": uuid()}},
    )


def broker():
    """The broker's state machine assigns for an hour, twice a day, and takes the assignment back."""
    for hour, person in [(9, "bob@example.com"), (14, "dave@example.com")]:
        for minute, name in [(5, "CreateAccountAssignment"), (65, "DeleteAccountAssignment")]:
            moment = clock(hour, minute)
            session = by_service(moment, MANAGEMENT, "grant-broker-workflow", f"grant-{hour}-{minute}", "states.amazonaws.com")
            assignment(moment + timedelta(seconds=3), session, name, person, PRODUCTION, "Admin", NAT, SDK)
            provision = service("sso.amazonaws.com")
            trail.add(
                moment + timedelta(seconds=9), PRODUCTION, GLOBAL, provision, "iam", "AttachRolePolicy" if minute == 5 else "DetachRolePolicy",
                address="sso.amazonaws.com", agent="sso.amazonaws.com", read_only=False,
                asked={"roleName": f"AWSReservedSSO_Admin_{SETS['Admin']}", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            )


# --- the incident --------------------------------------------------------------------------------------------------


def denied(action, resource="*"):
    text = f"User: arn:aws:iam::{PRODUCTION}:user/ci-legacy is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
    return ("AccessDenied", text)


def leaked_key():
    """The legacy pipeline's key turns up elsewhere, looks around, and makes itself a second identity."""
    legacy = user(PRODUCTION, "ci-legacy", "AKIAEXAMPLELEGACY001")
    new = dict(address=INTRUDER, agent=KALI)
    trail.add(clock(13, 2, 11), PRODUCTION, HOME, legacy, "sts", "GetCallerIdentity", story="leaked key, first call from a new network", **new)
    burst = [
        ("iam", "ListUsers"), ("iam", "ListRoles"), ("iam", "ListGroups"), ("iam", "ListPolicies"), ("iam", "GetAccountAuthorizationDetails"),
        ("iam", "GetAccountSummary"), ("iam", "ListAccessKeys"), ("iam", "ListAttachedUserPolicies"), ("ec2", "DescribeInstances"),
        ("ec2", "DescribeSnapshots"), ("ec2", "DescribeVolumes"), ("ec2", "DescribeRegions"), ("s3", "ListBuckets"), ("s3", "GetBucketPolicy"),
        ("secretsmanager", "ListSecrets"), ("ssm", "DescribeParameters"), ("rds", "DescribeDBInstances"), ("lambda", "ListFunctions20150331"),
        ("kms", "ListKeys"), ("organizations", "DescribeOrganization"), ("organizations", "ListAccounts"), ("guardduty", "ListDetectors"),
        ("cloudtrail", "DescribeTrails"), ("cloudtrail", "GetTrailStatus"), ("dynamodb", "ListTables"), ("eks", "ListClusters"),
        ("ecr", "DescribeRepositories"), ("sts", "GetSessionToken"), ("iam", "ListMFADevices"), ("iam", "GetAccountPasswordPolicy"),
    ]
    for step, (source, name) in enumerate(burst):
        region = GLOBAL if source in ("iam", "organizations") else HOME
        action = f"{source}:{name.removesuffix('20150331')}"
        refused = step % 4 != 0
        error = denied(action) if refused else None
        if source == "ec2" and refused:
            error = ("Client.UnauthorizedOperation", "You are not authorized to perform this operation.")
        story = "reconnaissance burst begins" if step == 0 else None
        trail.add(clock(13, 3, 5 * step), PRODUCTION, region, legacy, source, name, error=error, story=story, **new)
    backup = user(PRODUCTION, "svc-backup", "AKIAEXAMPLEBACKUP001")
    steps = [
        (0, "CreateUser", {"userName": "svc-backup"}, {"user": {"userName": "svc-backup", "userId": backup["principalId"], "arn": backup["arn"], "path": "/"}}, "user made by the leaked key"),
        (14, "CreateAccessKey", {"userName": "svc-backup"}, {"accessKey": {"accessKeyId": "AKIAEXAMPLEBACKUP001", "status": "Active", "userName": "svc-backup"}}, "access key made for another"),
        (31, "AttachUserPolicy", {"userName": "svc-backup", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, None, "administrator policy attached"),
        (52, "CreateLoginProfile", {"userName": "svc-backup", "passwordResetRequired": False}, {"loginProfile": {"userName": "svc-backup"}}, "console password made for another"),
    ]
    for seconds, name, asked, answered, story in steps:
        trail.add(clock(13, 10, seconds), PRODUCTION, GLOBAL, legacy, "iam", name, asked=asked, answered=answered, read_only=False, story=story, **new)
    return backup


def backdoor(backup):
    """The second identity blinds the account and takes what it can."""
    new = dict(address=INTRUDER, agent=KALI, read_only=False)
    trail.add(
        clock(13, 14, 2), PRODUCTION, HOME, backup, "cloudtrail", "StopLogging", story="trail stopped",
        asked={"name": f"arn:aws:cloudtrail:{HOME}:{PRODUCTION}:trail/production-audit"}, **new,
    )
    signed_in = {key: value for key, value in backup.items() if key != "accessKeyId"}
    trail.add(
        clock(13, 20, 40), PRODUCTION, HOME, signed_in, "signin", "ConsoleLogin", address=INTRUDER, agent=BROWSER, sort="AwsConsoleSignIn",
        answered={"ConsoleLogin": "Success"}, read_only=False, story="console login without a second factor",
        extra={"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": "No"},
    )
    volume, snapshot = "vol-0a1b2c3d4e5f60001", "snap-0a1b2c3d4e5f60001"
    trail.add(clock(13, 25, 8), PRODUCTION, HOME, backup, "ec2", "CreateSnapshot", asked={"volumeId": volume}, answered={"snapshotId": snapshot, "volumeId": volume}, **new)
    trail.add(
        clock(13, 26, 30), PRODUCTION, HOME, backup, "ec2", "ModifySnapshotAttribute", story="snapshot shared with a foreign account",
        asked={"snapshotId": snapshot, "attributeType": "CREATE_VOLUME_PERMISSION", "createVolumePermission": {"add": {"items": [{"userId": STRANGER}]}}},
        answered={"_return": True}, **new,
    )
    for number in range(14):
        trail.add(
            clock(13, 31, 3 * number), PRODUCTION, HOME, backup, "secretsmanager", "GetSecretValue", address=INTRUDER, agent=KALI,
            asked={"secretId": f"service-{number:02}/credentials"}, story="secrets read in bulk" if number == 0 else None,
        )
    trail.add(
        clock(13, 40, 19), PRODUCTION, HOME, backup, "ec2", "AuthorizeSecurityGroupIngress", story="security group opened to the world",
        asked={"groupId": "sg-0a1b2c3d4e5f60001", "ipPermissions": {"items": [{
            "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}, "ipv6Ranges": {}, "prefixListIds": {},
        }]}},
        answered={"_return": True}, **new,
    )


def stolen_instance_credentials(servers):
    session = servers[0, 2]
    for step, (source, name, asked) in enumerate([
        ("sts", "GetCallerIdentity", None), ("s3", "ListBuckets", None), ("ssm", "GetParametersByPath", {"path": "/", "recursive": True, "withDecryption": True}),
        ("ec2", "DescribeInstanceAttribute", {"instanceId": session.name, "attribute": "userData"}),
    ]):
        trail.add(
            clock(14, 5, 20 * step), PRODUCTION, HOME, session.identity(), source, name, address=OUTSIDE, agent=KALI, asked=asked,
            story="instance credentials used from outside" if step == 0 else None,
        )


def role_chain():
    """A person hops from a permission set through two roles and changes production by hand."""
    person, address = "bob@example.com", OFFICE.format(12)
    first = portal_session(clock(14, 28), person, DEVELOPMENT, "Developer")
    second = takes(clock(14, 30), first, "deploy", PRODUCTION, "manual", address)
    third = takes(clock(14, 33), second, "data-admin", PRODUCTION, "manual", address, story="a person takes a second role through the first")
    for minute, (source, name, asked) in enumerate([
        ("rds", "DescribeDBSnapshots", None),
        ("rds", "ModifyDBInstance", {"dBInstanceIdentifier": "payments", "masterUserPassword": "****", "applyImmediately": True}),
        ("kms", "PutKeyPolicy", {"keyId": "00000000-0000-4000-8000-00000000cafe", "policyName": "default"}),
    ]):
        trail.add(clock(14, 35 + minute), PRODUCTION, HOME, third.identity(), source, name, address=address, agent=CLI, asked=asked)


def assignment_by_hand():
    address = OFFICE.format(11)
    session = portal_session(clock(15, 1), "alice@example.com", MANAGEMENT, "Admin")
    assignment(
        clock(15, 4, 12), session, "CreateAccountAssignment", "frank@example.com", PRODUCTION, "Admin", address, BROWSER,
        story="Identity Center assignment not made by the broker",
    )


# --- files ---------------------------------------------------------------------------------------------------------


def compress(content):
    """gzip with no name and no time in it."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
        packed.write(content)
    return out.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def line(record):
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


class Bucket:
    """The objects of the day below one folder."""

    def __init__(self, root):
        self.root = root
        self.files = 0

    def put(self, account, folder, region, moment, content, name=None):
        name = name or f"{account}_{folder}_{region}_{moment:%Y%m%dT%H%MZ}_{unique(16, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789')}"
        path = self.root / "AWSLogs" / ORG / account / folder / region / f"{moment:%Y/%m/%d}" / f"{name}.json.gz"
        write(path, compress(content))
        self.files += 1

    def records(self, account, region, moment, lines):
        self.put(account, "CloudTrail", region, moment, b'{"Records":[' + ",".join(lines).encode() + b"]}")


def deliver(bucket):
    """Groups the records by account, region and half hour, and shuffles each file as CloudTrail does."""
    groups = defaultdict(list)
    for moment, account, region, record in trail.rows:
        slot = int((moment - DAY).total_seconds()) // 1800
        groups[account, region, slot].append(record)
    counts = {"records": 0, "duplicates": 0, "quarantined": 0}
    late = None
    for number, ((account, region, slot), records) in enumerate(sorted(groups.items())):
        rng.shuffle(records)
        moment = DAY + timedelta(minutes=30 * slot + 35)
        lines = [line(record) for record in records]
        counts["records"] += len(lines)
        if (account, region, slot) == (PRODUCTION, HOME, 20):
            # Three hours late, and it says so.
            for record in records:
                record["addendum"] = {"reason": "DELIVERY_DELAY"}
            lines = [line(record) for record in records]
            late = (account, region, moment + timedelta(hours=3), lines)
            continue
        if (account, region, slot) == (DEVELOPMENT, HOME, 22):
            # One record is cut short in the middle; its neighbours are whole.
            broken = line(records[0])[:180]
            lines.insert(len(lines) // 2, broken)
            counts["records"] += 1
            counts["quarantined"] += 1
        bucket.records(account, region, moment, lines)
        if number % 9 == 4:
            again = [text for text in lines[:3] if text.endswith("}")]
            bucket.records(account, region, moment + timedelta(minutes=5), again)
            counts["records"] += len(again)
            counts["duplicates"] += len(again)
    bucket.records(*late)
    bucket.records(DEVELOPMENT, GLOBAL, clock(4, 5), [])
    return counts


def side_files(bucket):
    digest = {
        "awsAccountId": PRODUCTION, "digestStartTime": iso(clock(11, 5)), "digestEndTime": iso(clock(12, 5)), "digestS3Bucket": "example-trail",
        "digestS3Object": f"AWSLogs/{ORG}/{PRODUCTION}/CloudTrail-Digest/{HOME}/2026/03/02/x.json.gz", "digestPublicKeyFingerprint": "0" * 32,
        "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None, "oldestEventTime": None, "previousDigestS3Bucket": None,
        "previousDigestS3Object": None, "previousDigestHashValue": None, "previousDigestHashAlgorithm": None, "previousDigestSignature": None, "logFiles": [],
    }
    name = f"{PRODUCTION}_CloudTrail-Digest_{HOME}_production-audit_{HOME}_20260302T120500Z"
    bucket.put(PRODUCTION, "CloudTrail-Digest", HOME, clock(12, 5), line(digest).encode(), name)
    insight = {
        "eventVersion": "1.09", "eventTime": iso(clock(13, 10)), "awsRegion": HOME, "eventID": uuid(), "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": PRODUCTION, "sharedEventID": uuid(), "eventCategory": "Insight",
        "insightDetails": {
            "state": "Start", "eventSource": "iam.amazonaws.com", "eventName": "ListUsers", "insightType": "ApiErrorRateInsight", "errorCode": "AccessDenied",
            "insightContext": {"statistics": {"baseline": {"average": 0.001}, "insight": {"average": 11}, "insightDuration": 4, "baselineDuration": 11459}},
        },
    }
    bucket.put(PRODUCTION, "CloudTrail-Insight", HOME, clock(13, 40), b'{"Records":[' + line(insight).encode() + b"]}")


V2 = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
V5 = "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr protocol tcp-flags flow-direction traffic-path packets bytes start end action log-status"


def flow_lines_v2(hour):
    start = int(clock(hour).timestamp())
    eni = "eni-0a1b2c3d4e5f60001"
    for minute in range(0, 60, 2):
        begin = start + 60 * minute
        client, port, size = f"203.0.113.{rng.randrange(30, 90)}", rng.randrange(32768, 60999), rng.randrange(4_000, 90_000)
        yield f"2 {PRODUCTION} {eni} {client} 10.0.1.5 {port} 443 6 {size // 900 + 3} {size} {begin} {begin + 60} ACCEPT OK"
        yield f"2 {PRODUCTION} {eni} 10.0.1.5 {client} 443 {port} 6 {size // 700 + 3} {size * 3} {begin} {begin + 60} ACCEPT OK"
    if hour == 13:
        for step, port in enumerate([21, 23, 25, 80, 110, 135, 139, 445, 1433, 3306, 3389, 5432, 5900, 6379, 8080, 9200, 11211, 27017]):
            begin = start + 1500 + step
            yield f"2 {PRODUCTION} {eni} {INTRUDER} 10.0.1.5 {50000 + step} {port} 6 1 40 {begin} {begin + 60} REJECT OK"
        yield f"2 {PRODUCTION} {eni} {INTRUDER} 10.0.1.5 50100 22 6 61 9120 {start + 2460} {start + 2520} ACCEPT OK"
    if hour == 3:
        yield f"2 {PRODUCTION} {eni} - - - - - - - {start} {start + 60} - NODATA"
    if hour == 4:
        yield f"2 {PRODUCTION} {eni} - - - - - - - {start} {start + 60} - SKIPDATA"


def flow_lines_v5(hour):
    start = int(clock(hour).timestamp())
    head = "5 vpc-0a1b2c3d4e5f60001 subnet-0a1b2c3d4e5f60001 i-0a1b2c3d4e5f60009 eni-0a1b2c3d4e5f60009 " + DEVELOPMENT
    for minute in range(0, 60, 3):
        begin, port, size = start + 60 * minute, rng.randrange(32768, 60999), rng.randrange(900, 40_000)
        yield f"{head} IPv4 10.1.1.9 192.0.2.80 {port} 443 10.1.1.9 192.0.2.80 6 3 egress 8 {size // 900 + 2} {size} {begin} {begin + 60} ACCEPT OK"
    if hour == 12:
        yield f"{head} IPv6 2001:db8:1:1::9 2001:db8:2:2::1 40001 22 2001:db8:1:1::9 2001:db8:2:2::1 6 2 egress 1 4 320 {start} {start + 60} REJECT OK"


def flows(root):
    count = 0
    for hour in range(24):
        made = [(PRODUCTION, "fl-0a1b2c3d4e5f60001", V2, list(flow_lines_v2(hour)))]
        if hour % 2 == 0:
            made.append((DEVELOPMENT, "fl-0a1b2c3d4e5f60002", V5, list(flow_lines_v5(hour))))
        for account, flow, header, lines in made:
            count += len(lines)
            name = f"{account}_vpcflowlogs_{HOME}_{flow}_20260302T{hour:02}55Z_{rng.getrandbits(32):08x}.log.gz"
            path = root / "AWSLogs" / account / "vpcflowlogs" / HOME / "2026/03/02" / name
            write(path, compress(("\n".join([header, *lines]) + "\n").encode()))
    return count


def formats():
    """The files of `formats/` that are compressed; the others are written by hand."""
    plain = (HERE / "formats" / "records.json").read_bytes()
    middle = len(plain) // 2
    write(HERE / "formats" / "members.json.gz", compress(plain[:middle]) + compress(plain[middle:]))
    write(HERE / "formats" / "empty-member.json.gz", compress(b"") + compress(plain))
    write(HERE / "formats" / "truncated.json.gz", compress(plain)[:-12])
    write(HERE / "formats" / "empty.json.gz", b"")


def main():
    root = HERE / "days" / "2026-03-02"
    shutil.rmtree(root, ignore_errors=True)
    lambdas()
    servers = instances()
    config_sweeps()
    aws_itself()
    deployments()
    people()
    broker()
    backdoor(leaked_key())
    stolen_instance_credentials(servers)
    role_chain()
    assignment_by_hand()
    bucket = Bucket(root)
    counts = deliver(bucket)
    side_files(bucket)
    counts["kept"] = counts["records"] - counts["duplicates"] - counts["quarantined"]
    counts["flow_lines"] = flows(root)
    truth = {"counts": counts, "incident": sorted(trail.truth, key=lambda row: row["eventTime"])}
    write(HERE / "truth" / "2026-03-02.json", (json.dumps(truth, indent=2) + "\n").encode())
    formats()
    print(json.dumps(counts), f"{sum(path.stat().st_size for path in root.rglob('*') if path.is_file()) // 1024} KiB")


if __name__ == "__main__":
    main()
