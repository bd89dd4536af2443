//! Texts of policies with variables in them, compared to texts of a request.
//!
//! Source: IAM User Guide, "IAM policy elements: Variables and tags".
//!
//! Invariant: a value that stands for a variable is plain text: a star in it is a star.

use smallvec::SmallVec;

use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::truth::Needs;
use crate::iam::evaluate::truth::Truth;
use crate::iam::pattern::Token;
use crate::iam::pattern::arn_matches;
use crate::iam::pattern::matches;
use crate::iam::pattern::tokens_match;
use crate::iam::policy::Language;

/// How a policy's text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::iam) enum How {
    /// Letter by letter.
    Exact,
    /// The same without regard to case.
    AnyCase,
    /// As a pattern.
    Like,
    /// As a pattern of ARNs, segment by segment.
    Arn,
}

/// Returns whether `text` fits what a policy of this language wrote.
pub(in crate::iam) fn fits(
    scene: &Scene<'_>,
    language: Language,
    written: &str,
    text: &str,
    how: How,
) -> Truth {
    if language == Language::Of2008 || !written.contains("${") {
        return Truth::from(match how {
            How::Exact => written == text,
            How::AnyCase => written == text || written.to_lowercase() == text.to_lowercase(),
            How::Like => matches(written, text),
            How::Arn => arn_matches(written, text),
        });
    }
    let mut filled = Filled { tokens: SmallVec::new(), needs: Needs::new() };
    if filled.fill(scene, written, how).is_none() {
        return Truth::False;
    }
    let fits = match how {
        How::Exact | How::Like => tokens_match(&filled.tokens, text),
        How::AnyCase => tokens_match(&lower(&filled.tokens), &text.to_lowercase()),
        How::Arn => arn_fits(&filled.tokens, text),
    };
    match (fits, filled.needs.is_empty()) {
        (false, _) => Truth::False,
        (true, true) => Truth::True,
        (true, false) => Truth::Unknown(filled.needs),
    }
}

/// A text with its variables replaced; those that are not known are any text.
struct Filled {
    tokens: SmallVec<[Token; 64]>,
    needs: Needs,
}

impl Filled {
    /// Replaces the variables; `None` if one has no value, in which case nothing fits.
    fn fill(&mut self, scene: &Scene<'_>, written: &str, how: How) -> Option<()> {
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((variable, after)) = after.split_once('}') else { break };
            self.pattern(before, how);
            self.variable(scene, variable)?;
            rest = after;
        }
        self.pattern(rest, how);
        Some(())
    }

    fn pattern(&mut self, text: &str, how: How) {
        let is_pattern = matches!(how, How::Like | How::Arn);
        self.tokens.extend(text.chars().map(|letter| match letter {
            '*' if is_pattern => Token::Any,
            '?' if is_pattern => Token::One,
            letter => Token::Letter(letter),
        }));
    }

    fn variable(&mut self, scene: &Scene<'_>, variable: &str) -> Option<()> {
        if let "*" | "?" | "$" = variable {
            self.tokens.extend(variable.chars().map(Token::Letter));
            return Some(());
        }
        let (key, default) = match variable.split_once(',') {
            Some((key, default)) => (key, Some(default.trim().trim_matches('\''))),
            None => (variable, None),
        };
        let key = key.trim().to_ascii_lowercase();
        match scene.values(&key).as_deref() {
            None => {
                self.needs.insert(key.into());
                self.tokens.push(Token::Any);
            }
            Some([]) => self.tokens.extend(default?.chars().map(Token::Letter)),
            Some([value]) => self.tokens.extend(value.chars().map(Token::Letter)),
            // A key of several values cannot be a variable.
            Some(_) => return None,
        }
        Some(())
    }
}

fn lower(tokens: &[Token]) -> SmallVec<[Token; 64]> {
    let mut all = SmallVec::new();
    for token in tokens {
        match token {
            Token::Letter(letter) => all.extend(letter.to_lowercase().map(Token::Letter)),
            other => all.push(*other),
        }
    }
    all
}

/// Compares segment by segment, as [`arn_matches`] does.
fn arn_fits(pattern: &[Token], arn: &str) -> bool {
    if !pattern.is_empty() && pattern.iter().all(|token| *token == Token::Any) {
        return true;
    }
    let mut rest = pattern;
    let mut text = arn;
    for at in 0..6 {
        let is_colon = |token: &Token| *token == Token::Letter(':');
        let (segment, after) = match rest.iter().position(is_colon) {
            Some(colon) if at < 5 => (rest.get(..colon), rest.get(colon + 1..)),
            _ => (Some(rest), None),
        };
        let (found, beyond) = match text.split_once(':') {
            Some((found, beyond)) if at < 5 => (found, beyond),
            _ if at < 5 => return false,
            _ => (text, ""),
        };
        if !tokens_match(segment.unwrap_or_default(), found) {
            return false;
        }
        text = beyond;
        // What an incomplete ARN does not say is a star.
        let Some(after) = after else { return true };
        rest = after;
    }
    true
}
