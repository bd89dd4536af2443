//! `grantwatch grants map` and `grants presets`: what a broker's messages become, without keeping it.

use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::Exit;
use crate::cli::grants::Spoken;
use crate::cli::grants::files;
use crate::cli::grants::files::Written;
use crate::cli::output::printable;
use crate::grants::message::MessageError;
use crate::grants::message::read;
use crate::grants::message::written;
use crate::grants::presets;

/// Print what messages of a broker become, or field by field what is missing.
///
/// Prints one message in our form a line; fails if one could not be read. Messages that are about something else than
/// a grant are counted.
#[derive(Debug, Args)]
pub struct MapArgs {
    #[command(flatten)]
    spoken: Spoken,
    /// The messages; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How they are written down; told by the file's name, or JSON.
    #[arg(long, value_enum)]
    form: Option<Written>,
    /// Print each field on a line of its own.
    #[arg(long)]
    pretty: bool,
}

pub(super) fn map(args: &MapArgs) -> anyhow::Result<Exit> {
    let (preset, limits) = (args.spoken.preset()?, args.spoken.limits());
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut wrong, mut passed) = (0_u64, 0_u64);
    files::each(&args.file, args.form, &mut |found| {
        let outcomes = match (found, &preset) {
            (Err(error), _) => vec![(0, Err(error))],
            (Ok((line, value)), None) => vec![(line, read(&value, &limits).map(Some))],
            (Ok((line, value)), Some(preset)) => {
                preset.map_all(&value, &limits).into_iter().map(|it| (line, it)).collect()
            }
        };
        for (line, outcome) in outcomes {
            match outcome {
                Ok(None) => passed += 1,
                Ok(Some(version)) if args.pretty => writeln!(out, "{:#}", written(&version))?,
                Ok(Some(version)) => writeln!(out, "{}", written(&version))?,
                Err(error) => {
                    wrong += 1;
                    out.flush()?;
                    tell(&error, line)?;
                }
            }
        }
        Ok(())
    })?;
    out.flush()?;
    if passed > 0 {
        writeln!(io::stderr(), "{passed} messages are not about a grant")?;
    }
    Ok(if wrong == 0 { Exit::Done } else { Exit::Failed })
}

/// Says what is wrong with a message, a field a line.
fn tell(error: &MessageError, line: usize) -> io::Result<()> {
    let line = if error.line > 0 { error.line } else { line };
    let mut err = io::stderr().lock();
    match error.id.as_str() {
        "" => writeln!(err, "line {line}: no grant:")?,
        id => writeln!(err, "line {line}: no grant, though it names `{}`:", printable(id))?,
    }
    error
        .mistakes
        .iter()
        .try_for_each(|mistake| writeln!(err, "  {}", printable(&mistake.to_string())))
}

/// List the presets with what each needs to be told, or print one's mapping file, to begin your own with.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// The preset whose mapping file is printed.
    #[arg(value_name = "NAME", value_parser = presets::FILES.map(|(name, _)| name))]
    name: Option<String>,
}

pub(super) fn presets(args: &PresetsArgs) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    for (name, text) in presets::FILES {
        match &args.name {
            Some(wanted) if wanted == name => write!(out, "{text}")?,
            Some(_) => {}
            None => {
                let preset = presets::preset(name).expect("every file is a preset");
                writeln!(out, "{name:14} {}", preset.about())?;
                for (parameter, means) in preset.needs() {
                    writeln!(out, "{:14}   --set {parameter}=…: {means}", "")?;
                }
            }
        }
    }
    Ok(Exit::Done)
}
