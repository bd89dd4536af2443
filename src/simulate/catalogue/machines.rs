//! What machines call all day, and how it fails.
//!
//! Invariant: a mix names the calls of one service of ours with their weights; whoever runs it draws from it.

use crate::simulate::call::CallError;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;
use crate::simulate::catalogue::GET_SECRET_VALUE;

/// Some calls, each with how often it is made in proportion to the others.
pub type Mix = &'static [(&'static Routine, f64)];

const S3_OBJECT: &str = r#"[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::$private/$object"},{"accountId":"$account","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::$private"}]"#;
const KMS_KEY: &str = r#"[{"accountId":"$account","type":"AWS::KMS::Key","ARN":"arn:aws:kms:$region:$account:key/$key"}]"#;
const TABLE: &str = r#"[{"accountId":"$account","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:$region:$account:table/$table"}]"#;
const OBJECT: &str =
    r#"{"bucketName":"$private","Host":"$private.s3.$region.amazonaws.com","key":"$object"}"#;
const ITEM: &str = r#"{"tableName":"$table","key":{"pk":"$hex"},"returnConsumedCapacity":"NONE"}"#;

/// Returns a call that reads.
pub const fn read(service: &'static str, name: &'static str, request: &'static str) -> Routine {
    Routine { service, name, sort: Sort::Read, request, response: "", resources: "" }
}

/// Returns a call that changes something.
pub const fn write(
    service: &'static str,
    name: &'static str,
    request: &'static str,
    response: &'static str,
) -> Routine {
    Routine { service, name, sort: Sort::Write, request, response, resources: "" }
}

const fn about(routine: Routine, sort: Sort, resources: &'static str) -> Routine {
    Routine { sort, resources, ..routine }
}

/// Reads an object of a bucket whose contents are watched.
pub static GET_OBJECT: Routine = about(read("s3", "GetObject", OBJECT), Sort::DataRead, S3_OBJECT);

/// Writes one.
pub static PUT_OBJECT: Routine = about(read("s3", "PutObject", OBJECT), Sort::DataWrite, S3_OBJECT);

/// Asks whether one is there.
pub static HEAD_OBJECT: Routine =
    about(read("s3", "HeadObject", OBJECT), Sort::DataRead, S3_OBJECT);

/// Lists such a bucket.
pub static LIST_OBJECTS: Routine = about(
    read(
        "s3",
        "ListObjects",
        r#"{"list-type":"2","bucketName":"$private","Host":"$private.s3.$region.amazonaws.com","prefix":""}"#,
    ),
    Sort::DataRead,
    r#"[{"type":"AWS::S3::Object","ARNPrefix":"arn:aws:s3:::$private/"},{"accountId":"$account","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::$private"}]"#,
);

/// Asks where a bucket is.
pub static GET_BUCKET_LOCATION: Routine = read(
    "s3",
    "GetBucketLocation",
    r#"{"bucketName":"$bucket","Host":"$bucket.s3.$region.amazonaws.com","location":""}"#,
);

/// Opens something sealed with a key.
pub static DECRYPT: Routine = about(
    read(
        "kms",
        "Decrypt",
        r#"{"keyId":"arn:aws:kms:$region:$account:key/$key","encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"app":"$hex"}}"#,
    ),
    Sort::Read,
    KMS_KEY,
);

/// Opens a secret, as Secrets Manager does for whoever reads it.
pub static DECRYPT_SECRET: Routine = about(
    read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"SecretARN":"arn:aws:secretsmanager:$region:$account:secret:$secret","SecretVersionId":"$uuid"}}"#,
    ),
    Sort::Read,
    KMS_KEY,
);

/// Makes a key for one object, as S3 does for whoever writes it.
pub static GENERATE_DATA_KEY: Routine = about(
    read(
        "kms",
        "GenerateDataKey",
        r#"{"keyId":"arn:aws:kms:$region:$account:key/$key","keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::$private"}}"#,
    ),
    Sort::Read,
    KMS_KEY,
);

/// Reads an item of a table.
pub static GET_ITEM: Routine = about(read("dynamodb", "GetItem", ITEM), Sort::DataRead, TABLE);

/// Changes one.
pub static UPDATE_ITEM: Routine =
    about(read("dynamodb", "UpdateItem", ITEM), Sort::DataWrite, TABLE);

