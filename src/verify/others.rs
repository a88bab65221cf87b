//! Other generations of the application, which publish to the same sequences: from where to where, and whether what
//! they published can be told from this generation's annals.

use rdkafka::error::KafkaError;

use super::VerifyError;
use super::books::{Books, same_history};
use super::cut::Reading;
use crate::engine::Annals;
use crate::kafka::groups::Groups;
use crate::model::position::Offset;
use crate::runtime::settings::Generation;

/// What other generations published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// What follows from input below was published by an earlier one that judged otherwise, or may have.
    pub below: Offset,
    /// It cannot be found out how far earlier ones published.
    pub unknown: bool,
    /// Another one has come further, or a later one as far: it publishes behind what this one would.
    pub after: bool,
    /// A later one has come as far: this one is not to go on.
    pub superseded: bool,
}

impl Reading<'_> {
    /// Looks at the other generations. `to`: how far this one has come.
    pub fn others(&self, groups: &mut Groups, own: &Books, annals: &Annals, to: Offset) -> Result<Others, VerifyError> {
        let number = self.settings.generation.number;
        let superseded = self.overtaken(groups, to)?;
        let mut after = superseded;
        let mut publish_from = own.publish_from();
        let (mut same, mut found) = (true, false);
        for earlier in 1..number {
            let (offset, books) = self.earlier(groups, earlier)?;
            let checkpoint = books.as_ref().and_then(Books::checkpoint).map(|checkpoint| checkpoint.next_offset);
            let reached = offset.max(checkpoint);
            publish_from = publish_from.max(reached);
            after |= reached > Some(to);
            match (reached, books) {
                (Some(reached), Some(mut books)) => {
                    found = true;
                    same &= same_history(&books.annals(), annals, reached.min(to));
                }
                (Some(_), None) => same = false,
                // Its topic holds nothing: it never folded anything here.
                (None, Some(_)) => found = true,
                (None, None) => {}
            }
        }
        Ok(match publish_from {
            Some(from) if !(same && found) => Others { below: from, unknown: false, after, superseded },
            None if number > 1 && !found => Others { below: Offset(0), unknown: true, after, superseded },
            _ => Others { below: Offset(0), unknown: false, after, superseded },
        })
    }

    /// Whether a later generation has come as far as this one.
    fn overtaken(&self, groups: &mut Groups, to: Offset) -> Result<bool, VerifyError> {
        let topic = &self.settings.topics.events;
        for later in self.existing(groups, self.settings.generation.number + 1..=Generation::MAX)? {
            let group = self.settings.group_of(later);
            let offset = self.persevere(&group, || groups.offset(&group, topic, self.partition))?;
            if offset.is_some_and(|offset| offset >= to) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How far an earlier generation's group came, and its bookkeeping; `None`: it has none.
    fn earlier(&self, groups: &mut Groups, number: u32) -> Result<(Option<Offset>, Option<Books>), VerifyError> {
        let group = self.settings.group_of(number);
        let offset = self.persevere(&group, || groups.offset(&group, &self.settings.topics.events, self.partition))?;
        if self.existing(groups, number..=number)?.is_empty() {
            return Ok((offset, None));
        }
        Ok((offset, Some(self.books(&self.settings.bookkeeping_of(number))?)))
    }

    /// Reads a bookkeeping topic.
    pub fn books(&self, topic: &str) -> Result<Books, VerifyError> {
        let extent = self.settled(topic)?;
        let mut books = Books::default();
        if extent.end > extent.begin {
            let read = self.reader.read(topic, self.partition, |message| {
                message.into_iter().for_each(|message| books.take(message));
                true
            });
            read.map_err(VerifyError::kafka(format!("reading {topic}")))?;
        }
        Ok(books)
    }

    fn existing(&self, groups: &mut Groups, numbers: std::ops::RangeInclusive<u32>) -> Result<Vec<u32>, VerifyError> {
        let own = self.settings.kafka.group_id.clone();
        let mut ask = || -> Result<Vec<bool>, KafkaError> {
            groups.existing(&own, numbers.clone().map(|number| self.settings.bookkeeping_of(number)))
        };
        let exist = self.persevere("topics", &mut ask)?;
        Ok(numbers.zip(exist).filter(|(_, exists)| *exists).map(|(number, _)| number).collect())
    }
}
