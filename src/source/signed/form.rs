//! The forms in which services are asked and answer.
//!
//! Invariant: whatever is answered is a value or a refusal with what can be read of it; nothing panics.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use roxmltree::Document;
use roxmltree::Node;
use serde_json::Map;
use serde_json::Value;
use url::form_urlencoded;

use crate::source::signed::Protocol;

/// What stands in a path or behind a `=` as it is (RFC 3986, section 2.3).
pub(in crate::source) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How deep an answer in XML may be: those that we read are nine deep at most.
const MAX_DEPTH: usize = 16;

/// Returns the request of a call; of a service that is asked by paths, `name` is the path.
pub(super) fn request(
    protocol: Protocol,
    name: &str,
    input: &Value,
) -> Result<HttpRequest, BoxError> {
    let (method, path, headers, body) = match protocol {
        Protocol::Json(prefix) => {
            let target = format!("{prefix}.{name}");
            let kind = "application/x-amz-json-1.1".to_owned();
            let headers = vec![("x-amz-target", target), ("content-type", kind)];
            ("POST", "/", headers, input.to_string())
        }
        Protocol::Query(version) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", name).append_pair("Version", version);
            for (key, value) in input.as_object().into_iter().flatten() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                form.append_pair(key, &text);
            }
            let kind = "application/x-www-form-urlencoded".to_owned();
            ("POST", "/", vec![("content-type", kind)], form.finish())
        }
        Protocol::Rest => ("GET", &*with_query(name, input), Vec::new(), String::new()),
    };
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method(method)?;
    request.set_uri(path)?;
    let agent = concat!("grantwatch/", env!("CARGO_PKG_VERSION")).to_owned();
    for (name, value) in headers.into_iter().chain([("user-agent", agent)]) {
        request.headers_mut().try_insert(name, value)?;
    }
    Ok(request)
}

/// Returns a path with parameters behind it.
fn with_query(path: &str, input: &Value) -> String {
    let mut text = path.to_owned();
    for (key, value) in input.as_object().into_iter().flatten() {
        text.push(if text.contains('?') { '&' } else { '?' });
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.extend([key, "=", &*utf8_percent_encode(&value, UNRESERVED).to_string()]);
    }
    text
}

/// Returns what was answered.
pub(super) fn answer(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let told = value(&text);
    if response.status().is_success() {
        return told.map_err(OrchestratorError::response);
    }
    let kind = response.headers().get("x-amzn-errortype");
    Err(OrchestratorError::operation(refusal(kind, &told.unwrap_or_default())))
}

/// Returns what a body says, whichever of both forms it has. No answer of XML begins like one of JSON.
fn value(text: &str) -> Result<Value, BoxError> {
    let text = text.trim_start();
    if text.starts_with('<') {
        let document = Document::parse(text)?;
        return Ok(inner(document.root_element())?);
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_str(text)?)
}

/// Returns what is in `…Result` of `…Response`, or in `Error` of whatever it stands in: the rest is of the protocol.
fn inner(root: Node<'_, '_>) -> Result<Value, &'static str> {
    let is_inner = |node: &Node<'_, '_>| {
        let name = node.tag_name().name();
        name == "Error" || name.ends_with("Result")
    };
    let name = root.tag_name().name();
    match root.children().find(is_inner) {
        Some(node) if name.ends_with("Response") => element(node, MAX_DEPTH),
        _ => Err("it is no answer of the service"),
    }
}

/// Returns an element as what its JSON would be: a list of members, a map of entries, an object, or a text. One that is empty
/// is an empty text, whatever it would be.
fn element(node: Node<'_, '_>, depth: usize) -> Result<Value, &'static str> {
    if depth == 0 {
        return Err("the answer is too deep");
    }
    let (mut list, mut members) = (Vec::new(), Map::new());
    for child in node.children().filter(Node::is_element) {
        let value = element(child, depth - 1)?;
        match child.tag_name().name() {
            "member" => list.push(value),
            "entry" => {
                if let (Some(key), value) = (value["key"].as_str(), &value["value"]) {
                    members.insert(key.to_owned(), value.clone());
                }
            }
            name => drop(members.insert(name.to_owned(), value)),
        }
    }
    let texts = node.children().filter(Node::is_text).filter_map(|it| it.text());
    Ok(match (list.is_empty(), members.is_empty()) {
        (false, _) => Value::Array(list),
        (true, false) => Value::Object(members),
        (true, true) => Value::String(texts.collect()),
    })
}

