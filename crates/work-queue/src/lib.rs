//! Redis Streams that dispatch ids: streams, consumer groups, delayed retries, reclaim.
