-- By which rules the facts were derived (`rules.rs`), and by which ones a series counts; null: not known.
ALTER TABLE collector ADD COLUMN rules text;
ALTER TABLE series ADD COLUMN rules text;
GRANT DELETE ON followed TO iidi_service;
