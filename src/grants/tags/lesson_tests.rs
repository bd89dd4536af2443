//! Records that say something of tags, in every shape that is read, and what is learned of each.

use super::history::Edit;
use super::*;
use crate::model::Slots;
use crate::model::TrailRecord;

/// Returns what a call of `event` teaches of the tags `env` and `team`: `RESOURCE +env=prod -team`, parted by `; `.
fn of(source: &str, event: &str, more: &str) -> String {
    let text = format!(
        r#"{{"eventSource":"{source}.amazonaws.com","eventName":"{event}","awsRegion":"eu-west-1","recipientAccountId":"111122223333",{more}}}"#
    );
    let slots = Slots::of(&text).unwrap();
    let keys = Keys(vec!["env".into(), "team".into()]);
    let lesson = lesson(&TrailRecord::new(&text, &slots), Seconds(7), 9, &keys);
    let edit = |edit: &Edit| match edit {
        Edit::Put { key, value } => format!("+{key}={value}"),
        Edit::Drop { key } => format!("-{key}"),
        Edit::DropIf { key, value } => format!("-{key}={value}"),
        Edit::Clear => "-*".to_owned(),
    };
    let change = |(resource, edits): &(Box<str>, Vec<Edit>)| {
        let edits: Vec<String> = edits.iter().map(edit).collect();
        format!("{} {}", resource.strip_prefix("arn:aws:").unwrap(), edits.join(" "))
    };
    lesson.iter().flat_map(|it| &it.changes).map(change).collect::<Vec<_>>().join("; ")
}

/// The service, the call, the rest of its record, and what is learned.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (source, event, more, expected) in cases {
        assert_eq!(of(source, event, more), *expected, "{source} {event}");
    }
}

const BY_ARN: &[Case<'_>] = &[
    (
        "cloudfront",
        "TagResource",
        r#""requestParameters":{"resource":"arn:aws:cloudfront::1:distribution/E5","tags":{"items":[{"key":"env","value":"prod"}]}}"#,
        "cloudfront::1:distribution/E5 +env=prod",
    ),
    (
        "elasticloadbalancing",
        "AddTags",
        r#""requestParameters":{"tags":[{"value":"Internal","key":"WAF"},{"value":"prod","key":"Env"}],"resourceArns":["arn:aws:elasticloadbalancing:r:1:loadbalancer/app/test/4"]}"#,
        "elasticloadbalancing:r:1:loadbalancer/app/test/4 +Env=prod",
    ),
    (
        "apigateway",
        "TagResource",
        r#""requestParameters":{"tagResourceInput":{"tags":{"env":"prod"}},"resourceArn":"arn:aws:apigateway:r::/restapis/a/stages/s","template":false}"#,
        "apigateway:r::/restapis/a/stages/s +env=prod",
    ),
    (
        "dynamodb",
        "TagResource",
        r#""requestParameters":{"resourceArn":"arn:aws:dynamodb:r:1:table/t","tags":[{"key":"env","value":""}]}"#,
        "dynamodb:r:1:table/t +env=",
    ),
    (
        "rds",
        "AddTagsToResource",
        r#""requestParameters":{"resourceName":"arn:aws:rds:r:1:db:orders","tags":[{"key":"env","value":"prod"}]}"#,
        "rds:r:1:db:orders +env=prod",
    ),
    (
        "rds",
        "RemoveTagsFromResource",
        r#""requestParameters":{"resourceName":"arn:aws:rds:r:1:db:orders","tagKeys":["env","x"]}"#,
        "rds:r:1:db:orders -env",
    ),
    (
        "lambda",
        "TagResource20170331v2",
        r#""requestParameters":{"resource":"arn:aws:lambda:r:1:function:f","tags":{"env":"prod","x":"y"}}"#,
        "lambda:r:1:function:f +env=prod",
    ),
    (
        "lambda",
        "UntagResource20170331v2",
        r#""requestParameters":{"resource":"arn:aws:lambda:r:1:function:f","tagKeys":["team"]}"#,
        "lambda:r:1:function:f -team",
    ),
    (
        "tagging",
        "TagResources",
        r#""requestParameters":{"resourceARNList":["arn:aws:sqs:r:1:a","arn:aws:sqs:r:1:b","arn:aws:s3:::c"],"tags":{"env":"prod","team":"x"}},"responseElements":{"failedResourcesMap":{"arn:aws:sqs:r:1:b":{"statusCode":400}}}"#,
        "sqs:r:1:a +env=prod +team=x; s3:::c +env=prod +team=x",
    ),
    (
        "tagging",
        "UntagResources",
        r#""requestParameters":{"resourceARNList":["arn:aws:sqs:r:1:a"],"tagKeys":["env"]}"#,
        "sqs:r:1:a -env",
    ),
    (
        "ecs",
        "TagResource",
        r#""requestParameters":{"resourceArn":"arn:aws:ecs:r:1:cluster/c","tags":[{"key":"env","value":"prod"}]}"#,
        "ecs:r:1:cluster/c +env=prod",
    ),
    (
        "sns",
        "UntagResource",
        r#""requestParameters":{"resourceArn":"arn:aws:sns:r:1:t","tagKeys":["env"]}"#,
        "sns:r:1:t -env",
    ),
    (
        "cloudtrail",
        "AddTags",
        r#""requestParameters":{"resourceId":"arn:aws:cloudtrail:r:1:trail/t","tagsList":[{"key":"env","value":"prod"}]}"#,
        "cloudtrail:r:1:trail/t +env=prod",
    ),
];

