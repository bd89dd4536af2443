//! Assignments that do not follow the grants: left standing, made beside the broker, taken away too early.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::broker;
use crate::simulate::actors::portal;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::deeds;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::permission_set;
use crate::simulate::parts::Grants;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&GRANT_RESIDUE, &ASSIGNMENT_OUT_OF_BAND, &GRANT_CUT_SHORT];

/// Seconds after which an assignment whose grant is over should be gone.
const DUE: i64 = 900;

static GRANT_RESIDUE: Incident = Incident {
    name: "grant_residue",
    what: "A grant is revoked; the broker's call that takes the assignment away is throttled and never made again.",
    expect: "The grant is over and its assignment still stands; the grant and the person who keeps the access.",
    techniques: &["T1098.003"],
    days: 1,
    play: grant_residue,
};

static ASSIGNMENT_OUT_OF_BAND: Incident = Incident {
    name: "assignment_out_of_band",
    what: "An administrator assigns a colleague to an account by hand, past the broker, and the colleague goes in.",
    expect: "An assignment that the broker did not make and no grant asks for; who made it, for whom, and what was done with it.",
    techniques: &["T1098.003", "T1078.004"],
    days: 1,
    play: assignment_out_of_band,
};

static GRANT_CUT_SHORT: Incident = Incident {
    name: "grant_cut_short",
    what: "Two grants of the same access overlap; when the first ends, the broker takes the assignment away and with it the second.",
    expect: "The second grant is active and its assignment is gone; both grants and the person who stands outside.",
    techniques: &["T1531"],
    days: 1,
    play: grant_cut_short,
};

fn grant_residue(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 2_700 + cast::ASKED,
        after: 4_500,
        grants: Grants::Held,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let (account, set) = (cast::production(scene, person), permission_set("Admin"));
    let window = (Seconds(at.0 - 2_700), Seconds(at.0 + 4_500));
    let grant =
        cast::grant(scene, person, (account, set), window, "Replace a certificate of the proxy");
    cast::give(scene, &grant);
    let session = cast::at_work(scene, person, (account, set), Seconds(window.0.0 + 300));
    let by = session.caller(&cast::desk(org, person, window.0), cast::program(org, person));
    let covered = vec![
        deeds::ask("acm", "ListCertificates"),
        deeds::ask("elasticloadbalancing", "DescribeLoadBalancers"),
    ];
    let began = Seconds(window.0.0 + 420);
    deeds::all_of(scene, &mut Told::default(), (&by, account), (began, 90), covered);
    // The work is done early, and so the grant is given back.
    broker::say(scene, &grant, "revoked", 4, at);
    let asked = json!({
        "instanceArn": org.instance, "targetId": org.account(account).id, "targetType": "AWS_ACCOUNT",
        "permissionSetArn": org.permission_set_arn(set), "principalType": "USER", "principalId": person.user_id,
    });
    let throttled = Written::write("sso", "DeleteAccountAssignment")
        .asking(asked)
        .failing("ThrottlingException", "Rate exceeded");
    let moment = Seconds(at.0 + 2);
    let by = broker::caller(scene, moment);
    let place = Place { account: MANAGEMENT, region: HOME };
    let tried = scene.call(moment, place, &by, throttled);
    Told {
        identity: person.identity(),
        aliases: vec![broker_identity(scene)],
        accounts: vec![account],
        events: vec![(moment, tried)],
        grants: vec![grant.id],
        span: Some((at, Seconds(at.0 + DUE))),
        ..Told::default()
    }
}

fn broker_identity(scene: &Scene<'_>) -> String {
    format!("workload:{}/role/{}", scene.org.account(MANAGEMENT).id, broker::ROLE)
}

