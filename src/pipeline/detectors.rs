//! Loading detectors for a run: the built-in ones and the user's, with every check that more than one room has a part in.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::alert;
use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Field;
use crate::pipeline::schema::fields;
use crate::rules;
use crate::rules::Problem;
use crate::rules::Rules;
use crate::rules::Weight;

/// Loads what `config` asks for. Whatever is wrong is in the list, and not in the rules.
pub fn load_detectors(config: &rules::Config) -> (Arc<Rules>, Vec<Problem>) {
    let (own, mut problems) = rules::read_files(&config.paths);
    let mut sources = if config.builtin { builtin_detectors() } else { Vec::new() };
    sources.extend(own);
    let (rules, found) = Rules::load(config, &sources, &fields());
    problems.extend(found);
    for (place, detector) in rules.placed() {
        for wrong in alert::validate_templates(detector).err().into_iter().flatten() {
            let (path, line) = place.clone();
            problems.push(Problem { path, line, what: wrong.to_string(), weight: Weight::Error });
        }
    }
    (Arc::new(rules), problems)
}

/// The detectors that come with grantwatch, as they stand in `detectors/`.
static DETECTORS: include_dir::Dir<'static> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/detectors");

/// Returns the detectors that come with grantwatch, in the order of their paths.
pub fn builtin_detectors() -> Vec<rules::Source> {
    let mut sources = Vec::new();
    collect(&DETECTORS, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(folder: &include_dir::Dir<'_>, sources: &mut Vec<rules::Source>) {
    for file in
        folder.files().filter(|file| file.path().extension().is_some_and(|end| end == "yml"))
    {
        if let Some(text) = file.contents_utf8() {
            sources.push(rules::Source {
                path: Path::new("detectors").join(file.path()),
                text: text.to_owned(),
            });
        }
    }
    folder.dirs().for_each(|folder| collect(folder, sources));
}

/// Returns the table of all facts, in Markdown, as `docs/fields.md` shows it.
pub fn fields_table() -> String {
    let mut table =
        String::from("| Field | Type | Meaning | Example |\n| --- | --- | --- | --- |\n");
    for field in fields() {
        let Field { name, kind, meaning, example, .. } = field;
        table.push_str(&format!(
            "| `{name}` | {kind} | {} | `{example}` |\n",
            meaning.replace('|', "\\|")
        ));
    }
    table
}

/// Returns the built-in detectors in Markdown, a table a folder, as `docs/catalogue.md` shows them.
pub fn catalogue() -> String {
    let (rules, _) = load_detectors(&rules::Config::default());
    let mut text = String::new();
    let mut folder = String::new();
    let raising: Vec<&DetectorId> = rules.detectors().map(|detector| &detector.id).collect();
    let mut placed: Vec<((PathBuf, usize), &Arc<Detector>)> =
        rules.placed().filter(|(_, detector)| raising.contains(&&detector.id)).collect();
    placed.sort_by(|(a, _), (b, _)| a.cmp(b));
    for ((path, _), detector) in placed {
        let parent = path.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
        if parent != folder {
            text.push_str(&format!("\n## `{parent}/`\n\n| Detector | Severity | Fires on | ATT&CK |\n| --- | --- | --- | --- |\n"));
            folder = parent;
        }
        let techniques: Vec<&str> = detector
            .attack
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with('T'))
            .collect();
        let Detector { name, severity, title, .. } = detector.as_ref();
        text.push_str(&format!(
            "| `{name}` | {severity} | {} | {} |\n",
            title.replace('|', "\\|"),
            techniques.join(", ")
        ));
    }
    text.trim_start().to_owned()
}
