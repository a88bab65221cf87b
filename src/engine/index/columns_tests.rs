//! Slots by the word pass as they do one by one.

use super::*;

#[test]
fn a_word_of_slots_passes_as_its_slots_do() {
    let users: Vec<UserId> = (0..3).map(|n| UserId::new(&format!("u-{n}")).expect("an id")).collect();
    let adapter = Name::new("a").expect("a name");
    let statuses = [Status::Active, Status::Paused, Status::Ended];
    let scopes = [TransferScope::None, TransferScope::User, TransferScope::Tenant];
    let mut columns = ColumnStore::default();
    for n in 0..CHUNK + 140 {
        let at = EventTime((n * 37 % 100) as i64);
        columns.push(&Columns {
            user: users.get(n % 4),
            status: (n % 7 > 0).then_some(statuses[n % 3]),
            expires_at: (n % 5 > 0).then_some(at),
            adapter: (n % 9 == 2).then_some(&adapter),
            scope: scopes[n / 3 % 3],
            last_active: (n % 11 > 0).then_some(at),
        });
    }
    let all = Wanted::default();
    let now = EventTime(50);
    for (wanted, some) in [
        (all, false),
        (Wanted { user: Some(&users[1]), ..all }, true),
        (Wanted { adapter: Some(&adapter), ..all }, true),
        (Wanted { active_since: Some(now), ..all }, true),
        (Wanted { statuses: (&[Status::Active], now), ..all }, true),
        (Wanted { statuses: (&[Status::Expired, Status::Paused], now), ..all }, true),
        (Wanted { consent: Consent::AtLeast(TransferScope::User), ..all }, true),
        (Wanted { consent: Consent::For(None), ..all }, true),
        (Wanted { consent: Consent::For(Some(&users[2])), active_since: Some(now), ..all }, true),
    ] {
        let bits = columns.passing(&wanted);
        let len = columns.flags.len();
        for slot in 0..64 * bits.len() {
            let expected = slot < len && columns.passes(slot, &wanted);
            assert_eq!(bits[slot / 64] >> (slot % 64) & 1 == 1, expected, "slot {slot}, {wanted:?}");
        }
        let passing: u32 = bits.iter().map(|bits| bits.count_ones()).sum();
        assert_eq!((1..len as u32).contains(&passing), some, "{passing} of {len}, {wanted:?}");
    }
}
