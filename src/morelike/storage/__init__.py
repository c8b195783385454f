"""Raw images read from folders and archives; datasets stored as shards."""
