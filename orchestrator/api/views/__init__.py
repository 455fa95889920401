"""What the API takes and answers, as pydantic models: the published shape, apart from the tables."""
