//! Names by number, for as long as a slot uses them.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of no name.
pub const NONE: u32 = u32::MAX;

/// Numbers names and counts who uses them.
#[derive(Debug)]
pub struct Interner<T> {
    entries: Vec<(Option<T>, u32)>,
    free: Vec<u32>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner {
            entries: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Eq + Hash + Clone> Interner<T> {
    /// The number of a name that is in use.
    pub fn number(&self, name: &T) -> Option<u32> {
        let same = |number: &u32| self.entries[*number as usize].0.as_ref() == Some(name);
        self.table.find(self.hasher.hash_one(name), same).copied()
    }

    /// The name of a number; `None` of [`NONE`].
    pub fn name(&self, number: u32) -> Option<&T> {
        self.entries.get(number as usize)?.0.as_ref()
    }

    /// Exchanges the name that one slot uses.
    pub fn exchange(&mut self, held: &mut u32, name: Option<&T>) {
        if self.name(*held) == name {
            return;
        }
        let number = name.map_or(NONE, |name| self.hold(name));
        self.release(std::mem::replace(held, number));
    }

    fn hold(&mut self, name: &T) -> u32 {
        if let Some(number) = self.number(name) {
            self.entries[number as usize].1 += 1;
            return number;
        }
        let entry = (Some(name.clone()), 1);
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        let Interner { entries, table, hasher, .. } = self;
        let hash = |n: &u32| entries[*n as usize].0.as_ref().map_or(0, |name| hasher.hash_one(name));
        table.insert_unique(hasher.hash_one(name), number, hash);
        number
    }

    fn release(&mut self, number: u32) {
        let Some((name, count)) = self.entries.get_mut(number as usize) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let Some(name) = name.take() else { return };
        let found = self.table.find_entry(self.hasher.hash_one(&name), |n| *n == number);
        if let Ok(entry) = found {
            entry.remove();
        }
        self.free.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_while_a_slot_uses_it() {
        let mut names: Interner<String> = Interner::default();
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let (mut one, mut two, mut three) = (NONE, NONE, NONE);
        names.exchange(&mut one, Some(&a));
        names.exchange(&mut two, Some(&a));
        names.exchange(&mut three, Some(&b));
        assert_eq!((one == two, one == three), (true, false));
        names.exchange(&mut one, Some(&b));
        assert_eq!((one == three, names.number(&a)), (true, Some(two)));
        names.exchange(&mut two, None);
        assert_eq!((two, names.number(&a)), (NONE, None));
        // Many at a time, and then each number again.
        let mut numbers = vec![NONE; 100];
        for (n, held) in numbers.iter_mut().enumerate() {
            names.exchange(held, Some(&format!("n-{n}")));
        }
        for (n, held) in numbers.iter_mut().enumerate() {
            assert_eq!(names.number(&format!("n-{n}")), Some(*held));
            names.exchange(held, None);
        }
        let entries = names.entries.len();
        let many: Vec<u32> = (0..100)
            .map(|n| {
                let mut held = NONE;
                names.exchange(&mut held, Some(&format!("n-{n}")));
                names.exchange(&mut held, None);
                held
            })
            .collect();
        assert_eq!((many, names.entries.len(), names.name(one)), (vec![NONE; 100], entries, Some(&b)));
    }
}