/// Asks what a table is like.
pub static DESCRIBE_TABLE: Routine =
    about(read("dynamodb", "DescribeTable", r#"{"tableName":"$table"}"#), Sort::Read, TABLE);

/// Reads a parameter in clear.
pub static GET_PARAMETER: Routine =
    read("ssm", "GetParameter", r#"{"name":"/app/$table/endpoint","withDecryption":true}"#);

/// Reads several.
pub static GET_PARAMETERS: Routine = read(
    "ssm",
    "GetParameters",
    r#"{"names":["/app/$table/endpoint","/app/$table/limits"],"withDecryption":true}"#,
);

/// An instance says that it is there, every five minutes.
pub static UPDATE_INSTANCE_INFORMATION: Routine = write(
    "ssm",
    "UpdateInstanceInformation",
    r#"{"instanceId":"$self","agentVersion":"3.3.2299.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","availabilityZoneId":"euc1-az2","sSMConnectionChannel":"ssmmessages"}"#,
    "",
);

/// Opens a stream of log lines.
pub static CREATE_LOG_STREAM: Routine = write(
    "logs",
    "CreateLogStream",
    r#"{"logGroupName":"/app/$self","logStreamName":"$hex$hex"}"#,
    "",
);

/// Asks who one is.
pub static GET_CALLER_IDENTITY: Routine = read("sts", "GetCallerIdentity", "");

/// Asks for the tags of an instance.
pub static DESCRIBE_TAGS: Routine = read(
    "ec2",
    "DescribeTags",
    r#"{"maxResults":1000,"filterSet":{"items":[{"name":"resource-id","valueSet":{"items":[{"value":"$instance"}]}}]},"tagSet":{}}"#,
);

/// Asks how the targets of a balancer are.
pub static DESCRIBE_TARGET_HEALTH: Routine = read(
    "elasticloadbalancing",
    "DescribeTargetHealth",
    r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/web/6d0ecf831eec9f09"}"#,
);

/// Asks which alarms ring.
pub static DESCRIBE_ALARMS: Routine =
    read("monitoring", "DescribeAlarms", r#"{"stateValue":"ALARM","maxRecords":100}"#);

/// Asks what to trace.
pub static GET_SAMPLING_RULES: Routine = read("xray", "GetSamplingRules", r#"{"nextToken":""}"#);

/// Starts a query.
pub static START_QUERY: Routine = write(
    "athena",
    "StartQueryExecution",
    r#"{"queryString":"***OMITTED***","clientRequestToken":"$uuid","queryExecutionContext":{"database":"reports"},"workGroup":"primary"}"#,
    r#"{"queryExecutionId":"$uuid"}"#,
);

/// Asks how a query goes.
pub static GET_QUERY: Routine =
    read("athena", "GetQueryExecution", r#"{"queryExecutionId":"$uuid"}"#);

/// Reads where the data of a table is.
pub static GET_PARTITIONS: Routine =
    read("glue", "GetPartitions", r#"{"databaseName":"reports","tableName":"$table"}"#);

/// Asks about databases.
pub static DESCRIBE_DATABASES: Routine =
    read("rds", "DescribeDBInstances", r#"{"maxRecords":100}"#);

/// Asks about functions.
pub static LIST_FUNCTIONS: Routine = read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#);

/// Asks about a queue.
pub static GET_QUEUE: Routine = read(
    "sqs",
    "GetQueueAttributes",
    r#"{"queueUrl":"https://sqs.$region.amazonaws.com/$account/$table","attributeNames":["ApproximateNumberOfMessages"]}"#,
);

/// Asks how much mail may be sent.
pub static GET_SENDING: Routine = read("ses", "GetAccount", "");

static ORDERS: Mix = &[
    (&GET_ITEM, 40.0),
    (&UPDATE_ITEM, 22.0),
    (&DECRYPT, 12.0),
    (&GET_OBJECT, 8.0),
    (&PUT_OBJECT, 8.0),
    (&GET_SECRET_VALUE, 3.0),
    (&GET_QUEUE, 3.0),
    (&GET_SAMPLING_RULES, 2.0),
    (&CREATE_LOG_STREAM, 1.0),
];
static PAYMENTS: Mix = &[
    (&DECRYPT, 40.0),
    (&GET_ITEM, 25.0),
    (&UPDATE_ITEM, 15.0),
    (&GET_SECRET_VALUE, 8.0),
    (&CREATE_LOG_STREAM, 1.0),
];
static WEB: Mix = &[
    (&GET_OBJECT, 30.0),
    (&HEAD_OBJECT, 15.0),
    (&GET_PARAMETER, 8.0),
    (&DESCRIBE_TARGET_HEALTH, 6.0),
    (&GET_SECRET_VALUE, 4.0),
    (&DESCRIBE_TAGS, 4.0),
    (&CREATE_LOG_STREAM, 2.0),
];
static PICTURES: Mix = &[(&GET_OBJECT, 45.0), (&PUT_OBJECT, 40.0), (&CREATE_LOG_STREAM, 3.0)];
static REPORTS: Mix = &[
    (&START_QUERY, 10.0),
    (&GET_QUERY, 30.0),
    (&GET_PARTITIONS, 15.0),
    (&GET_OBJECT, 25.0),
    (&PUT_OBJECT, 20.0),
    (&LIST_OBJECTS, 5.0),
    (&GET_CALLER_IDENTITY, 1.0),
];
static BATCH: Mix = &[
    (&GET_ITEM, 30.0),
    (&UPDATE_ITEM, 10.0),
    (&PUT_OBJECT, 20.0),
    (&GET_SECRET_VALUE, 3.0),
    (&GET_PARAMETERS, 3.0),
    (&CREATE_LOG_STREAM, 3.0),
];
static MAIL: Mix = &[(&GET_SECRET_VALUE, 6.0), (&GET_SENDING, 8.0), (&GET_QUEUE, 20.0)];
static CARE: Mix = &[
    (&DESCRIBE_ALARMS, 20.0),
    (&DESCRIBE_DATABASES, 8.0),
    (&DESCRIBE_TABLE, 10.0),
    (&DESCRIBE_TARGET_HEALTH, 10.0),
    (&GET_BUCKET_LOCATION, 6.0),
    (&CREATE_LOG_STREAM, 2.0),
];
static OTHER: Mix = &[
    (&GET_OBJECT, 30.0),
    (&PUT_OBJECT, 15.0),
    (&GET_PARAMETER, 4.0),
    (&DESCRIBE_ALARMS, 6.0),
    (&CREATE_LOG_STREAM, 2.0),
];

/// Returns what a service of ours calls.
pub fn mix(service: &str) -> Mix {
    match service {
        "orders-api" | "webhook" | "order-events" => ORDERS,
        "payments" => PAYMENTS,
        "web" | "search" | "proxy" => WEB,
        "thumbnails" => PICTURES,
        "exporter" | "reporting" => REPORTS,
        "invoices" | "stock-sync" => BATCH,
        "mailer" => MAIL,
        "housekeeping" | "health" => CARE,
        _ => OTHER,
    }
}

static RATE: CallError = CallError { code: "ThrottlingException", message: "Rate exceeded" };
static EC2_RATE: CallError =
    CallError { code: "Client.RequestLimitExceeded", message: "Request limit exceeded." };
static NO_KEY: CallError =
    CallError { code: "NoSuchKey", message: "The specified key does not exist." };
static NOT_FOUND: CallError = CallError { code: "NoSuchKey", message: "Not Found" };
static SLOW_DOWN: CallError =
    CallError { code: "SlowDown", message: "Please reduce your request rate." };
static CONDITION: CallError = CallError {
    code: "ConditionalCheckFailedException",
    message: "The conditional request failed",
};
static EXISTS: CallError = CallError {
    code: "ResourceAlreadyExistsException",
    message: "The specified log stream already exists",
};

/// Returns how `routine` fails when it does for reasons of every day, and in which share of all cases.
pub fn failure(routine: &Routine) -> (&'static CallError, f64) {
    match (routine.service, routine.name) {
        ("s3", "GetObject") => (&NO_KEY, 0.006),
        ("s3", "HeadObject") => (&NOT_FOUND, 0.03),
        ("s3", _) => (&SLOW_DOWN, 0.001),
        ("ec2", _) => (&EC2_RATE, 0.004),
        ("dynamodb", "UpdateItem") => (&CONDITION, 0.008),
        ("logs", _) => (&EXISTS, 0.05),
        _ => (&RATE, 0.002),
    }
}
