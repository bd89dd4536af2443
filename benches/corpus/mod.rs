//! The corpus that benches read: CloudTrail files of an invented organisation, the same on every machine.
//!
//! 1,600 bytes an event and ten to one under gzip, as deliveries of an organisation trail have; some hundred kinds
//! of calls, a third of them with request and response elements; one record in a hundred is delivered twice.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

/// How many events a file holds.
pub const EVENTS_PER_FILE: usize = 850;

/// A small generator of numbers, the same everywhere (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }
}

const SERVICES: [&str; 12] = [
    "ec2",
    "s3",
    "iam",
    "sts",
    "kms",
    "lambda",
    "dynamodb",
    "logs",
    "monitoring",
    "ssm",
    "sqs",
    "secretsmanager",
];
const VERBS: [&str; 9] =
    ["Describe", "Get", "List", "Describe", "Get", "Put", "Create", "Update", "Delete"];
const NOUNS: [&str; 10] = [
    "Instances",
    "Object",
    "Role",
    "Volume",
    "Key",
    "Function",
    "Table",
    "LogStreams",
    "Parameter",
    "Queue",
];

/// Makes the corpus below `folder` unless it is there, and returns its files in their order with the number of events.
pub fn files(folder: &Path, count: usize) -> (Vec<PathBuf>, usize) {
    std::fs::create_dir_all(folder).unwrap();
    let path = |number: usize| {
        let (day, minute) = (1 + number / 288 % 28, number % 288 * 5);
        let name = format!(
            "111122223333_CloudTrail_eu-west-1_202603{day:02}T{:02}{:02}Z_{number:06}.json.gz",
            minute / 60,
            minute % 60
        );
        folder.join(name)
    };
    let files: Vec<PathBuf> = (0..count).map(path).collect();
    for (number, file) in files.iter().enumerate() {
        if !file.exists() {
            let partial = file.with_extension("partial");
            std::fs::write(&partial, gzip(text(number).as_bytes())).unwrap();
            std::fs::rename(&partial, file).unwrap();
        }
    }
    (files, count * EVENTS_PER_FILE)
}

/// Returns `content` as one gzip member.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Returns the text of a file.
pub fn text(number: usize) -> String {
    let mut numbers = Numbers(number as u64);
    let mut text = String::from("{\"Records\":[");
    for place in 0..EVENTS_PER_FILE {
        if place > 0 {
            text.push(',');
        }
        let begin = text.len();
        event(&mut text, number, place, &mut numbers);
        if place % 100 == 99 {
            // The first of the file comes again.
            text.truncate(begin);
            event(&mut text, number, place - 99, &mut Numbers(number as u64 + place as u64));
        }
    }
    text.push_str("]}");
    text
}

fn event(text: &mut String, file: usize, place: usize, numbers: &mut Numbers) {
    let who = numbers.below(400);
    let account = 111_122_223_333u64 + (who % 20) as u64;
    let service = SERVICES[numbers.below(SERVICES.len())];
    let verb = VERBS[numbers.below(VERBS.len())];
    let noun = NOUNS[numbers.below(NOUNS.len())];
    let (day, minute) = (1 + file / 288 % 28, file % 288 * 5);
    let time =
        format!("2026-03-{day:02}T{:02}:{:02}:{:02}Z", minute / 60, minute % 60, numbers.below(60));
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        file,
        place,
        place % 4096,
        file % 4096,
        file * 1_000_003 + place
    );
    let read_only = matches!(verb, "Describe" | "Get" | "List");
    let write =
        |text: &mut String, arguments: std::fmt::Arguments<'_>| text.write_fmt(arguments).unwrap();
    write(
        text,
        format_args!(
            r#"{{"eventVersion":"1.09","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE{who:010}:session-{who}","arn":"arn:aws:sts::{account}:assumed-role/team-{who}-deploy/session-{who}","accountId":"{account}","accessKeyId":"ASIAEXAMPLE{who:09}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE{who:010}","arn":"arn:aws:iam::{account}:role/teams/team-{who}-deploy","accountId":"{account}","userName":"team-{who}-deploy"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"2026-03-{day:02}T00:00:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"{time}","eventSource":"{service}.amazonaws.com","eventName":"{verb}{noun}","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.{}","userAgent":"aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/{service}#1.58.2","#,
            who % 250,
        ),
    );
    if numbers.below(50) == 0 {
        text.push_str(r#""errorCode":"AccessDenied","errorMessage":"User is not authorized to perform this operation","#);
    }
    write(
        text,
        format_args!(
            r#""requestParameters":{{"resourceName":"arn:aws:{service}:eu-west-1:{account}:resource/{place}","filterSet":{{"items":[{{"name":"tag:Name","valueSet":{{"items":[{{"value":"service-{who}"}},{{"value":"environment-production"}}]}}}}]}},"maxResults":100,"nextToken":"{:064x}"}},"#,
            numbers.next(),
        ),
    );
    if read_only {
        text.push_str(r#""responseElements":null,"#);
    } else {
        write(
            text,
            format_args!(
                r#""responseElements":{{"requestId":"{id}","_return":true,"description":"changed by the deployment of service-{who}, see the change request for the reason \"planned\"","tagSet":{{"items":[{{"key":"owner","value":"team-{who}"}}]}}}},"#,
            ),
        );
    }
    write(
        text,
        format_args!(
            r#""requestID":"{:032x}","eventID":"{id}","readOnly":{read_only},"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{service}.eu-west-1.amazonaws.com"}}}}"#,
            numbers.next(),
        ),
    );
}

/// Returns 57 rules of the shapes that the published AWS rules have: nearly all name a call, four look at every event.
pub fn published_like_rules() -> String {
    let mut rules = String::new();
    for number in 0..53 {
        let service = SERVICES[number % SERVICES.len()];
        let noun = NOUNS[number % NOUNS.len()];
        // Most rules wait for calls that hardly ever come; one in ten sees its own now and then.
        let verb = match number % 10 {
            0 => "Delete",
            _ => "Disable",
        };
        let extra = match number % 4 {
            0 => "  filter: {errorCode|exists: true}\n  condition: selection and not filter",
            1 => {
                "  other: {requestParameters.resourceName|contains: ':resource/1'}\n  condition: selection and other"
            }
            2 => {
                "  filter_main: {userIdentity.arn|contains: team-3}\n  condition: selection and not 1 of filter_main*"
            }
            _ => "  condition: selection",
        };
        write!(
            rules,
            "title: Published {number}\nid: 00000000-0000-4000-8000-{number:012}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  selection: {{eventSource: {service}.amazonaws.com, eventName: [{verb}{noun}, {verb}{noun}V2]}}\n{extra}\nlevel: low\n---\n",
        )
        .unwrap();
    }
    for (number, detection) in [
        "selection: {userAgent|contains: trufflehog}\n  condition: selection",
        "selection: {userIdentity.type: Root}\n  filter: {eventType: AwsServiceEvent}\n  condition: selection and not filter",
        "selection: {userIdentity.sessionContext.sessionIssuer.type: SAMLUser, userIdentity.type: AssumedRole}\n  condition: selection",
        "selection: {userIdentity.arn|re: '.+:assumed-role/aws:.+', userIdentity.sessionContext.ec2RoleDelivery: '1.0'}\n  condition: selection",
    ]
    .iter()
    .enumerate()
    {
        write!(
            rules,
            "title: Published wide {number}\nid: 00000000-0000-4000-8001-{number:012}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  {detection}\nlevel: low\n---\n",
        )
        .unwrap();
    }
    rules
}
