//! Under which name the tags of a resource are kept.
//!
//! A record that tags a resource and one that acts on it may spell its ARN differently: by its name alone, with an alias, with
//! the path that IAM leaves out. Both come to one name here.
//!
//! Invariant: two resources that exist at a time in one account never have one name, but for what is a part of the other: an
//! object counts as its bucket, an index as its table, a version as its function.

use std::borrow::Cow;

/// How many bytes AWS puts behind a secret's name, with the hyphen.
const SECRET_SUFFIX: usize = 7;

/// Returns the name of the resource at `arn`.
pub fn of(arn: &str) -> Cow<'_, str> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (Some(service), Some(region)) = (parts.next(), parts.next()) else { return arn.into() };
    let Some(rest) = parts.nth(1) else { return arn.into() };
    let before = arn.get(..arn.len() - rest.len()).unwrap_or_default();
    let cut = |length: usize| Cow::Borrowed(arn.get(..before.len() + length).unwrap_or(arn));
    // The length of the first `count` parts of what comes behind the account.
    let first = |mark: char, count: usize| {
        let end = rest.match_indices(mark).nth(count - 1).map(|(at, _)| at);
        end.unwrap_or(rest.len())
    };
    match service {
        // Of what has a region, as access points, nothing is a part of it.
        "s3" if region.is_empty() => cut(first('/', 1)),
        "dynamodb" | "cloudformation" => cut(first('/', 2)),
        "lambda" if rest.starts_with("function:") => cut(first(':', 2)),
        "logs" => cut(rest.strip_suffix(":*").unwrap_or(rest).len()),
        "secretsmanager" => {
            let end = rest.len().saturating_sub(SECRET_SUFFIX);
            let has_suffix = rest.as_bytes().get(end) == Some(&b'-');
            cut(if has_suffix { end } else { rest.len() })
        }
        "iam" => match (rest.split_once('/'), rest.rsplit_once('/')) {
            (Some((kind, _)), Some((path, name))) if kind != path => {
                format!("{before}{kind}/{name}").into()
            }
            _ => arn.into(),
        },
        // Names of databases are the same in any case; ARNs have them in lower case.
        "rds" if rest.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            format!("{before}{}", rest.to_ascii_lowercase()).into()
        }
        _ => arn.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_resource_come_to_one_name() {
        for (one, other) in [
            ("arn:aws:s3:::b", "arn:aws:s3:::b/some/key"),
            ("arn:aws:iam::1:role/Deploy", "arn:aws:iam::1:role/ops/eu/Deploy"),
            ("arn:aws:iam::1:policy/x/P", "arn:aws:iam::1:policy/P"),
            (
                "arn:aws:secretsmanager:r:1:secret:app/db-x7Kq2f",
                "arn:aws:secretsmanager:r:1:secret:app/db-??????",
            ),
            ("arn:aws:lambda:r:1:function:f", "arn:aws:lambda:r:1:function:f:live"),
            (
                "arn:aws:cloudformation:r:1:stack/web/6f0c-9a52",
                "arn:aws:cloudformation:r:1:stack/web/*",
            ),
            ("arn:aws:dynamodb:r:1:table/t", "arn:aws:dynamodb:r:1:table/t/index/i"),
            ("arn:aws:logs:r:1:log-group:/a/b", "arn:aws:logs:r:1:log-group:/a/b:*"),
            ("arn:aws:rds:r:1:db:orders", "arn:aws:rds:r:1:db:Orders"),
        ] {
            assert_eq!(of(one), of(other), "{one}");
        }
    }

    #[test]
    fn others_keep_their_own() {
        let all = [
            "arn:aws:s3:::b",
            "arn:aws:s3:::c",
            "arn:aws:s3:r:1:accesspoint/b",
            "arn:aws:s3:r:1:accesspoint/c",
            "arn:aws:iam::1:role/Deploy",
            "arn:aws:iam::1:user/Deploy",
            "arn:aws:iam::2:role/Deploy",
            "arn:aws:secretsmanager:r:1:secret:app/db-x7Kq2f",
            "arn:aws:secretsmanager:r:1:secret:app/dc-x7Kq2f",
            "arn:aws:lambda:r:1:function:f",
            "arn:aws:lambda:r:1:function:g",
            "arn:aws:lambda:r:1:event-source-mapping:6f0c",
            "arn:aws:ec2:r:1:instance/i-1",
            "arn:aws:ec2:s:1:instance/i-1",
            "arn:aws:dynamodb:r:1:table/t",
            "arn:aws:dynamodb:r:1:table/tt",
            "no arn",
            "",
            "arn:aws:s3",
        ];
        let names: std::collections::BTreeSet<Cow<'_, str>> = all.into_iter().map(of).collect();
        assert_eq!(names.len(), all.len());
    }
}
