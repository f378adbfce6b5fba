"""What the web pages of portal and desk share: serving, guarding, wording, sessions, rendering."""
