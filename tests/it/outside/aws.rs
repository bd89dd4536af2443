//! What the stories ask of AWS: buckets, queues, topics and the wiring between them.
//!
//! Plain HTTP, not the SDK: the program under test brings its own, and its mistakes must not be ours too.
//!
//! Invariant: every bucket and queue has a name of its own, so that stories can share a server.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;

use crate::outside::http;
use crate::outside::http::Request;
use crate::outside::http::Response;

/// The account that all requests are made in.
pub const ACCOUNT: &str = "123456789012";

/// The region of everything.
pub const REGION: &str = "us-east-1";

/// Receives after which a queue sets a message aside, unless a story says otherwise.
pub const PATIENT: u32 = 50;

/// A server that speaks AWS.
#[derive(Debug, Clone, Copy)]
pub struct Aws {
    address: SocketAddr,
}

/// A queue and the one it sets messages aside to.
#[derive(Debug, Clone)]
pub struct Queue {
    aws: Aws,
    /// Its URL.
    pub url: String,
    /// Its ARN.
    pub arn: String,
    /// The URL of its dead letter queue.
    pub dead_url: String,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    aws: Aws,
    /// Its name.
    pub name: String,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received and neither deleted nor given back.
    pub hidden: u64,
}

/// Where a bucket tells of new objects.
#[derive(Debug, Clone, Copy)]
pub enum Wiring {
    /// To a queue.
    Queue,
    /// To a topic, which wraps what it passes on to the queue.
    Topic,
    /// To a topic, which passes it on to the queue as it is.
    RawTopic,
    /// To EventBridge, which has a rule for the queue.
    EventBridge,
}

