"""The job stores: Firestore and SQLite."""
