//! Credentials used by somebody else than the one they were issued to.

use crate::model::Seconds;
use crate::simulate::actors::portal;
use crate::simulate::catalogue;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::permission_set;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&STOLEN_SESSION];

static STOLEN_SESSION: Incident = Incident {
    name: "stolen_session",
    what: "The session of a person at work is used from another network while the person goes on working.",
    expect: "The session acts from a network that it was not issued to; the person is named.",
    techniques: &["T1550.001", "T1078.004", "T1539"],
    days: 1,
    play: stolen_session,
};

fn stolen_session(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let person = &org.people[scene.chance.below(org.people.len().min(8))];
    let account = person.accounts[0];
    let desk = format!("{}.{}", person.office.network, 20 + person.ix % 200);
    let signed_in = Seconds(at.0 - 1_800);
    let portal = portal::sign_in(scene, person, signed_in, &desk);
    let session = portal::take_role(
        scene,
        &portal,
        (person, account, permission_set("Developer")),
        Seconds(signed_in.0 + 20),
    );
    let thief = session.caller(
        "203.0.113.66",
        "Boto3/1.38.0 md/Botocore#1.38.0 os/linux#6.12.13-kali lang/python#3.13.2",
    );
    let mut told = Told { identity: person.identity(), accounts: vec![account], ..Told::default() };
    for (nth, routine) in (0..).zip(
        [&catalogue::DESCRIBE_INSTANCES, &catalogue::GET_SECRET_VALUE].into_iter().cycle().take(12),
    ) {
        let moment = Seconds(at.0 + nth * 41);
        let place = org.place(account, HOME, routine.service);
        told.events.push((moment, scene.routine(moment, place, &thief, routine)));
    }
    told
}
