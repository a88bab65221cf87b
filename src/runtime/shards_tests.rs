//! A tenant that is spread over partitions, beside one engine that holds all of it.

#[path = "shards_given.rs"]
mod given;

use std::sync::RwLock;

use serde_json::json;

use super::*;
use crate::engine::{PrefixQuery, Sought};
use crate::http::port::QueryPort;
use crate::http::settings::BaseUrl;
use crate::model::position::{Offset, Position};
use crate::runtime::board::Phase;
use crate::runtime::owners::{Claim, Table};
use given::*;

#[test]
fn lists_of_several_partitions_are_those_of_one_that_holds_all() {
    let (board, whole) = spread();
    let port = Queries::of(&board);
    for k in [1, 2, 5, 11, 1000] {
        let found = port.search(&search(vector(), k)).expect("an answer");
        assert_eq!(Some(found.value), whole.find(&search(vector(), k)), "{k}");
        let own = search(Sought::Session(id(4), None), k);
        assert_eq!(Some(port.search(&own).expect("it is known").value), whole.find(&own), "{k}");
        let PrefixQuery { tenant, cache, family, hashes, .. } = prefix(k);
        let expected = whole.prefix_match(&tenant, &cache, &family, &hashes, None, None, k);
        assert!(expected.len() >= k.min(5), "the chains match");
        assert_eq!(port.prefix_match(&prefix(k)).expect("an answer").value, expected, "{k}");
    }
    let unknown = search(Sought::Session(SessionId::new("s-none").expect("an id"), None), 3);
    assert_eq!(port.search(&unknown).err(), Some(QueryError::NotFound));
}

#[test]
fn a_merged_answer_covers_what_its_least_far_partition_does() {
    let (board, _) = spread();
    let found = Queries::of(&board).search(&search(vector(), 3)).expect("an answer");
    let places: Vec<_> = found.shards.iter().map(|shard| shard.as_of.partition.0).collect();
    assert_eq!(places, [0, 1, 2], "the one that knows nothing of it is not among them");
    let least = found.shards.iter().min_by_key(|shard| shard.stream_time).expect("three");
    assert_eq!((found.stream_time, found.as_of), (least.stream_time, least.as_of));
    assert_eq!(found.lag, found.shards.iter().filter_map(|shard| shard.lag).max());
    let one = Queries::of(&board).session(&tenant(), &id(4)).expect("it is known");
    assert_eq!((one.as_of.partition, one.shards.len()), (PartitionId(1), 0));
}

#[test]
fn what_a_request_goes_on_with_is_the_deepest_of_all_partitions() {
    let (board, whole) = spread();
    let port = Queries::of(&board);
    for hashes in [&[0xa0][..], &[0xa0, 0xa1], &[0xa0, 0xa1, 0xa2], &[0xa0, 0xa1, 0xa2, 0xa3, 0xa4]] {
        let asked = recovery(None, None, hashes);
        let (found, expected) = (port.recovery(&asked).expect("an answer").value, whole.recovery(&asked));
        assert_eq!(Some(found.session), expected.map(|found| found.session), "{hashes:x?}");
    }
    assert_eq!(port.recovery(&recovery(None, None, &[0xff])).err(), Some(QueryError::NotFound));
    for n in 0..SPREAD {
        let asked = recovery(None, Some(&format!("u-{n}")), &[0xa0]);
        let of_user = port.recovery(&asked).expect("an answer");
        assert_eq!(of_user.as_of.partition, PartitionId(n));
        assert_eq!(Some(of_user.value.session), whole.recovery(&asked).map(|found| found.session));
    }
    let of_session = port.recovery(&recovery(Some(7), Some("u-2"), &[0xa0])).expect("an answer");
    assert_eq!((of_session.value.session, of_session.as_of.partition), (id(7), PartitionId(1)));
}

#[test]
fn a_partition_that_cannot_answer_is_missed_by_what_may_be_in_it() {
    let (board, _) = spread();
    let port = Queries::of(&board);
    let (away, empty) = (PartitionId((home().0 + 1) % SPREAD), PartitionId(3));
    let elsewhere = i64::from((away.0 + 1) % SPREAD);
    board.slot(empty).expect("one").set_phase(Phase::Failed("gone".to_owned()));
    assert!(port.search(&search(vector(), 3)).is_ok(), "it held nothing of the tenant");
    board.slot(away).expect("one").set_phase(Phase::Restoring(0.5));
    let fault = Some(QueryError::Restoring(away, 0.5));
    assert_eq!(port.search(&search(vector(), 3)).err(), fault);
    assert_eq!(port.prefix_match(&prefix(3)).err(), fault);
    assert_eq!(port.recovery(&recovery(None, None, &[0xa0])).err(), fault);
    assert_eq!(port.session(&tenant(), &id(i64::from(away.0))).err(), fault);
    assert_eq!(port.history(&history(&format!("u-{}", away.0))).err(), fault);
    assert!(port.session(&tenant(), &id(elsewhere)).is_ok(), "what is found is told");
    assert!(port.history(&history(&format!("u-{elsewhere}"))).is_ok());
    let known = search(Sought::Session(id(elsewhere), None), 3);
    assert_eq!(port.search(&known).err(), fault, "its vector is known, what is near is not");
}

