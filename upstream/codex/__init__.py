"""The back end of Codex: `backend-api/codex`, for accounts that signed in by its login."""
