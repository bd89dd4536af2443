//! Those who join and those who leave: the broker puts them into the directory and gives them what they have for good.
//!
//! Invariant: nobody works before they are in the directory, nor after they were taken out of it.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::broker;
use crate::simulate::actors::broker::Verb;
use crate::simulate::actors::people::Life;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;

/// Writes that the person joins or leaves, if `day` is the day.
pub fn happen(scene: &mut Scene<'_>, life: &Life, day: i64) {
    let person = &life.person;
    // Early on the day, in the person's town, before anybody is at work.
    let early = scene.org.midnight(day).0 - person.office.offset * 3_600 + 5 * 3_600;
    let at = Seconds(early.max(scene.org.midnight(day).0) + 60 * (person.ix as i64 % 30));
    if person.joined > 0 && day == person.joined {
        join(scene, life, at);
    }
    if day == person.left {
        leave(scene, life, at);
    }
}

fn join(scene: &mut Scene<'_>, life: &Life, at: Seconds) {
    let (org, person) = (scene.org, &life.person);
    let by = broker::caller(scene, at);
    let home = Place { account: MANAGEMENT, region: HOME };
    let made = Written::write("identitystore", "CreateUser")
        .asking(json!({
            "identityStoreId": org.identity_store, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS",
        }))
        .answering(json!({"identityStoreId": org.identity_store, "userId": person.user_id}));
    scene.call(at, home, &by, made);
    each_assignment(scene, life, (Verb::Create, at));
}

fn leave(scene: &mut Scene<'_>, life: &Life, at: Seconds) {
    let (org, person) = (scene.org, &life.person);
    each_assignment(scene, life, (Verb::Delete, at));
    let by = broker::caller(scene, at);
    let gone = Written::write("identitystore", "DeleteUser")
        .asking(json!({"identityStoreId": org.identity_store, "userId": person.user_id}));
    let at = Seconds(at.0 + 60);
    scene.call(at, Place { account: MANAGEMENT, region: HOME }, &by, gone);
}

fn each_assignment(scene: &mut Scene<'_>, life: &Life, (verb, at): (Verb, Seconds)) {
    let by = broker::caller(scene, at);
    for (nth, seat) in (1..).zip(&life.habits.seats) {
        let told = broker::Assignment {
            user_id: &life.person.user_id,
            account: seat.account,
            set: seat.set,
        };
        broker::assignment(scene, &told, &by, (verb, Seconds(at.0 + nth * 4)));
    }
}
