//! Which word counts of several, and what an instance says when.

use super::*;

const P: PartitionId = PartitionId(3);

fn table(name: &str) -> Table {
    Table::new(name.to_owned(), BaseUrl::new(&format!("http://{name}")).expect("a URL"))
}

/// What an instance says; `on`: that it owns the partition.
fn said(name: &str, generation: i64, on: bool) -> Option<Claim> {
    let url = on.then(|| format!("http://{name}"));
    Some(Claim { url, generation, instance_id: name.to_owned(), since: 5, tenants: none() })
}

fn owner(seen: &[Option<Claim>]) -> Option<String> {
    let mut table = table("onlooker");
    seen.iter().for_each(|said| table.see(P, said.clone()));
    table.owner(P).map(|url| url.to_string())
}

#[test]
fn the_greatest_generation_counts_in_whatever_order_it_comes() {
    let (a, b) = (|generation, on| said("a", generation, on), |generation, on| said("b", generation, on));
    for (seen, expected) in [
        (vec![], None),
        (vec![a(1, true)], Some("http://a")),
        (vec![a(1, true), b(2, true)], Some("http://b")),
        (vec![b(2, true), a(1, true)], Some("http://b")),
        (vec![b(2, true), a(1, false)], Some("http://b")),
        (vec![b(2, true), None], Some("http://b")),
        (vec![a(1, true), a(1, false)], None),
        (vec![a(1, true), a(1, false), a(1, true)], Some("http://a")),
        (vec![a(1, true), b(1, true)], Some("http://a")),
        (vec![a(1, true), b(1, false)], Some("http://a")),
        (vec![a(2, true), b(3, false)], None),
        (vec![None], None),
    ] {
        assert_eq!(owner(&seen).as_deref(), expected, "{seen:?}");
    }
}

#[test]
fn nobody_is_sent_to_where_they_ask_already() {
    let mut own = table("a");
    own.see(P, said("a", 1, true));
    assert_eq!(own.owner(P), None);
    let twin = Claim { instance_id: "twin".to_owned(), ..said("a", 2, true).expect("a claim") };
    own.see(P, Some(twin));
    assert_eq!(own.owner(P), None, "two instances say the same URL");
    own.see(P, said("b", 3, true));
    assert_eq!(own.owner(P).expect("another").as_str(), "http://b");
}

/// What `a` says, its partition held or not, after these were seen.
fn unsaid(seen: &[Option<Claim>], held: Option<(i32, bool)>) -> Option<(bool, i64)> {
    let mut table = table("a");
    seen.iter().for_each(|said| table.see(P, said.clone()));
    let held = held.map(|(generation, answers)| Held { partition: P, generation, answers, guests: none() });
    let mut unsaid = table.unsaid(held.as_slice(), 7);
    assert!(unsaid.len() <= 1 && unsaid.iter().all(|(p, claim)| *p == P && claim.instance_id == "a"), "{unsaid:?}");
    unsaid.pop().map(|(_, claim)| (claim.url.is_some(), claim.generation))
}

#[test]
fn an_owner_says_so_once_and_again_where_anything_lies_behind_its_word() {
    let (a, b) = (|generation, on| said("a", generation, on), |generation, on| said("b", generation, on));
    for (seen, held, expected) in [
        (vec![], None, None),
        (vec![], Some((4, false)), None),
        (vec![], Some((4, true)), Some((true, 4))),
        (vec![a(4, true)], Some((4, true)), None),
        (vec![a(4, true)], Some((6, true)), Some((true, 6))),
        (vec![b(3, true)], Some((4, true)), Some((true, 4))),
        // A late word of an earlier owner, or a tombstone, would be all that compaction keeps.
        (vec![a(4, true), b(3, true)], Some((4, true)), Some((true, 4))),
        (vec![a(4, true), b(3, false)], Some((4, true)), Some((true, 4))),
        (vec![a(4, true), None], Some((4, true)), Some((true, 4))),
        (vec![a(4, true), None], Some((4, false)), None),
        // Left behind by a group that was deleted since.
        (vec![b(9, true)], Some((4, true)), Some((true, 10))),
        (vec![a(4, true), a(4, false)], Some((4, true)), Some((true, 4))),
        // Given up.
        (vec![a(4, true)], None, Some((false, 4))),
        (vec![a(4, true), a(4, false)], None, None),
        (vec![a(4, true), b(5, true)], None, None),
        (vec![a(4, true)], Some((4, false)), None),
    ] {
        assert_eq!(unsaid(&seen, held), expected, "{seen:?} {held:?}");
    }
}

#[test]
fn an_instance_that_moved_says_where_it_is_now() {
    let mut moved = Table::new("a".to_owned(), BaseUrl::new("http://elsewhere").expect("a URL"));
    moved.see(P, said("a", 4, true));
    let unsaid = moved.unsaid(&[Held { partition: P, generation: 4, answers: true, guests: none() }], 7);
    assert_eq!(unsaid[0].1.url.as_deref(), Some("http://elsewhere"));
}

#[test]
fn records_come_back_and_others_are_passed_over() {
    let claim = said("a", 4, true).expect("a claim");
    assert_eq!(Claim::read(Some(&claim.to_json())), Some(claim));
    let text = |url: &str| format!(r#"{{"url":{url},"generation":1,"instance_id":"a","since":0,"more":[]}}"#);
    assert!(Claim::read(Some(text("null").as_bytes())).is_some());
    for url in [r#""http://a/path""#, r#""javascript:alert(1)""#, r#""http://user@a""#, "7"] {
        assert_eq!(Claim::read(Some(text(url).as_bytes())), None, "{url}");
    }
    assert_eq!((Claim::read(None), Claim::read(Some(b"{}")), Claim::read(Some(b"\xff"))), (None, None, None));
    assert_eq!(partition_of("g/1", key("g/1", P).as_bytes()), Some(P));
    for other in ["g/3", "3", "g/1/x", "g/1/-1", "g/1/99999999999", ""] {
        assert_eq!(partition_of("g/1", other.as_bytes()), None, "{other}");
    }
}
