"""One offline HTML page: the verdict first, then everything it rests on."""
