//! What is stored, and the indexes over it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};

use super::facts::{Facts, Term, Word, referring};

/// Searches whose further pages can be read.
const MAX_SEARCHES: usize = 1024;

/// Where a resource is in the store; grows with time, so that lists in its order are oldest first.
pub(super) type Place = u32;

/// A resource, or what is left of one that was deleted.
#[derive(Debug)]
pub(super) struct Stored {
    /// `Type/id`.
    pub(super) key: Arc<str>,
    pub(super) version: u64,
    pub(super) updated: String,
    /// What a read shows, `meta` included.
    pub(super) text: Bytes,
    /// Stands for the content without what the server sets.
    pub(super) content: u64,
    pub(super) is_deleted: bool,
    terms: Box<[Term]>,
    words: Box<[Word]>,
}

impl Stored {
    pub(super) fn resource_type(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(resource_type, _)| resource_type)
    }
}

/// All resources.
#[derive(Debug, Default)]
pub(super) struct Store {
    places: Vec<Option<Stored>>,
    by_key: HashMap<Arc<str>, Place>,
    by_type: HashMap<String, BTreeSet<Place>>,
    /// What was last written when, deletions among it.
    by_time: HashMap<String, BTreeSet<(String, Place)>>,
    by_term: HashMap<Term, Vec<Place>>,
    by_word: BTreeSet<(Term, String, Place)>,
    searches: VecDeque<(u64, Arc<Search>)>,
    next_search: u64,
    next_id: u64,
    next_source: u64,
}

/// A search whose pages are read one by one: a snapshot, which new resources never join.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) found: Vec<Place>,
}

/// What is about to be stored.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) text: Bytes,
    pub(super) content: u64,
    pub(super) facts: Facts,
}

/// Writes `Type/id`.
pub(super) fn key(resource_type: &str, id: &str) -> String {
    format!("{resource_type}/{id}")
}

/// Writes an instant as the server does.
pub(super) fn instant(now: DateTime<Utc>) -> String {
    now.to_rfc3339_opts(SecondsFormat::Millis, false)
}

impl Store {
    pub(super) fn get(&self, key: &str) -> Option<&Stored> {
        self.at(*self.by_key.get(key)?)
    }

    pub(super) fn at(&self, place: Place) -> Option<&Stored> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn place(&self, key: &str) -> Option<Place> {
        let place = *self.by_key.get(key)?;
        self.at(place).filter(|stored| !stored.is_deleted).map(|_| place)
    }

    pub(super) fn live(&self, resource_type: &str) -> impl Iterator<Item = &Stored> {
        self.places_of(resource_type).filter_map(|place| self.at(place))
    }

    pub(super) fn places_of(&self, resource_type: &str) -> impl Iterator<Item = Place> {
        self.by_type.get(resource_type).into_iter().flatten().copied()
    }

    pub(super) fn live_count(&self, resource_type: &str) -> usize {
        self.by_type.get(resource_type).map_or(0, BTreeSet::len)
    }

    pub(super) fn places_by(&self, term: Term) -> &[Place] {
        self.by_term.get(&term).map_or(&[], Vec::as_slice)
    }

    pub(super) fn places_by_word(&self, (of, beginning): (Term, &str)) -> Vec<Place> {
        let words = self.by_word.range((of, beginning.to_owned(), 0)..);
        let fitting = words.take_while(|(found, word, _)| *found == of && word.starts_with(beginning));
        fitting.map(|(_, _, place)| *place).collect()
    }

    pub(super) fn referring(&self, target: &str) -> impl Iterator<Item = &Stored> {
        self.places_by(referring(target)).iter().filter_map(|place| self.at(*place))
    }

    /// Returns an id that no resource has.
    pub(super) fn new_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    /// Returns what the server writes into `meta.source`: a name for the request.
    pub(super) fn new_source(&mut self) -> String {
        self.next_source += 1;
        format!("#{:016x}", self.next_source)
    }

    pub(super) fn put(&mut self, key: &str, write: Write, now: DateTime<Utc>) {
        let Facts { mut terms, mut words, targets: _ } = write.facts;
        words.sort_unstable();
        terms.shrink_to_fit();
        let earlier = self.by_key.get(key).copied();
        let place = earlier.unwrap_or_else(|| Place::try_from(self.places.len()).unwrap_or(Place::MAX));
        let (old_terms, old_words, version) = match self.places.get_mut(place as usize) {
            Some(Some(stored)) => {
                (std::mem::take(&mut stored.terms), std::mem::take(&mut stored.words), stored.version)
            }
            _ => Default::default(),
        };
        self.index(place, &old_terms, &terms);
        self.index_words(place, &old_words, &words);
        let key: Arc<str> = Arc::from(key);
        let stored = Stored {
            key: Arc::clone(&key),
            version: version + 1,
            updated: instant(now),
            text: write.text,
            content: write.content,
            is_deleted: false,
            terms: terms.into(),
            words: words.into(),
        };
        self.by_type.entry(stored.resource_type().to_owned()).or_default().insert(place);
        let before = self.at(place).map(|earlier| earlier.updated.clone());
        self.was_written(stored.resource_type().to_owned(), place, before, stored.updated.clone());
        if earlier.is_some() {
            self.places[place as usize] = Some(stored);
        } else {
            self.places.push(Some(stored));
            self.by_key.insert(key, place);
        }
    }

