//! Announcements of broadcasts.
