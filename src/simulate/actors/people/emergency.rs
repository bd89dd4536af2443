//! Emergencies: about once in ten days somebody breaks the glass, at any hour, and says why.
//!
//! Invariant: an emergency is an operator's, and it is told to the broker before the first call.

use crate::model::Seconds;
use crate::simulate::Disorder;
use crate::simulate::actors::grants::Errand;
use crate::simulate::actors::grants::Ledger;
use crate::simulate::actors::people::Life;
use crate::simulate::actors::people::desk::Desk;
use crate::simulate::actors::people::desk::Work;
use crate::simulate::actors::people::hours;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::people::Calling;

/// How often there is an emergency on a day.
const SHARE: f64 = 0.1;

/// Writes the emergency of `day`, if there is one.
pub fn happen(
    org: &Organisation,
    diary: &mut Diary,
    (lives, day): (&[Life], i64),
    (ledger, disorder): (&mut Ledger, Disorder),
) {
    let mut scene = Scene::of(org, diary, &format!("emergency/{day}"));
    if !scene.chance.holds(SHARE) {
        return;
    }
    let is_on_call =
        |life: &&Life| life.person.calling == Calling::Operator && life.person.is_there(day);
    let on_call: Vec<&Life> = lives.iter().filter(is_on_call).collect();
    if on_call.is_empty() {
        return;
    }
    let life = *scene.chance.pick(&on_call);
    let at = Seconds(org.midnight(day).0 + scene.chance.between(0, 86_400));
    let who = (&life.person, org.production());
    let Some(errand) = Errand::break_glass(&mut scene, who, at, ledger) else { return };
    let (parts, time) = (&scene.diary.parts, (at, errand.ends));
    if !parts.allow_honest(life.person.ix, time) || !parts.allow_emergency(time) {
        return;
    }
    errand.speak(&mut scene, disorder);
    let shift = hours::shift(org, life, day);
    let address = match shift {
        Some(shift) if shift.from <= at && at < shift.until => shift.address,
        _ => hours::bed(life, day),
    };
    let mut desk = Desk::at(life, &address);
    for nth in 0..3 {
        let calls = scene.chance.between(8, 16) as usize;
        let at = Seconds(at.0 + 70 + nth * 420);
        desk.work(&mut scene, at, &Work::Elevated(&errand), calls);
    }
}
