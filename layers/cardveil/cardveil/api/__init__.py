"""HTTP: the API on demand, its documentation, and the page where a person looks and decides."""