#[test]
fn what_is_asked_of_some_partitions_comes_from_these_alone() {
    let (board, _) = spread();
    let only = |partitions: &[i32]| Queries::of(&board).only(partitions.iter().copied().map(PartitionId).collect());
    let ids = |partitions| {
        let found = only(partitions).search(&search(vector(), 1000)).expect("an answer").value;
        let mut ids: Vec<i64> = (0..SESSIONS).filter(|n| found.iter().any(|one| one.hit.session == id(*n))).collect();
        ids.dedup_by_key(|n| *n % SPREAD as i64);
        ids
    };
    assert_eq!((ids(&[1]).first().copied(), ids(&[1]).len()), (Some(1), 1));
    assert_eq!(only(&[1]).session(&tenant(), &id(0)).err(), Some(QueryError::NotFound));
    let slot = board.slot(PartitionId(2)).expect("one");
    board.remove(PartitionId(2), &slot);
    assert_eq!(only(&[1, 2]).search(&search(vector(), 1)).err(), Some(QueryError::NotOwned(PartitionId(2))));
    assert_eq!(only(&[1, 2]).session(&tenant(), &id(2)).err(), Some(QueryError::NotOwned(PartitionId(2))));
    assert!(only(&[1, 2]).session(&tenant(), &id(1)).is_ok());
    assert_eq!(only(&[]).search(&search(vector(), 1)).err(), Some(QueryError::NotFound));
    let at = |partition| Position { partition: PartitionId(partition), offset: Offset(1000) };
    assert!(only(&[1]).behind(at(0)).expect("another's record is not waited for").is_none());
    assert!(only(&[1]).behind(at(1)).expect("it runs").is_some());
    assert!(only(&[1]).behind(at(9)).is_err());
}

fn claim(url: Option<&str>, tenants: Names) -> Option<Claim> {
    let url = url.map(str::to_owned);
    Some(Claim { url, generation: 1, instance_id: "b".to_owned(), since: 5, tenants })
}

#[test]
fn where_a_tenant_lives_elsewhere_is_known_by_what_owners_say() {
    let mut table = Table::new("a".to_owned(), BaseUrl::new("http://a").expect("a URL"));
    let acme = || Some(vec!["acme".to_owned()]);
    table.whole = true;
    for (partition, said) in [
        (0, claim(Some("http://b"), acme())),
        (1, claim(None, acme())),
        (2, claim(Some("http://b"), Some(vec!["globex".to_owned()]))),
        (3, claim(Some("http://b"), None)),
    ] {
        table.see(PartitionId(partition), said);
    }
    let mut board = Board::new(PARTITIONS, 1);
    board.owners = Some(Arc::new(RwLock::new(table)));
    let port = Queries::of(&Arc::new(board));
    let at = |partition| (PartitionId(partition), Whereabouts::At(BaseUrl::new("http://b").expect("a URL")));
    let mut expected = vec![at(0), (PartitionId(1), Whereabouts::Nowhere), at(3)];
    if home() == PartitionId(2) {
        expected.insert(0, at(2));
    }
    expected.sort_by_key(|(partition, _)| (*partition != home(), *partition));
    assert_eq!(port.places(Some(&tenant())), expected);
    assert_eq!(port.places(None).len(), PARTITIONS as usize);
}

#[test]
fn the_guests_of_a_partition_are_those_whose_home_is_elsewhere() {
    let (board, _) = spread();
    let mut lists = GuestLists::default();
    let of = |lists: &GuestLists, partition| lists.of(partition, &board.slot(partition).expect("one"));
    assert_eq!(of(&lists, PartitionId(0)), None, "not looked at, any may be there");
    lists.look(&board);
    for partition in (0..PARTITIONS).map(PartitionId) {
        let guest = partition.0 < SPREAD && partition != home();
        assert_eq!(of(&lists, partition), Some(if guest { vec!["acme".to_owned()] } else { Vec::new() }));
    }
    // What comes is seen with the next look.
    let empty = PartitionId(3);
    let Phase::Running(engine) = board.slot(empty).expect("one").phase() else { panic!("it runs") };
    fold(&mut engine.write().expect("no panic"), &life(3)[0]);
    lists.look(&board);
    assert_eq!(of(&lists, empty), Some(Vec::new()), "not at once");
    lists.looked = None;
    lists.look(&board);
    let expected = if home() == empty { Vec::new() } else { vec!["acme".to_owned()] };
    assert_eq!(of(&lists, empty), Some(expected));
    for n in 0..=MOST_TOLD {
        let mut event = life(3)[0].clone();
        event["tenant_id"] = json!(format!("t-{n}"));
        fold(&mut engine.write().expect("no panic"), &event);
    }
    lists.looked = None;
    lists.look(&board);
    let homes = |n: usize| home_partition(format!("t-{n}").as_bytes(), PARTITIONS) != empty;
    let away = (0..=MOST_TOLD).filter(|n| homes(*n)).count();
    assert!((2..MOST_TOLD).contains(&away), "some are at home");
    assert_eq!(of(&lists, empty).map(|names| names.len()), Some(away + usize::from(home() != empty)));
    let many = |engine: &mut Engine| {
        for n in MOST_TOLD + 1..3 * MOST_TOLD {
            let mut event = life(3)[0].clone();
            event["tenant_id"] = json!(format!("t-{n}"));
            fold(engine, &event);
        }
    };
    many(&mut engine.write().expect("no panic"));
    lists.looked = None;
    lists.look(&board);
    assert_eq!(of(&lists, empty), None, "too many to tell");
    // What ran before and runs anew was not looked at.
    let anew = Engine::new(settings(), empty, PARTITIONS);
    board.slot(empty).expect("one").set_phase(Phase::Running(Arc::new(RwLock::new(anew))));
    assert_eq!(of(&lists, empty), None);
    lists.look(&board);
    assert_eq!(of(&lists, empty), Some(Vec::new()), "at once");
}