    pub(super) fn delete(&mut self, key: &str, now: DateTime<Utc>) {
        let Some(place) = self.place(key) else { return };
        self.unindex(place);
        let Some(Some(stored)) = self.places.get_mut(place as usize) else { return };
        stored.is_deleted = true;
        stored.version += 1;
        stored.text = Bytes::new();
        let before = std::mem::replace(&mut stored.updated, instant(now));
        let (resource_type, now) = (stored.resource_type().to_owned(), stored.updated.clone());
        self.was_written(resource_type, place, Some(before), now);
    }

    fn was_written(&mut self, resource_type: String, place: Place, before: Option<String>, now: String) {
        let times = self.by_time.entry(resource_type).or_default();
        if let Some(before) = before {
            times.remove(&(before, place));
        }
        times.insert((now, place));
    }

    /// Returns what was last written from one instant on and before another, oldest first, deletions among it.
    pub(super) fn written<'a>(
        &'a self,
        resource_type: &str,
        from: &str,
        until: Option<&'a str>,
    ) -> impl Iterator<Item = Place> + use<'a> {
        let times = self.by_time.get(resource_type);
        let from = (from.to_owned(), 0);
        let times = times.into_iter().flat_map(move |times| times.range(from.clone()..));
        times
            .take_while(move |(at, _)| until.is_none_or(|until| at.as_str() < until))
            .map(|(_, place)| *place)
    }

    pub(super) fn forget(&mut self, key: &str) {
        let Some(place) = self.by_key.get(key).copied() else { return };
        self.unindex(place);
        self.by_key.remove(key);
        if let Some(stored) = self.places[place as usize].take()
            && let Some(times) = self.by_time.get_mut(stored.resource_type())
        {
            times.remove(&(stored.updated, place));
        }
    }

    fn unindex(&mut self, place: Place) {
        let Some(Some(stored)) = self.places.get_mut(place as usize) else { return };
        let (terms, words) = (std::mem::take(&mut stored.terms), std::mem::take(&mut stored.words));
        let resource_type = stored.resource_type().to_owned();
        self.index(place, &terms, &[]);
        self.index_words(place, &words, &[]);
        if let Some(places) = self.by_type.get_mut(&resource_type) {
            places.remove(&place);
        }
    }

    /// Brings the index from the old terms to the new ones; both are sorted.
    fn index(&mut self, place: Place, old: &[Term], new: &[Term]) {
        for term in old.iter().filter(|term| new.binary_search(term).is_err()) {
            let Some(places) = self.by_term.get_mut(term) else { continue };
            if let Ok(at) = places.binary_search(&place) {
                places.remove(at);
            }
            if places.is_empty() {
                self.by_term.remove(term);
            }
        }
        for term in new.iter().filter(|term| old.binary_search(term).is_err()) {
            let places = self.by_term.entry(*term).or_default();
            if let Err(at) = places.binary_search(&place) {
                places.insert(at, place);
            }
        }
    }

    fn index_words(&mut self, place: Place, old: &[Word], new: &[Word]) {
        for (of, word) in old.iter().filter(|word| !new.contains(word)) {
            self.by_word.remove(&(*of, word.clone(), place));
        }
        for (of, word) in new.iter().filter(|word| !old.contains(word)) {
            self.by_word.insert((*of, word.clone(), place));
        }
    }

    /// Keeps a search for its further pages; the oldest one is forgotten.
    pub(super) fn keep(&mut self, search: Search) -> (u64, Arc<Search>) {
        self.next_search += 1;
        let search = Arc::new(search);
        self.searches.push_back((self.next_search, Arc::clone(&search)));
        if self.searches.len() > MAX_SEARCHES {
            self.searches.pop_front();
        }
        (self.next_search, search)
    }

    pub(super) fn kept(&self, id: u64) -> Option<Arc<Search>> {
        let at = self.searches.binary_search_by_key(&id, |(kept, _)| *kept).ok()?;
        self.searches.get(at).map(|(_, search)| Arc::clone(search))
    }
}