#[test]
fn what_is_tagged_by_arn_in_any_spelling() {
    check(BY_ARN);
}

const BY_NAME: &[Case<'_>] = &[
    (
        "kms",
        "TagResource",
        r#""requestParameters":{"keyId":"6f0c","tags":[{"tagKey":"env","tagValue":"prod"}]}"#,
        "kms:eu-west-1:111122223333:key/6f0c +env=prod",
    ),
    (
        "kms",
        "UntagResource",
        r#""requestParameters":{"keyId":"arn:aws:kms:r:1:key/6f0c","tagKeys":["env"]}"#,
        "kms:r:1:key/6f0c -env",
    ),
    (
        "sqs",
        "TagQueue",
        r#""requestParameters":{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/444455556666/q","tags":{"env":"prod"}}"#,
        "sqs:eu-west-1:444455556666:q +env=prod",
    ),
    (
        "sqs",
        "UntagQueue",
        r#""requestParameters":{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/444455556666/q","tagKeys":["env"]}"#,
        "sqs:eu-west-1:444455556666:q -env",
    ),
    (
        "iam",
        "TagRole",
        r#""requestParameters":{"roleName":"Deploy","tags":[{"key":"env","value":"prod"}]}"#,
        "iam::111122223333:role/Deploy +env=prod",
    ),
    (
        "iam",
        "UntagUser",
        r#""requestParameters":{"userName":"bob","tagKeys":["env"]}"#,
        "iam::111122223333:user/bob -env",
    ),
    (
        "iam",
        "TagPolicy",
        r#""requestParameters":{"policyArn":"arn:aws:iam::1:policy/x/P","tags":[{"key":"env","value":"prod"}]}"#,
        "iam::1:policy/P +env=prod",
    ),
    (
        "secretsmanager",
        "TagResource",
        r#""requestParameters":{"secretId":"app/db","tags":[{"key":"env","value":"prod"}]}"#,
        "secretsmanager:eu-west-1:111122223333:secret:app/db +env=prod",
    ),
    (
        "ssm",
        "AddTagsToResource",
        r#""requestParameters":{"resourceType":"Parameter","resourceId":"/app/x","tags":[{"key":"env","value":"prod"}]}"#,
        "ssm:eu-west-1:111122223333:parameter/app/x +env=prod",
    ),
    (
        "ssm",
        "AddTagsToResource",
        r#""requestParameters":{"resourceType":"Document","resourceId":"x","tags":[{"key":"env","value":"prod"}]}"#,
        "",
    ),
    (
        "elasticfilesystem",
        "CreateTags",
        r#""requestParameters":{"fileSystemId":"fs-1","tags":[{"key":"env","value":"prod"}]}"#,
        "elasticfilesystem:eu-west-1:111122223333:file-system/fs-1 +env=prod",
    ),
    (
        "organizations",
        "TagResource",
        r#""requestParameters":{"resourceId":"ou-x","tags":[{"key":"env","value":"prod"}]}"#,
        "",
    ),
];

#[test]
fn what_is_tagged_by_its_name() {
    check(BY_NAME);
}

