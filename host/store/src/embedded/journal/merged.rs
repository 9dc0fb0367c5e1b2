//! Several sorted lists, read as one.

use std::collections::BinaryHeap;

use crate::StoreError;

/// A list that gives its greatest item first.
pub(super) type List<'a, T> = Box<dyn Iterator<Item = Result<T, StoreError>> + 'a>;

/// The items of all lists, the greatest first.
pub(super) struct Merged<'a, T> {
    lists: Vec<List<'a, T>>,
    /// The next item of each list that has one, and the list's place.
    heads: BinaryHeap<(T, usize)>,
}

impl<'a, T: Ord> Merged<'a, T> {
    pub(super) fn of(lists: Vec<List<'a, T>>) -> Result<Self, StoreError> {
        let mut merged = Self { lists, heads: BinaryHeap::new() };
        (0..merged.lists.len()).try_for_each(|place| merged.take_head(place))?;
        Ok(merged)
    }

    fn take_head(&mut self, place: usize) -> Result<(), StoreError> {
        let head = self.lists[place].next().transpose()?;
        self.heads.extend(head.map(|item| (item, place)));
        Ok(())
    }
}

impl<T: Ord> Iterator for Merged<'_, T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, place) = self.heads.pop()?;
        Some(self.take_head(place).map(|()| item))
    }
}
