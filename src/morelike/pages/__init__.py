"""What all pages share: how a template becomes one offline HTML file, and how it looks."""