/// Returns what a refusal says of itself: the code stands in a header, or as one of several members.
fn refusal(kind: Option<&str>, told: &Value) -> ErrorMetadata {
    let text = |names: [&str; 3]| names.iter().find_map(|name| told[*name].as_str());
    let mut refusal = ErrorMetadata::builder();
    if let Some(code) = kind.or_else(|| text(["__type", "code", "Code"])) {
        // `com.amazonaws.kms#NotFoundException:http://…` is called by what is in the middle.
        let code = code.rsplit('#').next().unwrap_or(code);
        refusal = refusal.code(code.split(':').next().unwrap_or(code));
    }
    if let Some(message) = text(["message", "Message", "errorMessage"]) {
        refusal = refusal.message(message);
    }
    refusal.build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: u16, kind: Option<&'static str>, body: &str) -> HttpResponse {
        let mut response =
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_owned()));
        if let Some(kind) = kind {
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        response
    }

    fn refused(kind: Option<&'static str>, body: &str) -> (String, String) {
        let error = answer(&answered(400, kind, body)).unwrap_err();
        let refusal = error.as_operation_error().unwrap();
        let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
        (text(refusal.code()), text(refusal.message()))
    }

    #[test]
    fn each_protocol_has_its_form() {
        let input = json!({"TopicArn": "a b", "MaxItems": 5});
        let query = request(Protocol::Query("2010-03-31"), "ListTopics", &input).unwrap();
        let body = "Action=ListTopics&Version=2010-03-31&MaxItems=5&TopicArn=a+b";
        assert_eq!(query.body().bytes(), Some(body.as_bytes()));
        let json = request(Protocol::Json("TrentService"), "ListKeys", &input).unwrap();
        assert_eq!(json.headers().get("x-amz-target"), Some("TrentService.ListKeys"));
        assert_eq!(json.body().bytes(), Some(input.to_string().as_bytes()));
        let rest = request(Protocol::Rest, "/2015-03-31/functions", &input).unwrap();
        let path = "/2015-03-31/functions?MaxItems=5&TopicArn=a%20b";
        assert_eq!((rest.method(), rest.uri()), ("GET", path));
        assert_eq!(rest.body().bytes(), Some(&b""[..]));
    }

    #[test]
    fn an_answer_in_xml_is_what_the_json_of_it_would_be() {
        let of = |inner: &str| {
            let body = format!(
                "<?xml version='1.0'?><XResponse xmlns='u'><XResult>{inner}</XResult>\
                <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>"
            );
            answer(&answered(200, None, &body)).unwrap()
        };
        let entry =
            "<entry><key>Policy</key><value>{&quot;a&quot;:&quot;&lt;&amp;&quot;}</value></entry>";
        let attributes = of(&format!("<Attributes>{entry}</Attributes>"));
        assert_eq!(attributes, json!({"Attributes": {"Policy": "{\"a\":\"<&\"}"}}));
        let topics =
            of("<Topics><member><TopicArn>t</TopicArn></member></Topics><NextToken>n</NextToken>");
        assert_eq!(topics, json!({"Topics": [{"TopicArn": "t"}], "NextToken": "n"}));
    }

    #[test]
    fn what_breaks_off_or_is_no_answer_is_none() {
        let page = "<html><head>Sign in</head></html>";
        let empty = "<XResponse><ResponseMetadata/></XResponse>";
        let broken = "<XResponse><XResult><NextToken>n</NextToken>";
        for body in [broken, page, empty, "{\"Policy\": ", "<", "hello"] {
            let error = answer(&answered(200, None, body)).unwrap_err();
            assert!(!error.is_operation_error(), "{body}");
        }
        let nested = |depth: usize| {
            let inner = "<a>".repeat(depth) + &"</a>".repeat(depth);
            format!("<XResponse><XResult>{inner}</XResult></XResponse>")
        };
        assert!(answer(&answered(200, None, &nested(MAX_DEPTH - 1))).is_ok());
        assert!(answer(&answered(200, None, &nested(MAX_DEPTH))).is_err());
        let deep = nested(100_000);
        assert!(answer(&answered(200, None, &deep)).is_err());
    }

    #[test]
    fn a_refusal_is_read_wherever_it_stands() {
        let pair = |code: &str, said: &str| (code.to_owned(), said.to_owned());
        let body = r#"{"__type":"com.amazonaws.kms#NotFoundException","message":"no key"}"#;
        assert_eq!(refused(None, body), pair("NotFoundException", "no key"));
        let body = r#"{"Message":"no function"}"#;
        let kind = Some("ResourceNotFoundException:http://internal/");
        assert_eq!(refused(kind, body), pair("ResourceNotFoundException", "no function"));
        let body = "<ErrorResponse><Error><Code>NotFound</Code><Message>no topic</Message></Error></ErrorResponse>";
        assert_eq!(refused(None, body), pair("NotFound", "no topic"));
        assert_eq!(refused(None, "a proxy's page"), pair("", ""));
    }
}
