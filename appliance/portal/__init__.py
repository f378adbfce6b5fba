"""The citizens' portal: who asked about me, when and for what, with the proof of each answer."""
