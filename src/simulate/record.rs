//! Writes a call as CloudTrail does.
//!
//! Invariant: what is drawn here depends on the call's own id, so that a record is the same whichever file it is in.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::simulate::call::Call;
use crate::simulate::call::CallError;
use crate::simulate::call::EventId;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;
use crate::simulate::call::What;
use crate::simulate::call::Written;
use crate::simulate::caller::Console;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// The version of CloudTrail's record that is written.
const VERSION: &str = "1.11";

/// Appends the record of `call` to `out`.
pub fn write(org: &Organisation, call: &Call, out: &mut String) {
    let account = org.account(call.place.account);
    let region = REGIONS[usize::from(call.place.region.0)];
    let (service, name, sort, event_type) = match &call.what {
        What::Routine(routine, _) => (routine.service, routine.name, routine.sort, "AwsApiCall"),
        What::Written(written) => (written.service, written.name, written.sort, written.event_type),
    };
    put(out, &[r#"{"eventVersion":""#, VERSION, r#"","userIdentity":"#, &call.by.identity]);
    put(out, &[r#","eventTime":""#]);
    write_fmt(out, format_args!("{}", call.at));
    put(out, &[r#"","eventSource":""#, service, r#".amazonaws.com","eventName":""#, name]);
    put(out, &[r#"","awsRegion":""#, region, r#"","sourceIPAddress":""#, &call.by.address]);
    out.push_str(r#"","userAgent":"#);
    text(out, &call.by.agent);
    match &call.what {
        What::Routine(routine, error) => {
            if let Some(error) = error {
                failure(out, error.code, &refusal(error, routine, &call.by.arn));
            }
            let is_told = error.is_none_or(|error| !hides_its_request(error, routine));
            let request = if is_told { routine.request } else { "" };
            filled(out, "requestParameters", request, (call, account, region));
            let response = if error.is_some() { "" } else { routine.response };
            filled(out, "responseElements", response, (call, account, region));
            if !routine.resources.is_empty() {
                filled(out, "resources", routine.resources, (call, account, region));
            }
        }
        What::Written(written) => own(out, written),
    }
    let request = spread(call.id.0 ^ 0x5bd1_e995);
    put(out, &[r#","requestID":""#]);
    write_fmt(out, format_args!("{}", EventId(request)));
    write_fmt(out, format_args!(r#"","eventID":"{}""#, call.id));
    rest(out, sort, event_type);
    put(out, &[r#","recipientAccountId":""#, &account.id, "\""]);
    if !call.by.endpoint.is_empty() {
        put(out, &[r#","vpcEndpointId":""#, &call.by.endpoint, "\""]);
    }
    if call.by.console == Console::Yes {
        out.push_str(r#","sessionCredentialFromConsole":"true""#);
    }
    out.push('}');
}

/// Writes a later version of a record, with an id of its own, that names the first.
pub fn addendum(org: &Organisation, call: &Call, text: &mut String) {
    let original = call.id;
    let call = Call { id: EventId(original.0.rotate_left(64) ^ 1), ..call.clone() };
    write(org, &call, text);
    text.pop();
    text.push_str(r#","addendum":{"reason":"UPDATED_DATA","updatedFields":"responseElements","originalEventID":""#);
    text.push_str(&original.to_string());
    text.push_str(r#""}}"#);
}

/// The members that follow from what sort of call it is.
fn rest(out: &mut String, sort: Sort, event_type: &str) {
    let is_read = matches!(sort, Sort::Read | Sort::DataRead);
    let is_management = matches!(sort, Sort::Read | Sort::Write);
    let truth = |it| if it { "true" } else { "false" };
    put(out, &[r#","readOnly":"#, truth(is_read), r#","eventType":""#, event_type]);
    put(out, &[r#"","managementEvent":"#, truth(is_management), r#","eventCategory":""#]);
    put(out, &[if is_management { "Management" } else { "Data" }, "\""]);
}

/// The members of a call that carries its own.
fn own(out: &mut String, written: &Written) {
    if let Some((code, message)) = &written.error {
        failure(out, code, message);
    }
    write_fmt(out, format_args!(r#","requestParameters":{}"#, written.request));
    write_fmt(out, format_args!(r#","responseElements":{}"#, written.response));
    for (member, value) in &written.more {
        write_fmt(out, format_args!(r#","{member}":{value}"#));
    }
}

/// Returns the message of `error`; `$arn` is the caller and `$action` what IAM calls the call.
fn refusal<'e>(error: &'e CallError, routine: &Routine, arn: &str) -> Cow<'e, str> {
    if !error.message.contains('$') {
        return Cow::Borrowed(error.message);
    }
    let service = match routine.service {
        "monitoring" => "cloudwatch",
        other => other,
    };
    let name = routine.name.split("20").next().unwrap_or(routine.name);
    let action = format!("{service}:{name}");
    Cow::Owned(error.message.replace("$arn", arn).replace("$action", &action))
}

/// Returns whether the service keeps the parameters of a call that it denies to itself.
fn hides_its_request(error: &CallError, routine: &Routine) -> bool {
    error.code == "AccessDenied" && matches!(routine.service, "iam" | "sts" | "organizations")
}

fn failure(out: &mut String, code: &str, message: &str) {
    if !code.is_empty() {
        put(out, &[r#","errorCode":""#, code, "\""]);
    }
    out.push_str(r#","errorMessage":"#);
    text(out, message);
}

/// Appends a member whose value is `template` with its `$` words replaced; `null` for an empty one.
///
/// The words are `$bucket`, `$private` (a bucket whose contents are watched), `$logs` (the bucket of logs), `$object`,
/// `$secret`, `$key` (a KMS key id), `$table`, `$instance`, `$vpc`, `$uuid`, `$hex`, `$account`, `$region`, `$role`,
/// `$service` and `$function` (of the account's workloads), `$self` (the caller's role session name). The same word
/// gives the same value all through a record.
fn filled(out: &mut String, member: &str, template: &str, about: (&Call, &Account, &str)) {
    put(out, &[",\"", member, "\":"]);
    if template.is_empty() {
        out.push_str("null");
        return;
    }
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let end = after.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        fill(out, word, about);
        rest = behind;
    }
    out.push_str(rest);
}

fn fill(out: &mut String, word: &str, (call, account, region): (&Call, &Account, &str)) {
    let drawn = spread(call.id.0);
    let one_of = |list: &[String], shift: u32| {
        // The first of a list are drawn more often than the last.
        let (a, b) =
            ((drawn >> shift) as usize % list.len(), (drawn >> (shift + 16)) as usize % list.len());
        list[a.min(b)].clone()
    };
    match word {
        "bucket" => out.push_str(&one_of(&account.buckets, 0)),
        "secret" => out.push_str(&one_of(&account.secrets, 4)),
        "key" => out.push_str(&one_of(&account.keys, 8)),
        "table" => out.push_str(&one_of(&account.tables, 12)),
        "vpc" => out.push_str(&account.vpc),
        "account" => out.push_str(&account.id),
        "region" => out.push_str(region),
        "object" => {
            write_fmt(out, format_args!("{:02x}/{:016x}", drawn as u8, (drawn >> 32) as u64))
        }
        "role" | "service" | "function" => out.push_str(working(account, word, drawn)),
        "instance" => {
            let all = account.workloads.iter().filter(|it| it.kind == Kind::Instance);
            let which = drawn as usize % all.clone().count().max(1);
            out.push_str(all.clone().nth(which).map_or("i-0e5a1c7d90b84f263", |it| &it.id));
        }
        "private" => out.push_str(&one_of(&account.buckets[1..4], 0)),
        "logs" => out.push_str(&account.buckets[5]),
        "self" => out.push_str(call.by.session_name()),
        "uuid" => write_fmt(out, format_args!("{}", EventId(drawn))),
        "hex" => write_fmt(out, format_args!("{:08x}", drawn as u32)),
        _ => {
            out.push('$');
            out.push_str(word);
        }
    }
}

/// Returns the role, service or function of one of the account's workloads.
fn working<'a>(account: &'a Account, word: &str, drawn: u128) -> &'a str {
    let is_one = |it: &&Workload| it.calls() && (word != "function" || it.kind == Kind::Function);
    let many = account.workloads.iter().filter(is_one).count().max(1);
    let found = account.workloads.iter().filter(is_one).nth((drawn >> 20) as usize % many);
    found.map_or("none", |it| match word {
        "role" => &it.role,
        "service" => &it.service,
        _ => &it.id,
    })
}

/// Mixes the bits of `number` (the finaliser of SplitMix64, on both halves).
fn spread(number: u128) -> u128 {
    let mix = |half: u64| {
        let half = (half ^ (half >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let half = (half ^ (half >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half ^ (half >> 31)
    };
    let (high, low) = ((number >> 64) as u64, number as u64);
    (u128::from(mix(high.wrapping_add(low))) << 64) | u128::from(mix(low ^ 0x9e37_79b9_7f4a_7c15))
}

fn put(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

fn write_fmt(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes everything");
}

/// Appends a JSON string.
fn text(out: &mut String, value: &str) {
    let is_plain = value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if is_plain {
        put(out, &["\"", value, "\""]);
    } else {
        write_fmt(out, format_args!("{}", serde_json::Value::from(value)));
    }
}

/// Returns every `$` word of `routine` that [`write()`] does not know.
pub fn unknown_words(routine: &Routine) -> Vec<String> {
    const KNOWN: [&str; 17] = [
        "bucket", "object", "secret", "key", "table", "instance", "vpc", "uuid", "hex", "account",
        "region", "role", "service", "function", "private", "logs", "self",
    ];
    let texts = [routine.request, routine.response, routine.resources];
    let words = texts.iter().flat_map(|text| text.split('$').skip(1)).map(|after| {
        let end = after.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(after.len());
        after.split_at(end).0.to_owned()
    });
    words.filter(|word| !KNOWN.contains(&word.as_str())).collect()
}