fn name(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Aws {
    /// Returns the services at `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub fn bucket(&self) -> Bucket {
        let bucket = Bucket { aws: *self, name: name("trail") };
        bucket.ask("PUT", "", Vec::new());
        bucket
    }

    /// Makes a queue that sets a message aside after `receives`, and its dead letter queue.
    pub fn queue(&self, receives: u32) -> Queue {
        let make = |name: &str, attributes: Value| {
            let made = self.json(
                "sqs",
                "AmazonSQS.CreateQueue",
                &json!({ "QueueName": name, "Attributes": attributes }),
            );
            made["QueueUrl"].as_str().unwrap().to_owned()
        };
        let (name, arn) =
            (name("queue"), |name: &str| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
        let dead = format!("{name}-dead");
        let dead_url = make(&dead, json!({}));
        let redrive = json!({ "deadLetterTargetArn": arn(&dead), "maxReceiveCount": receives });
        let url = make(&name, json!({ "RedrivePolicy": redrive.to_string() }));
        Queue { aws: *self, url, arn: arn(&name), dead_url }
    }

    /// Makes a bucket that tells a queue of new objects.
    pub fn wired(&self, wiring: Wiring) -> (Bucket, Queue) {
        let (bucket, queue) = (self.bucket(), self.queue(PATIENT));
        self.wire(&bucket, &queue, wiring);
        (bucket, queue)
    }

    /// Lets `bucket` tell `queue` of new objects.
    pub fn wire(&self, bucket: &Bucket, queue: &Queue, wiring: Wiring) {
        let created = "<Event>s3:ObjectCreated:*</Event>";
        let configuration = match wiring {
            Wiring::Queue => format!(
                "<QueueConfiguration><Id>to-queue</Id><Queue>{}</Queue>{created}</QueueConfiguration>",
                queue.arn
            ),
            Wiring::Topic | Wiring::RawTopic => {
                let topic = self.topic(queue, matches!(wiring, Wiring::RawTopic));
                format!(
                    "<TopicConfiguration><Id>to-topic</Id><Topic>{topic}</Topic>{created}</TopicConfiguration>"
                )
            }
            Wiring::EventBridge => {
                self.rule(bucket, queue);
                "<EventBridgeConfiguration></EventBridgeConfiguration>".to_owned()
            }
        };
        let body =
            format!("<NotificationConfiguration>{configuration}</NotificationConfiguration>");
        bucket.ask("PUT", "?notification", body.into_bytes());
    }

    fn topic(&self, queue: &Queue, raw: bool) -> String {
        let made =
            self.query("sns", "2010-03-31", &[("Action", "CreateTopic"), ("Name", &name("topic"))]);
        let topic = between(&made, "<TopicArn>", "</TopicArn>").to_owned();
        self.query(
            "sns",
            "2010-03-31",
            &[
                ("Action", "Subscribe"),
                ("TopicArn", &topic),
                ("Protocol", "sqs"),
                ("Endpoint", &queue.arn),
                ("Attributes.entry.1.key", "RawMessageDelivery"),
                ("Attributes.entry.1.value", if raw { "true" } else { "false" }),
            ],
        );
        topic
    }

    fn rule(&self, bucket: &Bucket, queue: &Queue) {
        let rule = name("rule");
        let pattern = json!({
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": { "bucket": { "name": [bucket.name] } },
        });
        let put = json!({ "Name": rule, "EventPattern": pattern.to_string() });
        self.json("events", "AWSEvents.PutRule", &put);
        let targets = json!({ "Rule": rule, "Targets": [{ "Id": "queue", "Arn": queue.arn }] });
        self.json("events", "AWSEvents.PutTargets", &targets);
    }

    /// Calls an action of a service that speaks the query protocol and returns the XML it answers.
    pub fn query(&self, service: &str, version: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters).append_pair("Version", version);
        let form = form.finish();
        let headers = vec![header("Content-Type", "application/x-www-form-urlencoded")];
        self.ask(service, "POST", "/", headers, form.into_bytes()).string()
    }

    /// Calls an action of a service that speaks JSON.
    pub fn json(&self, service: &str, action: &str, parameters: &Value) -> Value {
        let headers = vec![
            header("Content-Type", "application/x-amz-json-1.0"),
            header("X-Amz-Target", action),
        ];
        let answer = self.ask(service, "POST", "/", headers, parameters.to_string().into_bytes());
        match answer.body.as_slice() {
            b"" => Value::Null,
            body => serde_json::from_slice(body).unwrap(),
        }
    }

    /// Calls a path of a service that speaks REST with JSON.
    pub fn rest(&self, service: &str, method: &str, path: &str, parameters: &Value) -> Value {
        let headers = vec![header("Content-Type", "application/json")];
        let body = parameters.to_string().into_bytes();
        let answer = self.ask(service, method, path, headers, body);
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn ask(
        &self,
        service: &str,
        method: &str,
        target: &str,
        mut headers: http::Headers,
        body: Vec<u8>,
    ) -> Response {
        // The server finds the service in the scope; it checks no signature unless it enforces permissions.
        let scope = format!("Credential=setup/20260101/{REGION}/{service}/aws4_request");
        let value = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none");
        headers.push(header("Authorization", &value));
        let request =
            Request { method: method.to_owned(), target: target.to_owned(), headers, body };
        let answer = http::send(self.address, &request).unwrap();
        let (status, said) = (answer.status, answer.string());
        assert!(answer.status < 300, "{method} {target} of {service}: {status} {said}");
        answer
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Returns what stands between `start` and `end` in `text`.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let found = text.split_once(start).and_then(|(_, rest)| rest.split_once(end));
    found.unwrap_or_else(|| panic!("no {start} in {text}")).0
}

impl Bucket {
    /// Writes an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.ask("PUT", &format!("/{}", encoded(key)), bytes.to_vec());
    }

    /// Gives the bucket a policy.
    pub fn put_policy(&self, policy: &Value) {
        self.ask("PUT", "?policy", policy.to_string().into_bytes());
    }

    /// Returns the bytes of an object.
    pub fn get(&self, key: &str) -> Vec<u8> {
        self.ask("GET", &format!("/{}", encoded(key)), Vec::new()).body
    }

    /// Returns the keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), String::new());
        loop {
            let page = format!("?list-type=2&start-after={}", encoded(&after));
            let page = self.ask("GET", &page, Vec::new()).string();
            let found = page.split("<Key>").skip(1);
            keys.extend(found.map(|rest| rest.split('<').next().unwrap().to_owned()));
            match keys.last() {
                Some(last) if page.contains("<IsTruncated>true") => after = last.clone(),
                _ => return keys,
            }
        }
    }

    fn ask(&self, method: &str, below: &str, body: Vec<u8>) -> Response {
        let headers = vec![header("Content-Type", "application/octet-stream")];
        self.aws.ask("s3", method, &format!("/{}{below}", self.name), headers, body)
    }
}

/// Returns `key` as it stands in a URL.
pub fn encoded(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

impl Queue {
    /// Sends a message.
    pub fn send(&self, body: &str) {
        let message = json!({ "QueueUrl": self.url, "MessageBody": body });
        self.aws.json("sqs", "AmazonSQS.SendMessage", &message);
    }

    /// Returns how many messages it holds.
    pub fn depth(&self) -> Depth {
        self.depth_of(&self.url)
    }

    /// Returns how many messages were set aside.
    pub fn dead(&self) -> u64 {
        let depth = self.depth_of(&self.dead_url);
        depth.waiting + depth.hidden
    }

    /// Returns whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.depth() == Depth { waiting: 0, hidden: 0 }
    }

    fn depth_of(&self, url: &str) -> Depth {
        let ask = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let answer = self.aws.json("sqs", "AmazonSQS.GetQueueAttributes", &ask);
        let number = |name: &str| answer["Attributes"][name].as_str().unwrap().parse().unwrap();
        Depth {
            waiting: number("ApproximateNumberOfMessages"),
            hidden: number("ApproximateNumberOfMessagesNotVisible"),
        }
    }
}
