//! Stories of an account on pages, told by a small server on loopback.

use std::sync::Arc;
use std::sync::Mutex;

use aws_sdk_s3::config::BehaviorVersion;
use aws_sdk_s3::config::Region;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::*;
use crate::source::stub;
use crate::telemetry::chain;

/// An account of so many users on pages of so many, and what it was asked.
struct Iam {
    users: usize,
    page: usize,
    fails: Mutex<Vec<(StatusCode, &'static str)>>,
    asked: Mutex<Vec<String>>,
}

fn iam(users: usize, page: usize) -> Arc<Iam> {
    Arc::new(Iam { users, page, fails: Mutex::default(), asked: Mutex::default() })
}

async fn answer(State(iam): State<Arc<Iam>>, body: String) -> (StatusCode, String) {
    iam.asked.lock().unwrap().push(body.clone());
    if let Some((status, code)) = iam.fails.lock().unwrap().pop() {
        let said = format!("<Error><Code>{code}</Code><Message>not now</Message></Error>");
        return (status, format!("<ErrorResponse>{said}</ErrorResponse>"));
    }
    let marker = body.split('&').find_map(|pair| pair.strip_prefix("Marker="));
    let skip: usize = marker.map_or(0, |text| text.parse().unwrap());
    let last = iam.users.min(skip + iam.page);
    let member = |at: usize| {
        format!(
            "<member><Path>/</Path><UserName>u{at}</UserName><UserId>AIDA{at}</UserId>\
             <Arn>arn:aws:iam::111122223333:user/u{at}</Arn><CreateDate>2026-03-02T08:00:00Z</CreateDate>\
             <UserPolicyList><member><PolicyName>p</PolicyName><PolicyDocument>%7B%22Version%22%3A%222012-10-17%22%7D\
             </PolicyDocument></member></UserPolicyList></member>"
        )
    };
    let members: String = (skip..last).map(member).collect();
    let more = match last < iam.users {
        true => format!("<IsTruncated>true</IsTruncated><Marker>{last}</Marker>"),
        false => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    let call = "GetAccountAuthorizationDetails";
    let result = format!("<UserDetailList>{members}</UserDetailList>{more}");
    let body = format!("<{call}Response><{call}Result>{result}</{call}Result></{call}Response>");
    (StatusCode::OK, body)
}

async fn reader(iam: &Arc<Iam>) -> Policies {
    let router = Router::new().route("/", post(answer)).with_state(Arc::clone(iam));
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(stub::credentials()))
        .endpoint_url(stub::serve(router).await)
        .build();
    Policies { whose: "reader".to_owned(), signed: Signed::new(&shared), shared, account: None }
}

#[tokio::test]
async fn an_account_is_read_whole_however_many_pages_it_has() {
    let iam = iam(7, 3);
    let account = reader(&iam).await.account().await.unwrap();
    assert_eq!((account.pages, &*account.id), (3, "111122223333"));
    let names: Vec<&str> =
        account.users.iter().map(|user| user["UserName"].as_str().unwrap()).collect();
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
    let user = json!({
        "Path": "/", "UserName": "u6", "UserId": "AIDA6", "Arn": "arn:aws:iam::111122223333:user/u6",
        "CreateDate": "2026-03-02T08:00:00+00:00", "GroupList": [], "AttachedManagedPolicies": [], "Tags": [],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17"}}],
    });
    assert_eq!(account.users[6], user);
    let asked = iam.asked.lock().unwrap();
    assert!(asked.iter().all(|body| body.contains("MaxItems=1000")), "{asked:?}");
}

#[tokio::test]
async fn what_is_denied_on_any_page_names_the_permission() {
    let iam = iam(1, 1);
    iam.fails.lock().unwrap().push((StatusCode::FORBIDDEN, "AccessDenied"));
    let error = reader(&iam).await.account().await.unwrap_err();
    assert!(!error.is_retryable());
    let told = "iam:GetAccountAuthorizationDetails was not answered for reader; \
                the permission iam:GetAccountAuthorizationDetails is missing: AccessDenied: not now";
    assert_eq!(chain(&error).to_string(), told);
    assert_eq!(iam.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_of_which_nothing_tells_the_id_is_said_to_be_one() {
    let error = reader(&iam(0, 1)).await.account().await.unwrap_err();
    assert!(matches!(error, SourceError::NoAccount { .. }), "{error:?}");
}

#[test]
fn the_policy_and_its_table_name_the_same_permissions() {
    let policy: Value =
        serde_json::from_str(include_str!("../../../deploy/iam-policy-fetch.json")).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let actions = &statement["Action"];
        let many = actions.as_array().cloned().unwrap_or_else(|| vec![actions.clone()]);
        allowed.extend(many.iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    let docs = include_str!("../../../docs/policy-history.md");
    let section = docs.split("| permission | for |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let named = rows.flat_map(|row| row.split('`').step_by(2).map(str::to_owned));
    let named = named.filter(|name| name.contains(':'));
    assert_eq!(named.collect::<BTreeSet<_>>(), allowed);
}

#[test]
fn the_account_and_the_region_of_iam_are_those_of_an_arn() {
    assert_eq!(account_of("arn:aws:iam::111122223333:role/x"), Some("111122223333"));
    assert_eq!(account_of("arn:aws:iam::aws:policy/ReadOnlyAccess"), None);
    assert_eq!(home_of(Some("arn:aws-cn:iam::111122223333:role/x")), "cn-north-1");
    assert_eq!(home_of(Some("arn:aws-us-gov:iam::111122223333:role/x")), "us-gov-west-1");
    assert_eq!((home_of(Some("arn:aws:iam::1:role/x")), home_of(None)), ("us-east-1", "us-east-1"));
    let homes = ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "us-isob-west-1"].map(home_of_iam);
    assert_eq!(homes, ["us-east-1", "cn-north-1", "us-gov-west-1", "us-isob-east-1"]);
}
