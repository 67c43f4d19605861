"""The parts of check_figures.py: prose (numbers in Markdown), spread (figures over seeds),
records (what is committed) and expressions (what a claim computes from the records)."""
