"""The one way into the gateway's log, and what is known out of it: records, attempts, practice, profiles, rubrics."""