fn assignment_out_of_band(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Operator],
        before: 1_800 + cast::ASKED,
        after: 5_400,
        grants: Grants::Held,
    };
    let (person, begins) = cast::somebody(scene, at, &role);
    let without = cast::Role {
        callings: &[Calling::Developer],
        before: 0,
        after: 1_500,
        grants: Grants::Never,
    };
    let (colleague, at) = cast::somebody(scene, begins, &without);
    if at != begins {
        // They wait for the colleague.
        cast::take(scene, person, (&role, at));
    }
    let (target, admin) = (org.production(), permission_set("Admin"));
    // They are an administrator for good reason: a grant for Identity Center itself.
    let window = (Seconds(at.0 - 1_800), Seconds(at.0 + 5_400));
    let grant = cast::grant(
        scene,
        person,
        (MANAGEMENT, admin),
        window,
        "Tidy up groups of Identity Center",
    );
    cast::give(scene, &grant);
    let session = cast::at_work(scene, person, (MANAGEMENT, admin), Seconds(window.0.0 + 200));
    cast::end(scene, &grant);
    let by = session.caller(&cast::desk(org, person, at), cast::program(org, person));
    let mut told = Told {
        identity: person.identity(),
        aliases: vec![colleague.identity()],
        accounts: vec![MANAGEMENT, target],
        ..Told::default()
    };
    let favour = cast::grant(scene, colleague, (target, admin), (at, at), "");
    told.events.push((at, broker::assign(scene, &favour, &by, at)));
    let goes_in = Seconds(at.0 + 420);
    let desk = cast::desk(org, colleague, goes_in);
    let portal = portal::sign_in(scene, colleague, Seconds(goes_in.0 - 60), &desk);
    let (session, taken) = scene
        .noting(|scene| portal::take_role(scene, &portal, (colleague, target, admin), goes_in));
    told.events.extend(taken);
    let about = org.account(target);
    let calls = vec![
        deeds::ask("secretsmanager", "ListSecrets"),
        deeds::secret(&about.secrets[1]),
        deeds::database_password(&deeds::database(about, 1)),
    ];
    let by = session.caller(&desk, cast::program(org, colleague));
    deeds::all_of(scene, &mut told, (&by, target), (Seconds(goes_in.0 + 45), 80), calls);
    told
}

fn grant_cut_short(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 3_600 + cast::ASKED,
        after: 7_200,
        grants: Grants::Held,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let (account, set) = (cast::production(scene, person), permission_set("Admin"));
    let first = (Seconds(at.0 - 3_600), at);
    let second = (Seconds(at.0 - 1_200), Seconds(at.0 + 7_200));
    let first = cast::grant(scene, person, (account, set), first, "Look into slow orders");
    let second = cast::grant(scene, person, (account, set), second, "Resize the search instances");
    cast::give(scene, &first);
    let session = cast::at_work(scene, person, (account, set), Seconds(first.from.0 + 180));
    let desk = cast::desk(org, person, at);
    let by = session.caller(&desk, cast::program(org, person));
    let covered = vec![
        deeds::ask("cloudwatch", "DescribeAlarms"),
        deeds::ask("rds", "DescribeDBInstances"),
        deeds::ask("elasticloadbalancing", "DescribeLoadBalancers"),
    ];
    let began = Seconds(first.from.0 + 240);
    deeds::all_of(scene, &mut Told::default(), (&by, account), (began, 200), covered);
    cast::give(scene, &second);
    let taken_away = cast::end(scene, &first);

    let mut told = Told {
        identity: person.identity(),
        aliases: vec![broker_identity(scene)],
        accounts: vec![account],
        events: vec![(Seconds(at.0 + 2), taken_away)],
        grants: vec![first.id.clone(), second.id.clone()],
        ..Told::default()
    };
    // The person comes back for the second task and is not let in.
    let again = Seconds(at.0 + 1_500);
    let portal = portal::sign_in(scene, person, Seconds(again.0 - 40), &desk);
    for nth in 0..3 {
        let moment = Seconds(again.0 + nth * 35);
        told.events.push((moment, refused_at_the_portal(scene, &portal, &second, moment)));
    }
    told
}

/// The portal refuses the role of `grant`, as nothing assigns it.
fn refused_at_the_portal(
    scene: &mut Scene<'_>,
    portal: &portal::Portal,
    grant: &broker::Grant<'_>,
    at: Seconds,
) -> EventId {
    let account = &scene.org.account(grant.account).id;
    let asked = json!({"role_name": grant.set.name, "account_id": account});
    let written = Written::read("sso", "GetRoleCredentials")
        .failing("ForbiddenException", "No access")
        .with("serviceEventDetails", asked);
    let written = Written { event_type: "AwsServiceEvent", ..written };
    scene.call(at, Place { account: MANAGEMENT, region: HOME }, &portal.caller, written)
}
