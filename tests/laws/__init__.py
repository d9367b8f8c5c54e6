"""The laws of the reference: their list, the page that says how each is held, and deep runs."""
