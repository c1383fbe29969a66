//! The errors of one request, gathered while it is read.

use std::fmt;

use events::Invalid;
use events::text::UpTo;

use crate::FieldError;

/// More errors are not named, so that a small body cannot have a large answer.
const MOST: usize = 100;

/// A value was wrong; [`Errors`] knows how.
#[derive(Debug, Clone, Copy)]
pub struct Wrong(());

/// What is wrong with a request, field by field.
#[derive(Debug, Default)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// Notes one.
    pub fn wrong(&mut self, pointer: impl Into<String>, detail: impl fmt::Display) -> Wrong {
        if !self.is_full() {
            self.0.push(FieldError::new(pointer, detail.to_string()));
        }
        Wrong(())
    }

    /// Whether no more errors are named.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// Notes the error of a value, if there is one.
    ///
    /// # Errors
    /// When there is one.
    pub fn check<T, E: fmt::Display>(
        &mut self,
        pointer: &str,
        checked: Result<T, E>,
    ) -> Result<T, Wrong> {
        checked.map_err(|error| self.wrong(pointer, error))
    }

    /// The same for each item of a list.
    ///
    /// # Errors
    /// When at least one is wrong.
    pub fn each<T, U, E: fmt::Display>(
        &mut self,
        pointer: &str,
        items: impl IntoIterator<Item = T>,
        mut check: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Vec<U>, Wrong> {
        let items = items.into_iter().enumerate();
        let checked = items.map(|(at, item)| {
            check(item).map_err(|error| self.wrong(format!("{pointer}/{at}"), error))
        });
        // All of them, before the first that is wrong ends it.
        let checked: Vec<_> = checked.collect();
        checked.into_iter().collect()
    }

    /// A list whose length is limited. The items of one that is too long are not looked at.
    ///
    /// # Errors
    /// When it is too long, or an item is wrong.
    pub fn list<T, U, const MOST: usize>(
        &mut self,
        pointer: &str,
        items: Vec<T>,
        check: impl FnMut(T) -> Result<U, Invalid>,
    ) -> Result<UpTo<U, MOST>, Wrong> {
        let items = self.check(pointer, UpTo::<T, MOST>::try_from(items))?;
        let checked = self.each(pointer, items.into_vec(), check)?;
        self.check(pointer, UpTo::try_from(checked))
    }

    /// All that were noted.
    #[must_use]
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}
