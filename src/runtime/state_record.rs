//! A record of a state topic as Kafka has it. Never looks into its body.

use rdkafka::Message;

use crate::engine::{RestoreError, Restoring, StateTopic, encode};
use crate::kafka::headers;

/// Hands it to the engine that is being restored. Refused where it is not in the form that the service writes.
pub(super) fn apply(restoring: &mut Restoring, role: StateTopic, message: &impl Message) -> Result<(), RestoreError> {
    let refused = |key: &[u8], fault: &str| {
        let place = format!("{fault} ({} offset {})", message.topic(), message.offset());
        RestoreError::unreadable(role, key, place)
    };
    let key = message.key().ok_or_else(|| refused(b"", "a state record has no key"))?;
    let body = match message.payload() {
        None => None,
        // A state in JSON carries its Avro body beside it.
        Some(value) => match headers::last(message.headers(), "rekindle-state") {
            Some(body) => Some(body),
            None => Some(encode::strip_frame(value).ok_or_else(|| refused(key, "its framing is not known"))?),
        },
    };
    restoring.apply(role, key, body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::super::restore_fault::Refusal;
    use super::*;
    use crate::model::position::PartitionId;

    #[test]
    fn a_record_that_others_wrote_is_refused_by_its_place_with_what_to_do() {
        for (key, value, expected) in [
            (Some("t/s"), "no state", "Vectors record of key t/s: its framing is not known (v offset 7); rebuild from"),
            (None, "no state", "Vectors record of key : a state record has no key (v offset 7); rebuild from"),
        ] {
            let [key, value] = [key, Some(value)].map(|bytes| bytes.map(|text| text.as_bytes().to_vec()));
            let message = OwnedMessage::new(value, key, "v".to_owned(), Timestamp::NotAvailable, 0, 7, None);
            let mut restoring = Restoring::new(Default::default(), PartitionId(0), 1);
            let refusal = Refusal::from(apply(&mut restoring, StateTopic::Vectors, &message).unwrap_err());
            assert!(refusal.to_string().starts_with(expected), "{refusal}");
        }
    }
}
