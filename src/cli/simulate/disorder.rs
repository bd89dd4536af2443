//! How carelessly a simulation is delivered: `--disorder`.
//!
//! Invariant: what is not named stays as the word before it says, `usual` if there is none.

use crate::simulate::Disorder;

/// Reads `usual`, `none`, or shares of either: `usual,late_messages=0.5`.
pub fn disorder(text: &str) -> Result<Disorder, String> {
    let mut read = Disorder::default();
    for (place, part) in text.split(',').enumerate() {
        match (part.split_once('='), part) {
            (Some((name, share)), _) => *rate(&mut read, name)? = self::share(name, share)?,
            (None, "usual") if place == 0 => {}
            (None, "none") if place == 0 => read = Disorder::NONE,
            (None, _) => {
                return Err(format!(
                    "`{part}` is neither a word that may stand first (`usual`, `none`) nor a rate like `late_files=0.02`"
                ));
            }
        }
    }
    if read.duplicates + read.addenda > 1.0 {
        return Err("`duplicates` and `addenda` are more than all records".to_owned());
    }
    Ok(read)
}

fn rate<'a>(disorder: &'a mut Disorder, name: &str) -> Result<&'a mut f64, String> {
    match name {
        "late_files" => Ok(&mut disorder.late_files),
        "duplicates" => Ok(&mut disorder.duplicates),
        "addenda" => Ok(&mut disorder.addenda),
        "late_messages" => Ok(&mut disorder.late_messages),
        "repeated_messages" => Ok(&mut disorder.repeated_messages),
        _ => Err(format!(
            "`{name}` is no rate; there are late_files, duplicates, addenda, late_messages, repeated_messages"
        )),
    }
}

fn share(name: &str, text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{name}={text}`: a rate is a share, from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_stand_beside_a_word_or_alone() {
        assert_eq!(disorder("usual"), Ok(Disorder::default()));
        assert_eq!(disorder("none"), Ok(Disorder::NONE));
        assert_eq!(
            disorder("none,late_messages=0.5,repeated_messages=1"),
            Ok(Disorder { late_messages: 0.5, repeated_messages: 1.0, ..Disorder::NONE })
        );
        assert_eq!(
            disorder("late_files=0"),
            Ok(Disorder { late_files: 0.0, ..Disorder::default() })
        );
    }

    #[test]
    fn what_is_no_rate_is_said() {
        assert!(disorder("late_file=0.1").unwrap_err().contains("`late_file` is no rate"));
        assert!(disorder("duplicates=2").unwrap_err().contains("from 0 to 1"));
        assert!(disorder("duplicates=NaN").unwrap_err().contains("from 0 to 1"));
        assert!(disorder("duplicates=0.6,addenda=0.6").unwrap_err().contains("more than all"));
        assert!(disorder("late_files=0.1,none").unwrap_err().contains("may stand first"));
        assert!(disorder("").unwrap_err().contains("neither"));
    }
}
