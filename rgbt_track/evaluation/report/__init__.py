"""Reports of a comparison: tables, plots, the HTML page and pictures of failures."""