#[test]
fn ec2_tags_many_and_takes_away_by_key_by_value_or_all() {
    let set = |tags: &str| {
        format!(
            r#""requestParameters":{{"resourcesSet":{{"items":[{{"resourceId":"i-1"}},{{"resourceId":"snap-2"}},{{"resourceId":"what-3"}}]}},"tagSet":{{"items":[{tags}]}}}}"#
        )
    };
    let both = |edits: &str| {
        format!(
            "ec2:eu-west-1:111122223333:instance/i-1 {edits}; ec2:eu-west-1::snapshot/snap-2 {edits}"
        )
    };
    for (event, tags, edits) in [
        ("CreateTags", r#"{"key":"env","value":"prod"},{"key":"Name","value":"x"}"#, "+env=prod"),
        ("DeleteTags", r#"{"key":"env"}"#, "-env"),
        ("DeleteTags", r#"{"key":"env","value":"prod"}"#, "-env=prod"),
        ("DeleteTags", r#"{"key":"env","value":""}"#, "-env="),
        ("DeleteTags", "", "-*"),
    ] {
        assert_eq!(of("ec2", event, &set(tags)), both(edits), "{event} {tags}");
    }
    assert_eq!(of("ec2", "DeleteTags", &set(r#"{"key":"Name"}"#)), "");
    assert_eq!(of("ec2", "CreateTags", &set("")), "");
}

const MADE: &[Case<'_>] = &[
    (
        "ec2",
        "RunInstances",
        r#""requestParameters":{"instancesSet":{"items":[{"imageId":"ami-1"}]},"tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"env","value":"prod"}]},{"resourceType":"volume","tags":[{"key":"env","value":"prod"}]}]}},"responseElements":{"reservationId":"r-1","instancesSet":{"items":[{"instanceId":"i-1","imageId":"ami-1"},{"instanceId":"i-2"}]}}"#,
        "ec2:eu-west-1:111122223333:instance/i-1 +env=prod; ec2:eu-west-1:111122223333:instance/i-2 +env=prod",
    ),
    (
        "ec2",
        "CreateVolume",
        r#""requestParameters":{"size":"8","tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"env","value":"prod"}]},{"resourceType":"volume","tags":[{"key":"env","value":"prod"}]}]}},"responseElements":{"volumeId":"vol-1"}"#,
        "ec2:eu-west-1:111122223333:volume/vol-1 +env=prod",
    ),
    (
        "dynamodb",
        "CreateTable",
        r#""requestParameters":{"tableName":"t","tags":[{"key":"env","value":"prod"}]},"responseElements":{"tableDescription":{"tableArn":"arn:aws:dynamodb:r:1:table/t"}}"#,
        "dynamodb:r:1:table/t +env=prod",
    ),
    (
        "lambda",
        "CreateFunction20150331",
        r#""requestParameters":{"functionName":"f","role":"arn:aws:iam::1:role/x","tags":{"env":"prod"}},"responseElements":{"functionArn":"arn:aws:lambda:r:1:function:f","role":"arn:aws:iam::1:role/x"}"#,
        "lambda:r:1:function:f +env=prod",
    ),
    (
        "kms",
        "CreateKey",
        r#""requestParameters":{"tags":[{"tagKey":"env","tagValue":"prod"}]},"responseElements":{"keyMetadata":{"arn":"arn:aws:kms:r:1:key/6f0c"}}"#,
        "kms:r:1:key/6f0c +env=prod",
    ),
    (
        "sqs",
        "CreateQueue",
        r#""requestParameters":{"queueName":"q","tags":{"env":"prod"}},"responseElements":{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/q"}"#,
        "sqs:eu-west-1:111122223333:q +env=prod",
    ),
    (
        "secretsmanager",
        "CreateSecret",
        r#""requestParameters":{"name":"app/db","tags":[{"key":"env","value":"prod"}]},"responseElements":null"#,
        "secretsmanager:eu-west-1:111122223333:secret:app/db +env=prod",
    ),
    (
        "iam",
        "CreateRole",
        r#""requestParameters":{"roleName":"Deploy","path":"/ops/","tags":[{"key":"env","value":"prod"}]},"responseElements":{"role":{"arn":"arn:aws:iam::1:role/ops/Deploy"}}"#,
        "iam::1:role/Deploy +env=prod",
    ),
    (
        "elasticloadbalancing",
        "CreateLoadBalancer",
        r#""requestParameters":{"name":"l","tags":[{"key":"env","value":"prod"}]},"responseElements":{"loadBalancers":[{"loadBalancerArn":"arn:aws:elasticloadbalancing:r:1:loadbalancer/app/l/5"}]}"#,
        "elasticloadbalancing:r:1:loadbalancer/app/l/5 +env=prod",
    ),
    (
        "cloudformation",
        "CreateStack",
        r#""requestParameters":{"stackName":"web","tags":[{"key":"env","value":"prod"}]},"responseElements":{"stackId":"arn:aws:cloudformation:r:1:stack/web/6f0c"}"#,
        "cloudformation:r:1:stack/web +env=prod",
    ),
    (
        "ecs",
        "RunTask",
        r#""requestParameters":{"cluster":"c","tags":[{"key":"env","value":"prod"}]},"responseElements":{"tasks":[]}"#,
        "",
    ),
];

#[test]
fn what_is_made_with_tags_is_known_by_the_answer() {
    check(MADE);
}

#[test]
fn the_tags_of_a_bucket_are_replaced_as_a_whole() {
    let put = |tag: &str| {
        format!(
            r#""requestParameters":{{"Tagging":{{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","TagSet":{{"Tag":{tag}}}}},"tagging":"","bucketName":"b","Host":"s3.eu-north-1.amazonaws.com"}}"#
        )
    };
    check(&[
        (
            "s3",
            "PutBucketTagging",
            &put(r#"[{"Value":"tv2","Key":"t1"},{"Value":"prod","Key":"env"}]"#),
            "s3:::b -* +env=prod",
        ),
        ("s3", "PutBucketTagging", &put(r#"{"Value":"prod","Key":"env"}"#), "s3:::b -* +env=prod"),
        ("s3", "PutBucketTagging", &put("[]"), "s3:::b -*"),
        (
            "s3",
            "DeleteBucketTagging",
            r#""requestParameters":{"bucketName":"b","tagging":""}"#,
            "s3:::b -*",
        ),
    ]);
}

#[test]
fn what_is_gone_has_no_tags() {
    check(&[
        (
            "ec2",
            "TerminateInstances",
            r#""requestParameters":{"instancesSet":{"items":[{"instanceId":"i-1"}]}}"#,
            "ec2:eu-west-1:111122223333:instance/i-1 -*",
        ),
        ("s3", "DeleteBucket", r#""requestParameters":{"bucketName":"b"}"#, "s3:::b -*"),
        (
            "iam",
            "DeleteRole",
            r#""requestParameters":{"roleName":"Deploy"}"#,
            "iam::111122223333:role/Deploy -*",
        ),
        // A secret can be restored for a while, and a service's deletion names the cluster that it is in.
        ("secretsmanager", "DeleteSecret", r#""requestParameters":{"secretId":"a"}"#, ""),
        ("ecs", "DeleteService", r#""requestParameters":{"cluster":"c","service":"s"}"#, ""),
    ]);
}

#[test]
fn what_is_refused_or_not_told_plainly_teaches_nothing() {
    let asked = r#""requestParameters":{"resourceArn":"arn:aws:sns:r:1:t","tags":[{"key":"env","value":"prod"}]}"#;
    assert_eq!(of("sns", "TagResource", asked), "sns:r:1:t +env=prod");
    check(&[
        ("sns", "TagResource", &format!(r#"{asked},"errorCode":"AccessDenied""#), ""),
        ("sns", "TagResource", &format!(r#"{asked},"readOnly":true"#), ""),
        ("sns", "ListTagsForResource", asked, ""),
        (
            "sns",
            "TagResource",
            r#""requestParameters":{"resourceArn":"arn:aws:sns:r:1:t","tags":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            "",
        ),
        ("sns", "TagResource", r#""requestParameters":null"#, ""),
    ]);
    let long = "x".repeat(2_000);
    let value = format!(
        r#""requestParameters":{{"resourceArn":"arn:aws:sns:r:1:t","tags":{{"env":"{long}"}}}}"#
    );
    assert_eq!(of("sns", "TagResource", &value), "");
    let name = format!(
        r#""requestParameters":{{"resourceArn":"arn:aws:sns:r:1:{long}","tags":{{"env":"x"}}}}"#
    );
    assert_eq!(of("sns", "TagResource", &name), "");
}

#[test]
fn nothing_is_learned_where_nothing_is_asked() {
    let text = r#"{"eventSource":"sns.amazonaws.com","eventName":"TagResource","requestParameters":{"resourceArn":"arn:aws:sns:r:1:t","tags":{"env":"prod"}}}"#;
    let slots = Slots::of(text).unwrap();
    let of = |keys: &Keys| lesson(&TrailRecord::new(text, &slots), Seconds(7), 9, keys);
    assert_eq!(of(&Keys::default()), None);
    assert_eq!(of(&Keys(vec!["team".into()])), None);
    assert!(of(&Keys(vec!["ENV".into()])).is_some());
}
