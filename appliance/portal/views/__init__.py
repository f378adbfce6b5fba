"""The pages of the portal, a file for each thing that a visitor does."""
