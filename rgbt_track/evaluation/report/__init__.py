"""Reports of a comparison: tables, plots, the HTML page and images of failures."""
